//! A directory with repositories made by git itself, and a real store.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    git::Git,
    probe::{
        capture::{
            BeforeOpen, CaptureError, CaptureOptions, Captured, Capturer, Subject, clock::time_of_files,
        },
        store::{NodeKind, RusticStore, Snapshot, SnapshotStatus, Stat, Store as _, StoreOptions, TreeId},
    },
};

/// What is at a path: mode, owner, mtime, and the content of what has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, u32),
    content: Option<Vec<u8>>,
}

pub struct World {
    _dir: TempDir,
    pub root: PathBuf,
    pub store: RusticStore,
    pub capturer: Capturer,
    pub options: CaptureOptions,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let store = RusticStore::open(&root.join("probe"), StoreOptions::default()).unwrap();
        Self {
            capturer: Capturer::new(Git::new(root.join("scratch"))),
            _dir: dir,
            store,
            root,
            options: CaptureOptions { env: true, limit: None, trigger: "manual".into() },
        }
    }

    /// As after a start of the governor.
    pub fn restart(&mut self) {
        self.capturer = Capturer::new(Git::new(self.root.join("scratch")));
    }

    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn try_git(&self, directory: impl AsRef<Path>, args: &[&str]) -> Option<String> {
        let output = git(&self.at(directory)).args(args).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub fn git(&self, directory: impl AsRef<Path>, args: &[&str]) -> String {
        let output = git(&self.at(directory)).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A repository with one commit of one file.
    pub fn repo(&self, path: &str) -> PathBuf {
        self.repo_by(path, &[])
    }

    pub fn repo_by(&self, path: &str, init: &[&str]) -> PathBuf {
        fs::create_dir_all(self.at(path)).unwrap();
        self.git(path, &[&["init", "-q"], init].concat());
        self.write(format!("{path}/a.txt"), "one\n");
        self.git(path, &["add", "."]);
        self.git(path, &["commit", "-q", "-m", "first"]);
        self.at(path)
    }

    pub fn subject(&self, path: &str) -> Subject {
        Subject { repo_id: path.into(), repo_name: path.into(), path: self.at(path) }
    }

    pub fn try_capture(&self, path: &str) -> Result<Captured, CaptureError> {
        self.capturer.capture(&self.store, &self.subject(path), &self.options, &|_| true)
    }

    pub fn capture(&self, path: &str) -> Captured {
        self.try_capture(path).unwrap()
    }

    /// A new snapshot that has everything.
    pub fn complete(&self, path: &str) -> Snapshot {
        let captured = self.capture(path);
        assert!(!captured.unchanged);
        assert_eq!(captured.snapshot.draft.reasons, Vec::<String>::new());
        assert_eq!(captured.snapshot.draft.status, SnapshotStatus::Complete);
        captured.snapshot
    }

    /// Paths of files that are opened while something runs.
    pub fn opened(&mut self, run: impl FnOnce(&Self)) -> Vec<PathBuf> {
        let opened = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&opened);
        let note: BeforeOpen = Arc::new(move |path| {
            list.lock().unwrap().push(path.to_owned());
            Ok(())
        });
        self.capturer.before_open = Some(note);
        run(self);
        self.capturer.before_open = None;
        let mut opened = opened.lock().unwrap().clone();
        opened.sort();
        opened
    }

    /// Returns once nothing beneath `path` may be changed without its times
    /// telling.
    pub fn still(&self, path: &str) {
        let newest = on_disk(&self.at(path)).into_keys();
        let newest = newest.chain([self.at(path)]).map(|path| {
            let meta = fs::symlink_metadata(path).unwrap();
            let (seconds, nanos) = (meta.ctime().cast_unsigned(), meta.ctime_nsec().cast_unsigned());
            Duration::from_secs(seconds) + Duration::from_nanos(nanos)
        });
        let newest = newest.max().unwrap() + Duration::from_millis(25);
        while time_of_files() <= newest {
            thread::yield_now();
        }
    }

    /// What a snapshot has beneath a path.
    pub fn stored(&self, snapshot: &Snapshot, path: &Path) -> BTreeMap<PathBuf, Seen> {
        let mut all = BTreeMap::new();
        self.store.settle().unwrap();
        let mut tree = snapshot.tree.clone();
        for part in path.components().skip(1) {
            let nodes = self.store.tree(&tree).unwrap();
            let node = nodes.into_iter().find(|node| node.name == part.as_os_str().as_bytes());
            let Some(NodeKind::Directory(next)) = node.map(|node| node.kind) else { return all };
            tree = next;
        }
        self.add_stored(&tree, path, &mut all);
        all
    }

    fn add_stored(&self, tree: &TreeId, path: &Path, all: &mut BTreeMap<PathBuf, Seen>) {
        for node in self.store.tree(tree).unwrap() {
            let path = path.join(crate::fs::path_from(&node.name));
            let content = match &node.kind {
                NodeKind::Directory(tree) => {
                    self.add_stored(tree, &path, all);
                    None
                }
                NodeKind::File(pieces) => {
                    let pieces = pieces.iter().map(|piece| self.store.blob(piece).unwrap());
                    let content = pieces.collect::<Vec<_>>().concat();
                    assert_eq!(content.len() as u64, node.stat.size, "{}", path.display());
                    Some(content)
                }
                NodeKind::Link(target) => Some(target.clone()),
                NodeKind::Special => None,
            };
            let Stat { mode, uid, gid, mtime, .. } = node.stat;
            all.insert(path, Seen { mode, owner: (uid, gid), mtime, content });
        }
    }

    /// Asserts that a snapshot has exactly what is on disk beneath `path`, but
    /// not what is at or beneath `left_out`.
    pub fn assert_whole(&self, snapshot: &Snapshot, path: &str, left_out: &[&str]) {
        let left_out: Vec<PathBuf> = left_out.iter().map(|left_out| self.at(path).join(left_out)).collect();
        let mut disk = on_disk(&self.at(path));
        disk.retain(|path, _| !left_out.iter().any(|left_out| path.starts_with(left_out)));
        let stored = self.stored(snapshot, &self.at(path));
        let names = |all: &BTreeMap<PathBuf, Seen>| all.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&stored), names(&disk));
        for (path, seen) in disk {
            assert_eq!(stored[&path], seen, "{}", path.display());
        }
    }

    /// Restores what a snapshot has at `path` to a new directory.
    pub fn restore(&self, snapshot: &Snapshot, path: &str) -> TempDir {
        let target = tempfile::tempdir_in(&self.root).unwrap();
        self.store.restore(&snapshot.id, &self.at(path), target.path(), &|_, _| true).unwrap();
        target
    }
}

pub fn git(directory: &Path) -> Command {
    let mut git = Command::new("git");
    git.args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0", "-C"])
        .arg(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A")
        .env("GIT_AUTHOR_EMAIL", "a@example.org")
        .env("GIT_COMMITTER_NAME", "A")
        .env("GIT_COMMITTER_EMAIL", "a@example.org");
    git
}

/// Everything beneath a directory.
pub fn on_disk(path: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_symlink() {
            Some(fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
        } else {
            meta.is_file().then(|| fs::read(&path).unwrap())
        };
        if meta.is_dir() {
            all.extend(on_disk(&path));
        }
        let mtime = (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap());
        all.insert(path, Seen { mode: meta.mode(), owner: (meta.uid(), meta.gid()), mtime, content });
    }
    all
}
