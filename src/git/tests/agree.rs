//! What rules ask besides contents: libgit2 and the program agree on it.

use std::collections::BTreeSet;

use super::*;

fn both(dir: &Path) -> [Box<dyn Objects>; 2] {
    let location = Location::discover(dir).unwrap();
    let git = Git::default();
    [open(&git, &location).unwrap(), open_by_program(&git, &location).unwrap()]
}

/// `DIRECTORY:NAME` of all that is told.
fn names(objects: &dyn Objects, tree: &str, directories: &[&str]) -> BTreeSet<String> {
    let directories: Vec<&[u8]> = directories.iter().map(|directory| directory.as_bytes()).collect();
    let mut told = BTreeSet::new();
    let mut tell = |directory: &[u8], name: &[u8]| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if directories.contains(&directory) {
            told.insert(format!("{}:{}", text(directory), text(name)));
        }
    };
    objects.names(tree, &directories, &mut tell).unwrap();
    told
}

#[test]
fn names_in_directories_are_told_also_of_trees_that_are_nowhere_yet() {
    let dir = repository("sha1");
    write(dir.path(), "dir/sub/*.txt", "x\n");
    write(dir.path(), "-x/d.txt", "x\n");
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-q", "-m", "second"]);
    write(dir.path(), "Dir/new.txt", "new\n");
    git(dir.path(), &["add", "."]);
    for objects in both(dir.path()) {
        let tree = objects.staged(None).unwrap().tree;
        let all = ["", "dir", "dir/sub", "-x", "Dir", "absent", "a.txt"];
        let wanted = [
            ":-x",
            ":Dir",
            ":a.txt",
            ":dir",
            "-x:d.txt",
            "Dir:new.txt",
            "dir:b.txt",
            "dir:gone.txt",
            "dir:sub",
            "dir/sub:*.txt",
        ];
        assert_eq!(names(&*objects, &tree, &all), wanted.map(str::to_owned).into());
        assert_eq!(names(&*objects, &tree, &["dir/sub"]), ["dir/sub:*.txt".to_owned()].into());
        assert_eq!(names(&*objects, &tree, &[]), BTreeSet::new());
        let head = objects.between(None, &git(dir.path(), &["rev-parse", "HEAD"])).unwrap().tree;
        assert_eq!(names(&*objects, &head, &["Dir"]), BTreeSet::new());
        // The tree that was staged can be compared, too.
        assert_eq!(objects.between(None, &tree).unwrap().changes.len(), 6);
    }
}

#[test]
fn what_commits_say_of_themselves_is_what_git_shows() {
    let dir = repository("sha1");
    let author = ["-c", "user.email=other@example.org"];
    let commit =
        ["commit", "-q", "--allow-empty", "--author=A U <author@example.org>", "-m", "a subject\n\n# body"];
    git(dir.path(), &[&author[..], &commit].concat());
    let head = git(dir.path(), &["rev-parse", "HEAD"]);
    for objects in both(dir.path()) {
        let commit = objects.commit(&head).unwrap();
        assert_eq!((&*commit.author, &*commit.committer), ("author@example.org", "other@example.org"));
        assert_eq!(commit.message.trim_end(), "a subject\n\n# body");
        assert_eq!(commit.parents.len(), 1);
    }
}

#[test]
fn histories_tags_and_settings_agree() {
    let dir = repository("sha1");
    let at = |what: &str| git(dir.path(), &["rev-parse", what]);
    let first = at("HEAD");
    git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "second"]);
    git(dir.path(), &["tag", "-a", "-m", "annotated", "v1"]);
    git(dir.path(), &["tag", "of-a-tree", "HEAD^{tree}"]);
    let second = at("HEAD");
    git(dir.path(), &["checkout", "-q", "-b", "side", "HEAD~"]);
    git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "side"]);
    git(dir.path(), &["config", "core.commentChar", ";"]);
    git(dir.path(), &["config", "user.email", "set@example.org"]);
    let side = at("HEAD");
    let nowhere = "1".repeat(40);
    for objects in both(dir.path()) {
        let leads = |tip: &str, to: &str| objects.leads_to(tip, to).unwrap();
        assert!(leads(&second, &first) && leads(&first, &first) && leads(&side, &first));
        assert!(!leads(&first, &second) && !leads(&side, &second) && !leads(&side, &nowhere));
        let tagged = |commit: &str| objects.is_tagged(commit).unwrap();
        assert!(tagged(&second) && !tagged(&first) && !tagged(&side));
        let setting = |name: &str| objects.setting(name).unwrap();
        assert_eq!(setting("core.commentChar").as_deref(), Some(";"));
        assert_eq!(setting("user.email").as_deref(), Some("set@example.org"));
        assert_eq!(setting("author.email"), None);
    }
}
