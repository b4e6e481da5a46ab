//! A directory with repositories, a store beside it, and a walker that puts the
//! one into the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    fs::path_from,
    git::Git,
    probe::{
        restore::{Order, RestoreError, Restored, Run, Target, restore},
        store::{
            Content, Draft, Entry, Open, RusticStore, Snapshot, SnapshotStatus, Stat, Store, StoreOptions,
        },
    },
};

pub struct World {
    _dir: Option<TempDir>,
    pub root: PathBuf,
    pub store: RusticStore,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("home")).unwrap();
        Self { _dir: Some(dir), ..Self::at(root) }
    }

    /// One that is there already.
    pub fn at(root: PathBuf) -> Self {
        let store = RusticStore::open(&root.join("probe"), StoreOptions::default()).unwrap();
        Self { _dir: None, store, root }
    }

    /// A path in the developer's home.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join("home").join(path)
    }

    pub fn git(&self, directory: impl AsRef<Path>, args: &[&str]) -> String {
        git(&self.path(directory), args)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A repository with two commits, and `target/` ignored.
    pub fn repo(&self, name: &str) {
        self.init(name, &[]);
    }

    pub fn init(&self, name: &str, args: &[&str]) {
        fs::create_dir_all(self.path(name)).unwrap();
        self.git(name, &[&["init", "-q", "--template="], args].concat());
        self.write(&format!("{name}/a.txt"), "one\n");
        self.write(&format!("{name}/src/b.txt"), "two\n");
        self.write(&format!("{name}/.gitignore"), "target/\n*.o\n");
        self.git(name, &["add", "."]);
        self.git(name, &["commit", "-q", "-m", "first"]);
        self.write(&format!("{name}/a.txt"), "one\nand more\n");
        self.git(name, &["commit", "-q", "-a", "-m", "second"]);
    }

    /// A snapshot of these roots, relative to the home, as they are.
    pub fn snapshot(&self, roots: &[&str]) -> Snapshot {
        let roots: Vec<PathBuf> = roots.iter().map(|root| self.path(root)).collect();
        self.snapshot_as(&roots, SnapshotStatus::Complete)
    }

    pub fn snapshot_as(&self, roots: &[PathBuf], status: SnapshotStatus) -> Snapshot {
        let mut tops: Vec<&PathBuf> = roots.iter().collect();
        tops.sort();
        tops.dedup_by(|inner, outer| inner.starts_with(outer));
        let ignored: BTreeSet<PathBuf> = roots.iter().flat_map(|root| ignored(root)).collect();
        let mut entries = Vec::new();
        for top in tops {
            walk(top, &ignored, roots, &mut entries);
        }
        let stored = self.store.put(Box::new(entries.into_iter().map(Ok)), None).unwrap();
        let draft = Draft {
            repo_id: "the-id".into(),
            repo_name: "app".into(),
            time: jiff::Timestamp::UNIX_EPOCH,
            trigger: "manual".into(),
            roots: roots.to_vec(),
            branch: None,
            head: None,
            status,
            reasons: Vec::new(),
            ledger_seq: None,
        };
        let snapshot = self.store.commit(&stored, draft).unwrap();
        self.store.settle().unwrap();
        snapshot
    }

    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub fn run(&self, order: &Order<'_>) -> Result<Restored, RestoreError> {
        fs::create_dir_all(self.state()).unwrap();
        let result = restore(&self.store, &Git::default(), &self.state(), order, &|_, _| true);
        if !matches!(result, Err(RestoreError::Unfinished { .. })) {
            self.assert_no_journal();
        }
        result
    }

    /// As [`World::run`], with `steps` told of every change, and two renames
    /// where two could be exchanged.
    pub fn run_with(
        &self,
        order: &Order<'_>,
        can_exchange: bool,
        steps: &(dyn Fn(&'static str, &Path) -> io::Result<()> + Sync),
    ) -> Result<Restored, RestoreError> {
        fs::create_dir_all(self.state()).unwrap();
        let git = Git::default();
        Run { store: &self.store, git: &git, progress: &|_, _| true, steps, can_exchange }
            .restore(&self.state(), order)
    }

    pub fn assert_no_journal(&self) {
        let Ok(entries) = fs::read_dir(self.state().join("restores")) else { return };
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == "lock"), "{names:?}");
    }

    /// What is in a directory of the home, by name.
    pub fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// What git says of a repository, in words that its owner would use.
    pub fn status(&self, name: impl AsRef<Path>) -> String {
        self.git(name, &["status", "--porcelain=v2", "--branch", "--show-stash"])
    }

    pub fn fsck(&self, name: impl AsRef<Path>) {
        self.git(name, &["fsck", "--strict", "--no-progress"]);
    }
}

/// An order for all of a snapshot to where it was.
pub fn back<'a>(world: &World, snapshot: &'a Snapshot, present: Option<&'a Snapshot>) -> Order<'a> {
    let _ = world;
    Order {
        snapshot,
        target: Target::Original { main: snapshot.draft.roots[0].clone() },
        paths: Vec::new(),
        force: false,
        present,
    }
}

pub fn git(directory: &Path, args: &[&str]) -> String {
    let output = try_git(directory, args);
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn try_git(directory: &Path, args: &[&str]) -> std::process::Output {
    Command::new("git")
        .args(["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", "-c", "gc.auto=0", "-C"])
        .arg(directory)
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A")
        .env("GIT_AUTHOR_EMAIL", "a@example.org")
        .env("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z")
        .env("GIT_COMMITTER_NAME", "A")
        .env("GIT_COMMITTER_EMAIL", "a@example.org")
        .env("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z")
        .output()
        .unwrap()
}

/// Everything that is to be the same: kind, mode, bytes or target, and a file's
/// time.
pub type Picture = BTreeMap<PathBuf, (u32, Vec<u8>, Option<(i64, i64)>)>;

pub fn picture(top: &Path) -> Picture {
    let mut found = Picture::new();
    let mut stack = vec![top.to_path_buf()];
    while let Some(path) = stack.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let (bytes, time) = if meta.is_dir() {
            stack.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            (Vec::new(), None)
        } else if meta.is_symlink() {
            (fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec(), None)
        } else if meta.is_file() {
            (fs::read(&path).unwrap(), Some((meta.mtime(), meta.mtime_nsec())))
        } else {
            (Vec::new(), None)
        };
        found.insert(path.strip_prefix(top).unwrap().to_path_buf(), (meta.mode(), bytes, time));
    }
    found
}

/// Says what differs, and not all that there is.
#[track_caller]
pub fn assert_same(now: &Picture, before: &Picture) {
    let paths: BTreeSet<&PathBuf> = now.keys().chain(before.keys()).collect();
    let differ: Vec<_> = paths.into_iter().filter(|path| now.get(*path) != before.get(*path)).collect();
    let few: Vec<_> = differ.iter().take(4).map(|path| (path, now.get(*path), before.get(*path))).collect();
    assert!(differ.is_empty(), "{differ:?}: {few:?}");
}

/// The same, but for what is beneath one of these.
pub fn picture_without(top: &Path, without: &[&str]) -> Picture {
    let mut found = picture(top);
    found.retain(|path, _| !without.iter().any(|one| path.starts_with(one)));
    found
}

fn ignored(root: &Path) -> Vec<PathBuf> {
    let args = ["ls-files", "-o", "-i", "--exclude-standard", "--directory", "-z"];
    let output = try_git(root, &args);
    let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    paths.map(|path| root.join(path_from(path.strip_suffix(b"/").unwrap_or(path)))).collect()
}

fn walk(path: &Path, ignored: &BTreeSet<PathBuf>, roots: &[PathBuf], entries: &mut Vec<Entry>) {
    let is_left_out =
        |path: &Path| ignored.contains(path) && !roots.iter().any(|root| root.starts_with(path));
    let meta = fs::symlink_metadata(path).unwrap();
    let time = |nanoseconds: i64| u32::try_from(nanoseconds).unwrap();
    let stat = Stat {
        mode: meta.mode(),
        uid: meta.uid(),
        gid: meta.gid(),
        dev: meta.dev(),
        ino: meta.ino(),
        links: meta.nlink(),
        size: if meta.is_file() { meta.len() } else { 0 },
        rdev: meta.rdev(),
        mtime: (meta.mtime(), time(meta.mtime_nsec())),
        ctime: (meta.ctime(), time(meta.ctime_nsec())),
    };
    let content = if meta.is_dir() {
        Content::Directory
    } else if meta.is_symlink() {
        Content::Link(fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec())
    } else if meta.is_file() {
        Content::File(Box::new(File(path.to_path_buf())))
    } else {
        Content::Special
    };
    entries.push(Entry { path: path.to_path_buf(), stat, content });
    if meta.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort_by(|a, b| a.file_name().unwrap().as_bytes().cmp(b.file_name().unwrap().as_bytes()));
        // Of an ignored directory only the way to a root.
        let in_ignored = path.ancestors().any(|path| ignored.contains(path))
            && !roots.iter().any(|root| {
                path.starts_with(root)
                    && ignored.iter().all(|it| !it.starts_with(root) || !path.starts_with(it))
            });
        for path in names {
            let leads_to_root = roots.iter().any(|root| root.starts_with(&path));
            if !is_left_out(&path) && (!in_ignored || leads_to_root) {
                walk(&path, ignored, roots, entries);
            }
        }
    }
}

struct File(PathBuf);

impl Open for File {
    fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs::File::open(self.0)?))
    }
}

pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
