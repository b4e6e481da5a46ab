//! What edits make of documents as people write them.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use super::{Edit, ID, add, assign, edited, read, remove, repo};
use crate::registry::{RegistryError, Repo, RepoStatus, edit::applied};

const HAND: &str = "\
# My repositories.
version: 1   # of the format

repos:  # newest last
  # --- work ---

  # The governor itself.
  - name: 'pmo'           # never rename
    # where it lives
    local_path: ~/pmo     # an SSD
    tags: [core,   ci]
    # pmo's last words

  - {name: probe, local_path: /srv/probe}   # beside probe

  # Retired.
  - local_path: \"/srv/old\"
    name: old
    role: |
      # no comment
      - no entry

# The end.
";

fn refusal(text: &str, change: &Edit) -> RegistryError {
    applied(&read(text), change).unwrap_err()
}

#[test]
fn an_entry_is_added_after_the_last_and_set_apart_like_it() {
    let new =
        Repo { id: Some(ID.into()), remote_url: Some("git@h:x".into()), ..repo("new one", "/home/dev/n: w") };
    let block =
        format!("\n  - id: {ID}\n    name: new one\n    local_path: '~/n: w'\n    remote_url: git@h:x\n");
    // After a `|` text the blank line is there already, and stays below it.
    let block = &block[1..];
    let after = edited(HAND, &Edit::Add(vec![new]));
    assert_eq!(after, HAND.replace("# The end.", &format!("{block}# The end.")));

    let text = "version: 1\nrepos:\n-   name: a\n    local_path: /a\n\n-   name: b\n    local_path: /b # b\n    # b too\n# end";
    assert_eq!(
        edited(text, &add("c", "/c")),
        text.replace("# end", "\n-   name: c\n    local_path: /c\n# end")
    );
}

#[test]
fn what_is_not_default_is_written_and_nothing_else() {
    let new = Repo {
        status: RepoStatus::Archived,
        tags: vec!["a".into(), "b, c".into()],
        verify: vec!["cargo test".into(), "a\nb".into()],
        role: Some(String::new()),
        ..repo("no", "/home/dev")
    };
    assert_eq!(
        edited("", &Edit::Add(vec![new])),
        "# The repositories that kpmo governs. Edit it freely: kpmo keeps comments and order.\nversion: 1\nrepos:\n  \
         - name: 'no'\n    local_path: '~'\n    status: archived\n    tags: [a, 'b, c']\n    verify:\n      - cargo test\n      - \"a\\nb\"\n"
    );
}

#[test]
fn an_entry_is_added_to_a_list_of_any_shape() {
    let block = "  - name: x\n    local_path: /x\n";
    let flow = "{name: x, local_path: /x}";
    for (text, wanted) in [
        ("# c".to_owned(), format!("# c\nversion: 1\nrepos:\n{block}")),
        ("version: 1".to_owned(), format!("version: 1\nrepos:\n{}", block.trim_end())),
        ("version: 1\nrepos:".to_owned(), format!("version: 1\nrepos:\n{}", block.trim_end())),
        ("version: 1\nrepos: # c\n\n# d\n".to_owned(), format!("version: 1\nrepos: # c\n{block}\n# d\n")),
        ("repos: []  # c\nversion: 1\n".to_owned(), format!("repos:  # c\n{block}version: 1\n")),
        ("repos: null\nversion: 1\n".to_owned(), format!("repos:\n{block}version: 1\n")),
        ("---\nversion: 1\n...\n".to_owned(), format!("---\nversion: 1\nrepos:\n{block}...\n")),
        ("version: 1\nrepos: [ # c\n ]\n".to_owned(), format!("version: 1\nrepos: [{flow} # c\n ]\n")),
        ("{version: 1}".to_owned(), format!("{{version: 1, repos: [{flow}]}}")),
        ("{version: 1, repos: []}".to_owned(), format!("{{version: 1, repos: [{flow}]}}")),
        ("{version: 1, repos: }".to_owned(), format!("{{version: 1, repos: [{flow}] }}")),
        (
            "{\"version\": 1, \"repos\": [{\"name\": \"a\", \"local_path\": \"/a\"}]}".to_owned(),
            "{\"version\": 1, \"repos\": [{\"name\": \"a\", \"local_path\": \"/a\"}, {\"name\": \"x\", \"local_path\": \"/x\"}]}".to_owned(),
        ),
        (
            "version: 1\nrepos: [\n    {name: a, local_path: /a} # c\n  ]\n".to_owned(),
            format!("version: 1\nrepos: [\n    {{name: a, local_path: /a}}, # c\n    {flow}\n  ]\n"),
        ),
        (
            "version: 1\nrepos: [{name: a, local_path: /a,}, ]".to_owned(),
            format!("version: 1\nrepos: [{{name: a, local_path: /a,}}, {flow}, ]"),
        ),
    ] {
        assert_eq!(edited(&text, &add("x", "/x")), wanted, "{text}");
    }
}

#[test]
fn an_entry_goes_with_what_belongs_to_it() {
    let pmo = HAND.find("  # The governor itself.").unwrap()..HAND.find("  - {name: probe").unwrap();
    let mut wanted = HAND.to_owned();
    // One of the two blank lines around it goes too.
    wanted.replace_range(pmo.start - 1..pmo.end - 1, "");
    assert_eq!(edited(HAND, &remove("pmo")), wanted);

    let probe = "\n  - {name: probe, local_path: /srv/probe}   # beside probe\n";
    assert_eq!(edited(HAND, &remove("probe")), HAND.replace(probe, ""));

    let old = HAND.find("\n  # Retired.").unwrap()..HAND.find("\n# The end.").unwrap();
    let mut wanted = HAND.to_owned();
    wanted.replace_range(old, "");
    assert_eq!(edited(HAND, &remove("old")), wanted);
}

#[test]
fn a_heading_of_several_entries_stays() {
    let text = "version: 1\nrepos:\n  # work\n  - {name: a, local_path: /a}\n  - {name: b, local_path: /b}\n";
    assert_eq!(edited(text, &remove("a")), text.replace("  - {name: a, local_path: /a}\n", ""));
    assert_eq!(edited(text, &remove("b")), text.replace("  - {name: b, local_path: /b}\n", ""));
}

#[test]
fn the_last_entry_leaves_an_empty_list_that_can_be_added_to() {
    for (text, wanted) in [
        ("version: 1\nrepos: # c\n  - name: n\n    local_path: /n", "version: 1\nrepos: # c"),
        ("version: 1\r\nrepos: [{name: n, local_path: /n}]\r\n", "version: 1\r\nrepos: []\r\n"),
        ("version: 1\nrepos: [\n  {name: n, local_path: /n}, # c\n ]\n", "version: 1\nrepos: [\n ]\n"),
    ] {
        let empty = edited(text, &remove("n"));
        assert_eq!(empty, wanted);
        assert_eq!(read(&edited(&empty, &add("n", "/n"))).repos, [repo("n", "/n")]);
    }
}

#[test]
fn ids_go_first_and_only_where_there_is_none() {
    let ids = |names: [&str; 2]| {
        let id = |(at, name): (usize, &str)| (name.to_owned(), format!("{}{at}", &ID[..35]));
        Edit::AssignIds(names.into_iter().enumerate().map(id).collect())
    };
    let after = edited(HAND, &ids(["pmo", "probe"]));
    let wanted = HAND
        .replace("- name: 'pmo'", &format!("- id: {}0\n    name: 'pmo'", &ID[..35]))
        .replace("{name: probe", &format!("{{id: {}1, name: probe", &ID[..35]));
    assert_eq!(after, wanted);
    assert_eq!(edited(&after, &ids(["probe", "pmo"])), after, "ids are assigned once");
    for (before, wanted) in [
        ("{name: a, local_path: /a, id: }", format!("{{name: a, local_path: /a, id: {ID} }}")),
        (
            "name: a\n    id:   # none yet\n    local_path: /a",
            format!("name: a\n    id: {ID}   # none yet\n    local_path: /a"),
        ),
        ("&x name: a\n    local_path: /a", format!("id: {ID}\n    &x name: a\n    local_path: /a")),
        (
            "? name\n    : a\n    ? local_path\n    : /a",
            format!("id: {ID}\n    ? name\n    : a\n    ? local_path\n    : /a"),
        ),
        (
            "\n    # c\n    name: a\n    local_path: /a",
            format!("\n    # c\n    id: {ID}\n    name: a\n    local_path: /a"),
        ),
    ] {
        let text = |entry: &str| format!("version: 1\nrepos:\n  - {entry}\n");
        assert_eq!(edited(&text(before), &assign("a")), text(&wanted), "{before}");
    }
}

#[test]
fn setting_rewrites_only_what_differs() {
    let old = read(HAND).repos.remove(0);
    let mut new = old.clone();
    new.local_path = "/home/dev/work/pmo".into();
    new.tags.clear();
    new.status = RepoStatus::OfflineOnly;
    new.verify = vec!["make".into()];
    let change = Edit::Set { name: "pmo".into(), repo: Box::new(new) };
    let wanted = HAND
        .replace("~/pmo  ", "~/work/pmo  ")
        .replace("    tags: [core,   ci]\n", "    status: offline-only\n    verify:\n      - make\n");
    assert_eq!(edited(HAND, &change), wanted);

    let new = Repo { role: Some("kept".into()), ..repo("older", "/srv/old") };
    let change = Edit::Set { name: "old".into(), repo: Box::new(new) };
    let text = "    role: |\n      # no comment\n      - no entry\n";
    assert_eq!(
        edited(HAND, &change),
        HAND.replace(text, "    role: kept\n").replace("name: old", "name: older")
    );
}

#[test]
fn a_path_of_any_bytes_can_be_registered() {
    let path = Path::new(OsStr::from_bytes(b"/srv/caf\xe9"));
    let new = Repo { local_path: path.into(), ..repo("x", "") };
    let text = edited(HAND, &Edit::Add(vec![new]));
    assert!(text.contains("local_path: 'file:///srv/caf%E9'\n"), "{text}");
    assert_eq!(read(&text).repos.last().unwrap().local_path, path);
}

#[test]
fn edits_that_make_no_sense_are_refused() {
    use RegistryError::{IdTaken, NameTaken, NotFound, PathTaken, Refused};
    let with_id = edited(HAND, &assign("pmo"));
    let same_id = Edit::Add(vec![Repo { id: Some(ID.into()), ..repo("x", "/x") }]);
    assert!(matches!(refusal(HAND, &add("old", "/x")), NameTaken { name } if name == "old"));
    assert!(matches!(refusal(HAND, &add("x", "/home/dev/pmo/")), PathTaken { name, .. } if name == "pmo"));
    assert!(matches!(refusal(&with_id, &same_id), IdTaken { name, .. } if name == "pmo"));
    assert!(matches!(refusal(&with_id, &assign("old")), IdTaken { .. }));
    assert!(
        matches!(refusal(HAND, &remove("prope")), NotFound { nearest: Some(near), .. } if near == "probe")
    );
    let twice = Edit::Add(vec![repo("x", "/x"), repo("x", "/y")]);
    assert!(matches!(refusal(HAND, &twice), NameTaken { .. }));

    for (field, new) in [
        ("local_path", repo("x", "x")),
        ("local_path", repo("x", "/x/../y")),
        ("name", repo("..", "/x")),
        ("name", repo(&"x".repeat(101), "/x")),
        ("id", Repo { id: Some("7".into()), ..repo("x", "/x") }),
        ("env_template", Repo { env_template: Some("a/b".into()), ..repo("x", "/x") }),
        ("tags", Repo { tags: vec![String::new()], ..repo("x", "/x") }),
        ("verify", Repo { verify: vec!["\u{7}".into()], ..repo("x", "/x") }),
        ("remote_url", Repo { remote_url: Some("https://a:hunter2@h/x".into()), ..repo("x", "/x") }),
    ] {
        let error = refusal(HAND, &Edit::Add(vec![new]));
        assert!(matches!(&error, Refused { field: found, .. } if *found == field), "{field}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let set = Repo { id: Some(ID.replace('1', "2")), ..repo("pmo", "/home/dev/pmo") };
    let set = Edit::Set { name: "pmo".into(), repo: Box::new(set) };
    assert!(matches!(refusal(&with_id, &set), Refused { field: "id", .. }));
}
