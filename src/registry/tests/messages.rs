//! What people are told, to the character.

use super::home;
use crate::registry::{RegistryError, parse};

/// All that `kpmo` says of a file that is `repos.yml` to it.
fn told(bytes: &[u8]) -> String {
    match parse(bytes, home()) {
        Ok(document) => format!("fine: {}", document.repos.len()),
        Err(problems) => RegistryError::Invalid { path: "repos.yml".into(), problems }.to_string(),
    }
}

/// A file, and what is said of it.
const TABLE: &[(&str, &str)] = &[
    (
        "version: 1\nrepos:\n  - name: a\n   local_path: /a\n",
        "repos.yml:4:4: not YAML: while parsing a block collection, did not find expected '-' indicator\n\
         \x20      local_path: /a\n\
         \x20      ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: '/a\n",
        "repos.yml:4:17: not YAML: while scanning a quoted scalar, found unexpected end of stream\n\
         \x20       local_path: '/a\n\
         \x20                   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a: b\n    local_path: /a\n",
        "repos.yml:3:12: not YAML: mapping values are not allowed in this context\n\
         \x20     - name: a: b\n\
         \x20              ^",
    ),
    (
        "version: 1\nrepos: [{name: a, local_path: /a}\n",
        "repos.yml:3:1: not YAML: while parsing a flow sequence, expected ',' or ']'\n\
         \x20   \n\
         \x20   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: \"a\\qb\"\n    local_path: /a\n",
        "repos.yml:3:11: not YAML: while parsing a quoted scalar, found unknown escape character\n\
         \x20     - name: \"a\\qb\"\n\
         \x20             ^",
    ),
    (
        "version: 1\nrepos:\n\t- name: a\n\t  local_path: /a\n",
        "repos.yml:3:2: not YAML: tabs disallowed within this context (block indentation): indent with spaces, not with tabs\n\
         \x20    - name: a\n\
         \x20    ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n\tlocal_path: /a\n",
        "repos.yml:4:1: not YAML: while scanning a plain scalar, found a tab: indent with spaces, not with tabs\n\
         \x20    local_path: /a\n\
         \x20   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    tags: *none\n",
        "repos.yml:5:11: not YAML: while parsing node, found unknown anchor\n\
         \x20       tags: *none\n\
         \x20             ^",
    ),
    (
        "version: 1\nrepos:\n  - name: @a\n    local_path: /a\n",
        "repos.yml:3:11: not YAML: unexpected character: `@'\n\
         \x20     - name: @a\n\
         \x20             ^",
    ),
    (
        "version: 1\n---\nversion: 1\n",
        "repos.yml:2:1: a second document begins here: the file is one document\n\
         \x20   ---\n\
         \x20   ^",
    ),
    (
        "version: 1\nrepos: []\n]\n",
        "repos.yml:3:1: not YAML: misplaced bracket\n\
         \x20   ]\n\
         \x20   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    stauts: archived\n",
        "repos.yml:5:5: unknown key `stauts`: did you mean `status`?\n\
         \x20       stauts: ********\n\
         \x20       ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    colour: red\n",
        "repos.yml:5:5: unknown key `colour`: known are `id`, `name`, `local_path`, `remote_url`, `default_branch`, `env_template`, `gitignore_profile`, `status`, `stage`, `role`, `tags`, `verify`\n\
         \x20       colour: ***\n\
         \x20       ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    name: b\n    local_path: /a\n",
        "repos.yml:4:5: the key `name` is on line 3 already\n\
         \x20       name: b\n\
         \x20       ^",
    ),
    (
        "version: 1\nrepos: []\nversion: 1\n",
        "repos.yml:3:1: the key `version` is on line 1 already\n\
         \x20   version: 1\n\
         \x20   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n\n  - name: a\n    local_path: /b\n",
        "repos.yml:6:11: the name `a` is on line 3 already\n\
         \x20     - name: a\n\
         \x20             ^",
    ),
    (
        "version: 1\nrepos:\n  - {name: a, local_path: ~/a}\n  - {name: b, local_path: /home/dev/./a/}\n",
        "repos.yml:4:27: this path is on line 3 already\n\
         \x20     - {name: b, local_path: /home/dev/./a/}\n\
         \x20                             ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    status: offlineonly\n",
        "repos.yml:5:13: `status` must be one of `active`, `archived`, `offline-only`: did you mean `offline-only`?\n\
         \x20       status: offlineonly\n\
         \x20               ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    stage: production\n",
        "repos.yml:5:12: `stage` must be one of `dev`, `staging`, `prod`\n\
         \x20       stage: production\n\
         \x20              ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: projects/a\n",
        "repos.yml:4:17: `local_path` must be absolute, or begin with `~/`\n\
         \x20       local_path: projects/a\n\
         \x20                   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: ../a\n",
        "repos.yml:4:17: `local_path` must be absolute, or begin with `~/`\n\
         \x20       local_path: ../a\n\
         \x20                   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: ~other/a\n",
        "repos.yml:4:17: `local_path` must not name another user's home: write the path in full\n\
         \x20       local_path: ~other/a\n\
         \x20                   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: 12\n    local_path: [/a]\n    tags: work\n    role: yes\n    verify: {make: x}\n",
        "repos.yml:3:11: expected a text, this is a number: put it in quotes\n\
         \x20     - name: 12\n\
         \x20             ^\n\
         repos.yml:4:17: expected a text\n\
         \x20       local_path: [/a]\n\
         \x20                   ^\n\
         repos.yml:5:11: expected a list of texts: write `[a, b]`\n\
         \x20       tags: work\n\
         \x20             ^\n\
         repos.yml:7:13: expected a list of texts: write `[a, b]`\n\
         \x20       verify: {make: x}\n\
         \x20               ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    role: true\n",
        "repos.yml:5:11: expected a text, this is a truth value: put it in quotes\n\
         \x20       role: true\n\
         \x20             ^",
    ),
    (
        "version: 2\nrepos: []\n",
        "repos.yml:1:10: this version of the format is not known: expected `version: 1`\n\
         \x20   version: 2\n\
         \x20            ^",
    ),
    (
        "repos: []\n",
        "repos.yml:1:1: the key `version` is missing: add the line `version: 1`\n\
         \x20   repos: []\n\
         \x20   ^",
    ),
    (
        "version: 1\nrepos:\n  a:\n    local_path: /a\n",
        "repos.yml:3:3: expected a list of repositories: a mapping of names is the predecessor's format, which `kpmo registry import FILE` takes\n\
         \x20     a:\n\
         \x20     ^",
    ),
    (
        "version: 1\nrepos:\n  - a\n",
        "repos.yml:3:5: expected a repository: `name:`, `local_path:` and so on\n\
         \x20     - a\n\
         \x20       ^",
    ),
    (
        "version: 1\r\nrepos:\r\n  - name: é\r\n    local_path: é\r\n",
        "repos.yml:4:17: `local_path` must be absolute, or begin with `~/`\n\
         \x20       local_path: é\n\
         \x20                   ^",
    ),
    (
        "\u{feff}verson: 1\n",
        "repos.yml:1:1: unknown key `verson`: did you mean `version`?\n\
         \x20   verson: *\n\
         \x20   ^\n\
         repos.yml:1:1: the key `version` is missing: add the line `version: 1`\n\
         \x20   verson: *\n\
         \x20   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    remote_url: https://me:pw@example.org/a\n",
        "repos.yml:5:17: `remote_url` must not carry a password: leave it to git's credential helper\n\
         \x20       remote_url: https://*****@example.org/a\n\
         \x20                   ^",
    ),
    (
        "version: 1\nrepos:\n  - name: a\n    local_path: /a\n    role: \"bell\u{7}\"\n",
        "repos.yml:5:16: the control character U+0007: YAML wants it escaped, in double quotes\n\
         \x20       role: \"bell�\"\n\
         \x20                  ^",
    ),
];

#[test]
fn every_mistake_is_told_with_its_place_and_its_mend() {
    for (text, wanted) in TABLE {
        assert_eq!(told(text.as_bytes()), *wanted, "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_are_told_where_they_are() {
    assert_eq!(
        told(b"version: 1\nrepos:\n  - name: caf\xe9\n"),
        "repos.yml:3:14: the byte 0xe9 is not UTF-8: save the file as UTF-8\n      - name: caf\u{fffd}\n                 ^"
    );
}

#[test]
fn a_bomb_is_told_before_it_takes_room() {
    let mut text = "version: 1\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..10 {
        let last = vec![format!("*x{}", level - 1); 10].join(", ");
        text.push_str(&format!("x{level}: &x{level} [{last}]\n"));
    }
    // A hundred thousand million were it expanded.
    let told = told(text.as_bytes());
    assert_eq!(
        told,
        "repos.yml:7:10: aliases expand this file to more than 250000 nodes\n    \
         x5: &x5 [*x4, *x4, *x4, *x4, *x4, *x4, *x4, *x4, *x4, *x4]\n             ^"
    );
}

#[test]
fn a_file_without_end_is_told_by_its_size() {
    let told = told(&vec![b'#'; (8 << 20) + 1]);
    assert_eq!(told, "repos.yml:1:1: the file is larger than 8 MiB\n    \n    ^");
}
