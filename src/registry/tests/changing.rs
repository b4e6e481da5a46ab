//! Fields of entries, changed in documents as people write them.

use super::{change, edited, read, try_edited};
use crate::registry::{Edit, FieldChange::*, RegistryError, RepoChange, RepoStatus, Stage, edit::applied};

const TEXT: &str = "\
version: 1
repos:
  # The first.
  - name: 'one'\t# quoted
    local_path: ~/one   # here

    tags: [ a,  b , c ]  # labels
    # between
    remote_url: \"git@example.org:one.git\"  # double
    verify:
      # the first command
      - make   # builds
      - 'make test'
      # the last words
  - {name: two, tags: [x, # ex
      y], local_path: /srv/two}   # beside
  - role: >-
      folded
      text
    # about the name
    name: three
    local_path: /srv/three
    tags:
    - p # pee

    - q
";

fn one(fields: Vec<crate::registry::FieldChange>) -> String {
    edited(TEXT, &change("one", fields))
}

#[track_caller]
fn is(after: &str, from: &str, to: &str) {
    assert!(TEXT.contains(from), "{from}");
    assert_eq!(after, TEXT.replacen(from, to, 1));
}

#[test]
fn a_rename_and_a_move_touch_two_words() {
    let fields = vec![Name("first".into()), LocalPath("/home/dev/work/one".into())];
    let after = one(fields);
    assert_eq!(after, TEXT.replace("'one'", "first").replace("~/one ", "~/work/one "));
    let two = edited(TEXT, &change("two", vec![Name("zwei: 2".into())]));
    is(&two, "name: two", "name: 'zwei: 2'");
}

#[test]
fn tags_come_and_go_one_by_one() {
    is(&one(vec![AddTags(vec!["d e".into(), "a".into()])]), "c ]", "c, d e ]");
    is(&one(vec![RemoveTags(vec!["b".into(), "z".into()])]), "a,  b , c", "a,  c");
    is(&one(vec![RemoveTags(vec!["c".into()])]), " , c ]", "  ]");
    is(&one(vec![RemoveTags(vec!["a".into()]), AddTags(vec!["d".into()])]), "a,  b , c ]", "b , c, d ]");
    is(&one(vec![Tags(Vec::new())]), "    tags: [ a,  b , c ]  # labels\n", "");
    let two = |fields| edited(TEXT, &change("two", fields));
    is(&two(vec![AddTags(vec!["z".into()])]), "y]", "y, z]");
    let three = |fields| edited(TEXT, &change("three", fields));
    is(&three(vec![RemoveTags(vec!["p".into()])]), "    - p # pee\n", "");
    is(&three(vec![AddTags(vec!["r".into()])]), "    - q\n", "    - q\n    - r\n");
    is(&three(vec![RemoveTags(vec!["p".into(), "q".into()])]), "    tags:\n    - p # pee\n\n    - q\n", "");
}

#[test]
fn commands_keep_the_comments_between_them() {
    let verify = |commands: [&str; 2]| one(vec![Verify(commands.map(str::to_owned).to_vec())]);
    let words = "      - 'make test'\n";
    is(&verify(["make", "make check"]), words, "      - make check\n");
}

#[test]
fn values_are_set_and_taken_out_beside_comments() {
    is(
        &one(vec![RemoteUrl(Some("git@example.org:1.git".into()))]),
        "example.org:one.git",
        "example.org:1.git",
    );
    is(&one(vec![RemoteUrl(None)]), "    remote_url: \"git@example.org:one.git\"  # double\n", "");
    let words = "      # the last words\n";
    let set = "    status: archived\n    stage: prod\n    role: \"one\\ntwo\"\n";
    let fields = vec![Status(RepoStatus::Archived), Stage(Stage::Prod), Role(Some("one\ntwo".into()))];
    let after = one(fields);
    assert_eq!(after, TEXT.replace(words, &format!("{set}{words}")));
    // What was the first key leaves its dash to the next, and its comment where it is.
    let after = edited(TEXT, &change("three", vec![Role(None)]));
    assert!(after.contains("# about the name\n    name: three\n"), "{after}");
    assert_eq!(read(&after).repos[2].role, None);
}

#[test]
fn what_is_said_beside_the_sign_of_a_block_stays() {
    let entry = |value: &str| {
        format!("version: 1\nrepos:\n- name: one\n  local_path: /one\n  role:{value}\n  stage: dev\n")
    };
    let to = |role: &str| change("one", vec![Role(Some(role.into()))]);
    assert_eq!(edited(&entry(" > # why\n    alt"), &to("x")), entry(" x # why"));
    assert_eq!(edited(&entry(" >\n    a # is text"), &to("x")), entry(" x"));
    let text = entry(" x").replace("role: x", "tags: # mine\n  - a\n  - b");
    let tags = change("one", vec![Tags(vec!["c".into()])]);
    let after = edited(&text, &tags);
    assert!(after.contains("tags: [c] # mine\n"), "{after}");
}

#[test]
fn several_entries_change_at_once_or_none() {
    let swap = |one: &str, two: &str| RepoChange { name: one.into(), fields: vec![Name(two.into())] };
    let after = edited(TEXT, &Edit::Change(vec![swap("one", "two"), swap("two", "one")]));
    assert_eq!(after, TEXT.replace("name: two", "name: one").replace("'one'", "two"));

    let clash = Edit::Change(vec![swap("one", "x"), swap("three", "x")]);
    let error = applied(&read(TEXT), &clash).unwrap_err();
    assert!(matches!(error, RegistryError::NameTaken { name } if name == "x"));
    let gone = Edit::Change(vec![swap("one", "x"), swap("tree", "y")]);
    let error = applied(&read(TEXT), &gone).unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { nearest: Some(near), .. } if near == "three"));
    let bad = change("one", vec![Role(Some("fine".into())), EnvTemplate(Some("a/b".into()))]);
    let error = applied(&read(TEXT), &bad).unwrap_err();
    assert_eq!(error.to_string(), "`env_template` must not contain `/`");
}

#[test]
fn what_says_the_same_changes_no_byte() {
    let same = vec![
        Name("one".into()),
        LocalPath("/home/dev/./one/".into()),
        Status(RepoStatus::Active),
        AddTags(vec!["b".into()]),
        Role(Some(String::new())),
    ];
    assert_eq!(one(same), TEXT);
}

#[test]
fn what_others_share_is_refused_and_what_one_borrows_is_set() {
    let text = "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    tags: &t [x]\n    role: &r web\n  \
                - {name: b, local_path: /b, tags: *t, role: *r}\n";
    for fields in [
        vec![AddTags(vec!["y".into()])],
        vec![Tags(Vec::new())],
        vec![Role(Some("other".into()))],
        vec![Role(None)],
    ] {
        let reason = try_edited(text, &change("a", fields)).unwrap_err();
        assert!(
            reason.starts_with("what it would change on line ")
                && reason.contains("is used on line 7, too, as the alias `*"),
            "{reason}"
        );
    }
    let reason = try_edited(text, &super::remove("a")).unwrap_err();
    assert!(reason.contains("as the alias `*t`"), "{reason}");
    // The borrower's own value is nobody else's.
    let after = edited(text, &change("b", vec![AddTags(vec!["z".into()]), Role(None)]));
    assert_eq!(after, text.replace("tags: *t, role: *r}", "tags: [x, z]}"));
    // Both at once leave nobody behind.
    let fields = vec![Role(None)];
    let both = ["a", "b"].map(|name| RepoChange { name: name.into(), fields: fields.clone() });
    let after = edited(text, &Edit::Change(both.to_vec()));
    assert_eq!(after, text.replace("    role: &r web\n", "").replace(", role: *r", ""));
}
