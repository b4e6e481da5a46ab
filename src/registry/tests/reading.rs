use std::path::{Path, PathBuf};

use super::{HOME, ID, home, read, repo};
use crate::registry::{
    FileRule, Problem, RegistryError, RepoStatus, Stage, find, nearest, parse, without_credentials,
};
use crate::registry::{locator::Locator, problem::Fault};

/// The problems of a text, each as `line:column message`.
fn wrong(text: impl AsRef<[u8]>) -> Vec<String> {
    let problems = parse(text.as_ref(), home()).unwrap_err().listed;
    problems
        .iter()
        .map(|problem| format!("{}:{} {}", problem.line, problem.column, problem.sentence()))
        .collect()
}

fn only(text: impl AsRef<[u8]>) -> Problem {
    let mut problems = parse(text.as_ref(), home()).unwrap_err().listed;
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn every_key_is_read() {
    let text = format!(
        "version: 1\nrepos:\n  - id: {}\n    name: kanban-pmo\n    local_path: ~/src/./kanban-pmo//\n    \
         remote_url: git@example.org:pmo.git\n    default_branch: main\n    env_template: node\n    \
         gitignore_profile: rust\n    status: offline-only\n    stage: staging\n    role: >-\n      the\n      governor\n    \
         tags: [a, 'b c']\n    verify:\n      - cargo test\n      - |\n        one\n        two\n",
        ID.to_uppercase()
    );
    let found = read(&text).repos.remove(0);
    let mut wanted = repo("kanban-pmo", "/home/dev/src/kanban-pmo");
    wanted.id = Some(ID.into());
    wanted.remote_url = Some("git@example.org:pmo.git".into());
    wanted.default_branch = Some("main".into());
    wanted.env_template = Some("node".into());
    wanted.gitignore_profile = Some("rust".into());
    wanted.status = RepoStatus::OfflineOnly;
    wanted.stage = Stage::Staging;
    wanted.role = Some("the governor".into());
    wanted.tags = vec!["a".into(), "b c".into()];
    wanted.verify = vec!["cargo test".into(), "one\ntwo\n".into()];
    assert_eq!(found, wanted);
    assert_eq!(found.local_path.as_os_str(), "/home/dev/src/kanban-pmo", "normalised, not only equal");
}

#[test]
fn what_says_nothing_is_an_empty_registry() {
    for text in [
        "",
        "\n",
        "\u{feff}",
        "# only a comment\n",
        "---\n",
        "~\n",
        "version: 1\n",
        "version: 1\nrepos:\n",
        "version: 1\nrepos: []\n",
    ] {
        assert!(read(text).repos.is_empty(), "{text:?}");
    }
    assert_ne!(read("").version, read("# x\n").version);
    assert_eq!(read("").version, "e3b0c44298fc1c149afbf4c8996fb924");
}

#[test]
fn many_ways_of_writing_the_same_are_read() {
    for text in [
        "version: 1\nrepos:\n- name: a\n  local_path: /a\n",
        "version: 1\r\nrepos:\r\n  - name: a\r\n    local_path: /a",
        "version: 1\rrepos:\r  - name: a\r    local_path: /a\r",
        "\u{feff}version: 1\nrepos: [{name: a, local_path: /a}]\n",
        "{\"version\": 1, \"repos\": [{\"name\": \"a\", \"local_path\": \"/a\"}]}",
        "%YAML 1.2\n---\nversion: 1 # x\nrepos: # y\n  # z\n  -\n    # v\n    name: 'a' # w\n    local_path: \"\\x2fa\"\n...\n",
        "version: \t1\nrepos:\t\n  - name: a\t# tab\n    local_path:\t/a\n\t\n",
        "? version\n: 1\n? repos\n: - ? name\n    : a\n    ? local_path\n    : /a\n",
        "version: 1\nrepos: &all\n  - &one\n    name: &n a\n    local_path: /a\n    tags:\n    role: ~\n    id: ''\n",
    ] {
        assert_eq!(read(text).repos, [repo("a", "/a")], "{text}");
    }
}

#[test]
fn aliases_are_what_they_stand_for() {
    let text = "version: 1\nrepos:\n  - {name: a, local_path: /a, verify: &v [make, make test]}\n  - {name: b, local_path: /b, verify: *v}\n";
    let repos = read(text).repos;
    assert_eq!(repos[1].verify, ["make", "make test"]);
    assert_eq!(repos[0].verify, repos[1].verify);
}

#[test]
fn all_problems_are_told_with_their_places() {
    let text = "\
version: 2
repo: []
repos:
  - name: a/b
    local_path: src/a
    status: actve
    stage: 3
    tags: x
    colour: red
  - name: é
    id: 7
    local_path: /srv/../a
    name: twice
    verify: [make, [x], true, '']
  - just text
  - local_path: ~
    env_template: ../x
  - {name: 2048, local_path: ~alice/x}
  - {name: é, local_path: /é, id: not-one}
";
    assert_eq!(
        wrong(text),
        [
            "1:10 this version of the format is not known: expected `version: 1`",
            "2:1 unknown key `repo`: did you mean `repos`?",
            "4:11 `name` must not contain `/`",
            "5:17 `local_path` must be absolute, or begin with `~/`",
            "6:13 `status` must be one of `active`, `archived`, `offline-only`: did you mean `active`?",
            "7:12 expected a text, this is a number: put it in quotes",
            "8:11 expected a list of texts: write `[a, b]`",
            "9:5 unknown key `colour`: known are `id`, `name`, `local_path`, `remote_url`, `default_branch`, \
             `env_template`, `gitignore_profile`, `status`, `stage`, `role`, `tags`, `verify`",
            "11:9 expected a text, this is a number: put it in quotes",
            "12:17 `local_path` must not contain `..`",
            "13:5 the key `name` is on line 10 already",
            "14:20 expected a text",
            "14:25 expected a text, this is a truth value: put it in quotes",
            "14:31 `verify` must not have an empty item",
            "15:5 expected a repository: `name:`, `local_path:` and so on",
            "16:5 this repository has no `name`",
            "16:17 `local_path` must not be empty: a `~` alone means nothing in YAML, put it in quotes",
            "17:19 `env_template` must not contain `/`",
            "18:12 expected a text, this is a number: put it in quotes",
            "18:30 `local_path` must not name another user's home: write the path in full",
            "19:12 the name `é` is on line 10 already",
            "19:35 `id` must be a UUID: leave the key out and kpmo assigns one",
        ]
    );
}

#[test]
fn the_same_twice_is_told_at_the_second() {
    let text = format!(
        "version: 1\nrepos:\n  - {{name: a, local_path: ~/x, id: {ID}}}\n  - {{name: a, local_path: {HOME}//x/., id: {}}}\n",
        ID.to_uppercase()
    );
    assert_eq!(
        wrong(text),
        [
            "4:12 the name `a` is on line 3 already",
            "4:27 this path is on line 3 already",
            "4:47 this id is on line 3 already"
        ]
    );
    let text = "version: 1\nversion: 1\nrepos:\n  - &a {name: a, local_path: /a}\n  - *a\n";
    assert_eq!(
        wrong(text),
        [
            "2:1 the key `version` is on line 1 already",
            "5:5 the name `a` is on line 4 already",
            "5:5 this path is on line 4 already"
        ]
    );
}

#[test]
fn a_problem_quotes_its_line_with_a_caret() {
    let problem = only("version: 1\nrepos:\n\t- name: a\n");
    assert_eq!((problem.line, problem.snippet.as_str()), (3, " - name: a"));
    let problem = only("version: 1\r\nrepos:\r\n  - name: é\r\n    local_path: é/x\r\n");
    assert_eq!(
        problem.to_string(),
        "4:17: `local_path` must be absolute, or begin with `~/`\n        local_path: é/x\n                    ^"
    );
    // With a byte order mark the first column is still the first.
    assert_eq!(wrong("\u{feff}x: 1\nversion: 1\n"), ["1:1 unknown key `x`: known are `version`, `repos`"]);
    let long = format!("version: 1\nrepos: [{}, oops]\n", vec!["{name: a, local_path: /a}"; 40].join(", "));
    let problem = parse(long.as_bytes(), home()).unwrap_err().listed.pop().unwrap();
    let cut: String = problem.snippet.chars().skip(problem.caret).collect();
    assert!(cut.starts_with("oops]") && problem.snippet.chars().count() == 160, "{problem}");
}

#[test]
fn what_is_no_single_document_of_text_is_refused_where_it_stops() {
    for (bytes, place) in [
        (b"version: 1\nrepos: \xff\n".as_slice(), "2:8 the byte 0xff is not UTF-8: save the file as UTF-8"),
        (b"version: 1\n\0: [\n", "2:1 the control character U+0000: YAML wants it escaped, in double quotes"),
        (b"version: 1\n---\nversion: 1\n", "2:1 a second document begins here: the file is one document"),
        (b"version: 1\nrepos: [\n]\n", "3:1 not YAML: invalid indentation: indent it deeper than its key"),
        (b"version: 1\nrepos: *none\n", "2:8 not YAML: while parsing node, found unknown anchor"),
        (b"version: !!int 1\n", "1:10 YAML tags have no place here"),
        (b"- name: a\n", "1:1 expected `version: 1` and a list `repos:`"),
        (b"repos: []\n", "1:1 the key `version` is missing: add the line `version: 1`"),
        (b"version: '1'\n", "1:10 expected the number 1"),
        (b"version: 1\nrepos: {}\n", "2:8 expected a list of repositories"),
        (b"version: 1\nrepos: &a [*a]\n", "2:12 this alias is part of what it stands for"),
    ] {
        assert_eq!(wrong(bytes), [place], "{}", bytes.escape_ascii());
    }
    assert!(wrong(vec![b' '; (8 << 20) + 1])[0].contains("8 MiB"));
}

#[test]
fn alias_bombs_and_deep_nesting_are_refused() {
    let mut text = "version: 1\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..12 {
        let last = vec![format!("*x{}", level - 1); 10].join(", ");
        text.extend([format!("x{level}: &x{level} [{last}]\n")]);
    }
    assert!(only(&text).message.contains("more than 250000 nodes"), "{}", only(&text));
    let deep = format!("version: 1\nrepos: {}{}\n", "[".repeat(40), "]".repeat(40));
    assert!(only(deep).message.contains("nested more than 32 deep"));
    // The parser has its own bound for what would upset it.
    assert_eq!(wrong(format!("version: 1\nrepos: {}", "[".repeat(100_000))).len(), 1);
    let mut text = format!("version: 1\nx0: &x0 {}{}\n", "[".repeat(20), "]".repeat(20));
    text.push_str("repos: [[[[[[[[[[[[[*x0]]]]]]]]]]]]]\n");
    assert!(only(text).message.contains("nested more than 32 deep"));
}

#[test]
fn a_large_text_is_not_borrowed_by_many() {
    let borrowed = |times: usize| {
        let mut text = format!("version: 1\nx: &x {}\n", "a".repeat(1 << 20));
        text.push_str(&format!("y: [{}]\n", vec!["*x"; times].join(", ")));
        wrong(text).join("\n")
    };
    assert!(borrowed(30).contains("unknown key `y`"), "{:.200}", borrowed(30));
    assert_eq!(borrowed(3_000), "3:129 anchors and aliases expand this file to more than 32 MiB");
    // A copy is made for each of anchors within each other, too.
    let nested = format!("version: 1\nx: {}{}", "&a [".repeat(10), "a".repeat(7 << 20)) + &"]".repeat(10);
    assert!(only(nested).message.contains("more than 32 MiB"));
}

#[test]
fn secrets_are_not_quoted() {
    let text = "version: 1\nrepos:\n  - {name: a/b, token: hunter2, local_path: /a, remote_url: 'https://me:hunter2@example.org/x'}\n";
    let told = parse(text.as_bytes(), home())
        .unwrap_err()
        .listed
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(told.contains("must not carry a password") && told.contains("unknown key `token`"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert!(told.contains("{name: a/b, token: *******, local_path"), "{told}");
    // Where the line is no YAML at all, the URL is still masked.
    let told = only("version: 1\nrepos: [{remote_url: https://hunter2@example.org\n - x\n").to_string();
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn secrets_are_not_quoted_from_long_lines_either() {
    // What makes a secret of it can be far to the left and to the right.
    for far in [0, 100, 1_000, 5_000].map(|length| "x".repeat(length)) {
        let hidden = format!("https://{far}hunter2{far}@example.org/");
        let text = format!("{}, {hidden}, {}", "y ".repeat(300), "ü".repeat(300));
        let shown = |at: usize| Locator::new(&text, Vec::new()).problem(at, Fault::new(FileRule::Syntax, ""));
        let url = text.find("https").unwrap();
        for at in (url..url + hidden.len()).step_by(7) {
            assert!(!shown(at).snippet.contains("hunter2"), "{} {at}: {:?}", far.len(), shown(at));
        }
        assert!(shown(0).snippet.starts_with("y y ") && shown(text.len()).snippet.ends_with("üü"));
        let span = url..url + hidden.len();
        let secret = vec![span.start + 9..span.end, span.clone(), span.start..span.start + 10];
        let problem = Locator::new(&text, secret).problem(span.end, Fault::new(FileRule::Syntax, ""));
        let quoted: Vec<char> = problem.snippet.chars().collect();
        assert_eq!((quoted[problem.caret - 1], quoted[problem.caret]), ('*', ','));
    }
}

#[test]
fn of_very_many_mistakes_the_first_are_told_and_the_rest_counted() {
    let keys: Vec<String> = (0..50_000).map(|at| format!("key-{at}: hunter2")).collect();
    let text = format!("version: 1\nrepos: [{{{}}}]\n", keys.join(", "));
    let problems = parse(text.as_bytes(), home()).unwrap_err();
    // Name and path are missing, too.
    assert_eq!((problems.listed.len(), problems.left_out), (1_000, 49_002));
    for (at, problem) in problems.listed.iter().enumerate() {
        assert!(
            problem.message.starts_with(&format!("unknown key `key-{at}`: "))
                || problem.message == format!("unknown key `key-{at}`"),
            "{problem}"
        );
        assert!(problem.snippet.chars().count() == 160 && !problem.snippet.contains("hunter2"), "{problem}");
        let quoted: String = problem.snippet.chars().skip(problem.caret).collect();
        assert!(quoted.starts_with(&format!("key-{at}: ***")), "{problem}");
        assert_eq!(problem.column, text[11..].find(&format!("key-{at}:")).unwrap() + 1);
    }
    let told = RegistryError::Invalid { path: "repos.yml".into(), problems }.to_string();
    assert!(told.ends_with("\nand 49992 more; `kpmo registry check` lists all"), "{told}");
    assert_eq!(told.lines().count(), 10 * 3 + 1);
    let word = format!("version: 1\n{}: 1\n", "k".repeat(1_000));
    let told = only(word).to_string();
    assert!(told.len() < 1_000, "{told}");
}

#[test]
fn credentials_are_taken_from_urls() {
    for (url, without) in [
        ("https://me:pw@example.org/x", "https://example.org/x"),
        ("HTTPS://token@example.org/x", "HTTPS://example.org/x"),
        ("https://a:p@w@example.org/x@y", "https://example.org/x@y"),
        ("https://example.org/x@y", "https://example.org/x@y"),
        ("https://example.org/x.git?private_token=pw", "https://example.org/x.git"),
        ("https://me@example.org?a/b@c#d", "https://example.org"),
        ("https://example.org/x#pw", "https://example.org/x"),
        ("ssh://git@example.org/x", "ssh://git@example.org/x"),
        ("ssh://git:pw@example.org/x?y", "ssh://git@example.org/x?y"),
        ("ssh://git:pw@example.org:22/x", "ssh://git@example.org:22/x"),
        ("ssh://:pw@example.org/x", "ssh://example.org/x"),
        ("git@example.org:x.git", "git@example.org:x.git"),
        ("/srv/git/x", "/srv/git/x"),
    ] {
        assert_eq!(without_credentials(url), without);
    }
}

#[test]
fn selectors_find_by_id_name_and_innermost_path() {
    let text = format!(
        "version: 1\nrepos:\n  - {{name: a, local_path: /s/a, id: {ID}}}\n  - {{name: in, local_path: /s/a/in}}\n  - {{name: ab, local_path: /s/ab}}\n"
    );
    let document = read(&text);
    let name = |selector: &str| find(&document, selector).map(|repo| repo.name.as_str());
    assert_eq!(name(ID), Some("a"));
    assert_eq!(name(&ID.to_uppercase()), Some("a"));
    assert_eq!(name("ab"), Some("ab"));
    assert_eq!(name("/s/a"), Some("a"));
    assert_eq!(name("/s/a/"), Some("a"));
    assert_eq!(name("/s/a/inside/x"), Some("a"));
    assert_eq!(name("/s/a/in/x"), Some("in"));
    assert_eq!(name("/s/abc"), None);
    assert_eq!(name("/s/a/../ab"), None);
    assert_eq!(name("s/a"), None);
    assert_eq!(nearest(&document, "AA"), Some("a"));
    assert_eq!(nearest(&document, "something"), None);
}

#[test]
fn a_quoted_tilde_is_the_home_directory() {
    let repos =
        read("version: 1\nrepos: [{name: dots, local_path: '~'}, {name: b, local_path: ~/b}]\n").repos;
    assert_eq!(repos[0].local_path, Path::new(HOME));
    assert_eq!(repos[1].local_path, PathBuf::from(HOME).join("b"));
}

#[test]
fn the_sample_is_the_fleet_with_an_entry_of_each_kind() {
    let repos = read(include_str!("../../../config/repos.yml")).repos;
    for status in RepoStatus::ALL {
        assert!(repos.iter().any(|repo| repo.status == status), "{status:?}");
    }
    for stage in Stage::ALL {
        assert!(repos.iter().any(|repo| repo.stage == stage), "{stage:?}");
    }
    let (home, projects) = (home(), home().join("projects"));
    assert!(repos.iter().all(|repo| [Some(home), Some(&*projects)].contains(&repo.local_path.parent())));
    assert!(repos.iter().all(|repo| repo.id.is_none()), "an id is one entry's on one machine");
    assert!(repos.iter().filter_map(|repo| repo.remote_url.as_ref()).all(|url| url.contains("example.org")));
    let by_name = |name: &str| repos.iter().find(|repo| repo.name == name).unwrap();
    assert_eq!(by_name("kanban-pmo").role.as_deref(), Some("governor"));
    assert_eq!(by_name("ollama-local").status, RepoStatus::OfflineOnly);
    assert_eq!(repos.len(), 24);
}
