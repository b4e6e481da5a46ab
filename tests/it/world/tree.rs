use std::{
    collections::BTreeMap,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

/// Everything beneath a directory: kind, mode and content by path.
pub type Tree = BTreeMap<PathBuf, (char, u32, Vec<u8>)>;

/// Looks at everything beneath `dir`, less the ledger, the logs and what tells
/// repositories apart, which a running governor may write at any time.
pub fn tree(dir: &Path) -> Tree {
    let mut tree = Tree::new();
    collect(dir, dir, &mut tree);
    tree
}

fn collect(top: &Path, dir: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        let is_written = name == "logs" || name.as_bytes().starts_with(b"identities.json");
        if is_written || name.as_bytes().starts_with(b"ledger.sqlite3") {
            continue;
        }
        let meta = fs::symlink_metadata(&path).unwrap();
        let (kind, content) = match meta.file_type() {
            kind if kind.is_dir() => ('d', Vec::new()),
            kind if kind.is_symlink() => ('l', fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()),
            kind if kind.is_file() => ('f', fs::read(&path).unwrap()),
            _ => ('?', Vec::new()),
        };
        tree.insert(path.strip_prefix(top).unwrap().to_owned(), (kind, meta.permissions().mode(), content));
        if kind == 'd' {
            collect(top, &path, tree);
        }
    }
}

/// The paths at which two trees differ.
pub fn differing(one: &Tree, other: &Tree) -> Vec<PathBuf> {
    let paths: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    paths.into_iter().filter(|path| one.get(*path) != other.get(*path)).cloned().collect()
}

/// They must not differ; says where they do.
#[track_caller]
pub fn same(one: &Tree, other: &Tree) {
    assert_eq!(differing(one, other), Vec::<PathBuf>::new());
}
