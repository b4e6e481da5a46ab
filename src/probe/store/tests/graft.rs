use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// A change of a random tree: where, and what (a length; none: removed).
type Change = (Vec<u8>, Option<u8>);

fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    // Few names, so that changes meet.
    let path = prop::collection::vec(0_u8..4, 1..5);
    prop::collection::vec((path, prop::option::weighted(0.8, any::<u8>())), 1..most)
}

fn apply(top: &Path, changes: &[Change]) {
    for (parts, change) in changes {
        let names: Vec<_> = parts.iter().map(|part| ["a", "a.b", "b-", "c"][usize::from(*part)]).collect();
        let path = top.join(names.join("/"));
        if let Some(length) = change {
            let content = vec![*length; usize::from(*length)];
            // What is in the way stays: a file above, a directory here.
            let _ = fs::create_dir_all(path.parent().unwrap()).and_then(|()| fs::write(&path, content));
        } else if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Trees of the directories of a snapshot, by path.
fn trees(store: &RusticStore, tree: &TreeId, at: &Path, found: &mut BTreeMap<PathBuf, (Stat, TreeId)>) {
    for node in store.tree(tree).unwrap() {
        let path = at.join(std::ffi::OsStr::from_bytes(&node.name));
        if let NodeKind::Directory(beneath) = &node.kind {
            trees(store, beneath, &path, found);
            found.insert(path, (node.stat, beneath.clone()));
        }
    }
}

/// The walk, with known directories where nothing has changed.
fn grafted(
    top: &Path,
    before: &BTreeMap<PathBuf, (Stat, TreeId)>,
    old: &BTreeSet<(PathBuf, Stat2)>,
) -> Given {
    let mut entries: Vec<Entry> = Vec::new();
    let mut known: Option<PathBuf> = None;
    for path in paths(top) {
        if known.as_ref().is_some_and(|known| path.starts_with(known)) {
            continue;
        }
        let mut entry = entry(&path);
        let unchanged = paths(&path).iter().all(|path| old.contains(&(path.clone(), Stat2::of(path))));
        let gone = old.iter().any(|(old, _)| old.starts_with(&path) && !old.exists());
        if let Some((_, tree)) = before.get(&path)
            && unchanged
            && !gone
        {
            entry.content = Content::Known(tree.clone());
            known = Some(path.clone());
        }
        entries.push(entry);
    }
    given(entries)
}

/// What tells changed files from others here.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stat2(u64, u64, (i64, u32), (i64, u32));

impl Stat2 {
    fn of(path: &Path) -> Self {
        let stat = stat(path);
        Self(stat.ino, stat.size, stat.mtime, stat.ctime)
    }
}

fn seen(top: &Path) -> BTreeSet<(PathBuf, Stat2)> {
    paths(top).into_iter().map(|path| (path.clone(), Stat2::of(&path))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// The engine's way of passing on what it is told is known is not part of
    /// what it promises: this is what would notice if it changed.
    #[test]
    fn a_tree_of_known_parts_is_the_tree_of_a_full_walk(first in changes(30), second in changes(6)) {
        let fixture = Fixture::new();
        apply(&fixture.work, &first);
        let parent = fixture.snapshot();
        let mut before = BTreeMap::new();
        trees(&fixture.store, &parent.tree, Path::new("/"), &mut before);
        let old = seen(&fixture.work);
        apply(&fixture.work, &second);

        let with = fixture.store.put(grafted(&fixture.work, &before, &old), Some(&parent.id)).unwrap();
        let without = fixture.store.put(walk(&fixture.work), None).unwrap();
        prop_assert_eq!(&with.tree, &without.tree);
        let snapshot = fixture.store.commit(&with, draft(&fixture.work)).unwrap();
        let target = fixture.restored(&snapshot, "out");
        prop_assert_eq!(portrait(&target), portrait(&fixture.work));
    }
}

#[test]
fn a_root_that_is_known_goes_in_whole() {
    let fixture = Fixture::new();
    fixture.write("a/file", "content");
    let parent = fixture.snapshot();
    let mut before = BTreeMap::new();
    trees(&fixture.store, &parent.tree, Path::new("/"), &mut before);
    let known = |tree: &TreeId| Entry { content: Content::Known(tree.clone()), ..entry(&fixture.work) };
    // Also by a store that has just been opened, and knows nothing.
    for store in [&fixture.store, &fixture.again()] {
        let entries = vec![known(&before[&fixture.work].1)];
        let stored = store.put(given(entries), Some(&parent.id)).unwrap();
        let snapshot = store.commit(&stored, draft(&fixture.work)).unwrap();
        assert_eq!(nodes_at(store, &snapshot, &fixture.work), nodes_at(store, &parent, &fixture.work));
    }
    fixture.restic_checks();
}

/// Roots beside and within each other's parents, known ones among them.
#[test]
fn several_roots_share_what_is_above_them() {
    let fixture = Fixture::new();
    let roots = ["one/a", "one/b/c", "two"];
    for root in roots {
        fixture.write(&format!("{root}/file"), root);
    }
    fixture.write("one/not this", "not captured");
    let tops: Vec<_> = roots.iter().map(|root| fixture.work.join(root)).collect();
    let entries = tops.iter().flat_map(|top| paths(top)).map(|path| entry(&path)).collect();
    let stored = fixture.store.put(given(entries), None).unwrap();
    let first = fixture.store.commit(&stored, draft(&tops[0])).unwrap();
    let mut before = BTreeMap::new();
    trees(&fixture.store, &first.tree, Path::new("/"), &mut before);
    let entries =
        tops.iter().map(|top| Entry { content: Content::Known(before[top].1.clone()), ..entry(top) });
    let again = fixture.store.put(given(entries.collect()), Some(&first.id)).unwrap();
    assert_eq!(again.tree, stored.tree);
    let names = |path: &str| -> Vec<_> {
        let nodes = nodes_at(&fixture.store, &first, &fixture.work.join(path));
        nodes.into_iter().map(|node| String::from_utf8(node.name).unwrap()).collect()
    };
    assert_eq!(names(""), ["one", "two"]);
    assert_eq!(names("one"), ["a", "b"]);
    assert_eq!(names("one/b"), ["c"]);
    // What is above is as it is, so that restic leaves it so.
    let above = node_at(&fixture.store, &first, &fixture.work.join("one")).unwrap();
    let there = stat(&fixture.work.join("one"));
    assert_eq!((above.stat.mode, above.stat.mtime), (there.mode, there.mtime));

    // A name beside the roots is no change, a mode is.
    fixture.write("one/nor this", "not captured");
    let put = || {
        let entries = tops.iter().flat_map(|top| paths(top)).map(|path| entry(&path)).collect();
        fixture.store.put(given(entries), None).unwrap().tree
    };
    assert_eq!(put(), stored.tree);
    set_mode(&fixture.work.join("one"), 0o700);
    assert_ne!(put(), stored.tree);
}
