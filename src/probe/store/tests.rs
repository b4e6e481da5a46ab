mod graft;
mod keys;
mod killed;
mod modes;
mod restic;
mod restore;
mod speed;
mod storing;
mod upkeep;

use std::{
    fs,
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use tempfile::TempDir;

use super::{
    Content, Draft, Entry, Node, NodeKind, Open, RusticStore, Snapshot, SnapshotId, SnapshotStatus, Stat,
    Store, StoreError, StoreOptions, TreeId,
};

/// A store and a directory with what goes into it, side by side.
struct Fixture {
    _dir: TempDir,
    probe: PathBuf,
    work: PathBuf,
    store: RusticStore,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let probe = dir.path().join("probe");
        let work = dir.path().join("work");
        fs::create_dir(&work).unwrap();
        copy(&new_store(), &probe);
        let store = RusticStore::open(&probe, quick()).unwrap();
        Self { _dir: dir, probe, work, store }
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.work.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Everything in the work directory, committed.
    fn snapshot(&self) -> Snapshot {
        self.snapshot_after(None)
    }

    fn snapshot_after(&self, parent: Option<&SnapshotId>) -> Snapshot {
        let stored = self.store.put(walk(&self.work), parent).unwrap();
        self.store.commit(&stored, draft(&self.work)).unwrap()
    }

    /// Another handle on the same store, to which what is above the work directory
    /// is as it was to the first: other tests come and go there.
    fn again(&self) -> RusticStore {
        let mut again = RusticStore::open(&self.probe, quick()).unwrap();
        again.above = Arc::clone(&self.store.above);
        again
    }

    fn restic(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("restic");
        command.arg("-r").arg(RusticStore::path(&self.probe));
        command.arg("--password-file").arg(RusticStore::password_file(&self.probe));
        command.args(["--no-cache", "--no-lock"]).args(arguments).output().unwrap()
    }

    fn restic_ok(&self, arguments: &[&str]) -> String {
        let output = self.restic(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// restic finds nothing wrong, not in the contents either.
    fn restic_checks(&self) {
        self.restic_ok(&["check", "--read-data"]);
    }

    /// The snapshot's work directory, restored to a new directory.
    fn restored(&self, snapshot: &Snapshot, name: &str) -> PathBuf {
        let target = self.work.with_file_name(name);
        fs::create_dir(&target).unwrap();
        self.store.restore(&snapshot.id, &self.work, &target, &|_, _| true).unwrap();
        target
    }
}

/// A store with nothing in it. Making one takes its time, by design: the
/// derivation of keys from passwords.
fn new_store() -> PathBuf {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let dir = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        RusticStore::open(&dir.path().join("probe"), quick()).unwrap();
        dir
    });
    dir.path().join("probe")
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).unwrap();
        for child in fs::read_dir(from).unwrap() {
            let name = child.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
        set_mode(to, stat(from).mode & 0o7777);
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// Bytes that can't be compressed.
fn noise(length: u64) -> Vec<u8> {
    let mut noise = Vec::new();
    fs::File::open("/dev/urandom").unwrap().take(length).read_to_end(&mut noise).unwrap();
    noise
}

/// Nobody in the tests waits long for anybody.
fn quick() -> StoreOptions {
    StoreOptions { patience: Duration::from_secs(60), ..StoreOptions::default() }
}

fn draft(root: &Path) -> Draft {
    Draft {
        repo_id: "0190-a".into(),
        repo_name: "app".into(),
        time: Timestamp::new(1_700_000_000, 123_456_789).unwrap(),
        trigger: "manual".into(),
        roots: vec![root.into()],
        branch: Some("main".into()),
        head: Some("0123".into()),
        status: SnapshotStatus::Complete,
        reasons: Vec::new(),
        ledger_seq: None,
    }
}

struct OpenPath(PathBuf);

impl Open for OpenPath {
    fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs::File::open(self.0)?))
    }
}

/// Content that is at hand, whatever its entry's size says.
struct OpenBytes(Vec<u8>);

impl Open for OpenBytes {
    fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.0)))
    }
}

/// Whoever opens this has read what should not have been read.
struct MustNotOpen(PathBuf);

impl Open for MustNotOpen {
    fn open(self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        panic!("{} was opened", self.0.display())
    }
}

fn stat(path: &Path) -> Stat {
    let found = fs::symlink_metadata(path).unwrap();
    Stat {
        mode: found.mode(),
        uid: found.uid(),
        gid: found.gid(),
        dev: found.dev(),
        ino: found.ino(),
        links: found.nlink(),
        size: found.size(),
        rdev: found.rdev(),
        mtime: (found.mtime(), u32::try_from(found.mtime_nsec()).unwrap()),
        ctime: (found.ctime(), u32::try_from(found.ctime_nsec()).unwrap()),
    }
}

fn entry(path: &Path) -> Entry {
    let stat = stat(path);
    let content = match stat.mode & 0o170_000 {
        0o040_000 => Content::Directory,
        0o100_000 => Content::File(Box::new(OpenPath(path.into()))),
        0o120_000 => Content::Link(fs::read_link(path).unwrap().into_os_string().into_vec()),
        _ => Content::Special,
    };
    Entry { path: path.into(), stat, content }
}

/// A directory and everything beneath it, in the store's order.
fn paths(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![top.to_owned()];
    if fs::symlink_metadata(top).unwrap().is_dir() {
        let mut children: Vec<_> = fs::read_dir(top).unwrap().map(|child| child.unwrap().path()).collect();
        children.sort_by(|a, b| a.file_name().unwrap().as_bytes().cmp(b.file_name().unwrap().as_bytes()));
        found.extend(children.iter().flat_map(|child| paths(child)));
    }
    found
}

type Given = Box<dyn Iterator<Item = io::Result<Entry>> + Send>;

fn walk(top: &Path) -> Given {
    given(paths(top).iter().map(|path| entry(path)).collect())
}

fn given(entries: Vec<Entry>) -> Given {
    Box::new(entries.into_iter().map(Ok))
}

/// What is in a directory of a snapshot, by path from `/`.
fn nodes_at(store: &RusticStore, snapshot: &Snapshot, path: &Path) -> Vec<Node> {
    let mut tree = snapshot.tree.clone();
    for part in path.strip_prefix("/").unwrap() {
        let nodes = store.tree(&tree).unwrap();
        let node = nodes.into_iter().find(|node| node.name == part.as_bytes()).unwrap();
        let NodeKind::Directory(beneath) = node.kind else { panic!("no directory") };
        tree = beneath;
    }
    store.tree(&tree).unwrap()
}

fn node_at(store: &RusticStore, snapshot: &Snapshot, path: &Path) -> Option<Node> {
    let nodes = nodes_at(store, snapshot, path.parent().unwrap());
    nodes.into_iter().find(|node| node.name == path.file_name().unwrap().as_bytes())
}

/// Everything that a restore should bring back of a directory, as text: kinds,
/// modes, times, targets, contents.
fn portrait(top: &Path) -> Vec<String> {
    paths(top).iter().map(|path| portrait_of(top, path)).collect()
}

fn portrait_of(top: &Path, path: &Path) -> String {
    let stat = stat(path);
    let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
    let time = stat.mtime;
    let content = match stat.mode & 0o170_000 {
        0o100_000 => format!("{} {}", stat.links, hex::encode(fs::read(path).unwrap())),
        0o120_000 => fs::read_link(path).unwrap().as_os_str().as_bytes().escape_ascii().to_string(),
        _ => String::new(),
    };
    format!("{name} {:o} {}:{} {time:?} {content}", stat.mode, stat.uid, stat.gid)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
