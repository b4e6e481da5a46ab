//! The predecessor's registry, read.

use super::{home, repo};
use crate::registry::{Predecessor, Repo, RepoStatus, Stage, parse_predecessor};

const FLEET: &str = include_str!("../../../tests/it/fixtures/predecessor.yml");

fn read(text: &str) -> Predecessor {
    parse_predecessor(text.as_bytes(), home()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn told(problems: &[crate::registry::Problem]) -> Vec<String> {
    let words = |problem: &crate::registry::Problem| {
        let repo = problem.repo.as_deref().unwrap_or("-");
        format!(
            "{}:{} {} {repo}: {}",
            problem.line,
            problem.column,
            problem.rule.as_str(),
            problem.sentence()
        )
    };
    problems.iter().map(words).collect()
}

fn wrong(text: &str) -> Vec<String> {
    told(&parse_predecessor(text.as_bytes(), home()).unwrap_err().listed)
}

#[test]
fn a_fleet_is_read_and_everything_odd_is_told() {
    let fleet = read(FLEET);
    assert_eq!(fleet.entries.len(), 24, "26 with two doubled");
    let by_name =
        |name: &str| fleet.entries.iter().find(|entry| entry.repo.name == name).unwrap().repo.clone();

    let mut wanted = repo("kanban-pmo", "/home/dev/kanban-pmo");
    wanted.remote_url = Some("https://example.org/fleet/kanban-pmo.git".into());
    wanted.default_branch = Some("main".into());
    wanted.env_template = Some("governor".into());
    wanted.gitignore_profile = Some("rust".into());
    wanted.role = Some("governor".into());
    wanted.stage = Stage::Prod;
    assert_eq!(by_name("kanban-pmo"), wanted);

    let offline = by_name("ollama-local");
    assert_eq!((offline.status, offline.remote_url), (RepoStatus::Active, None));
    assert_eq!(offline.tags, ["local-only"]);
    let both = by_name("timetrakr-");
    assert_eq!((both.stage, both.default_branch), (Stage::Dev, None));
    assert_eq!(both.tags, ["legacy", "local-only"]);
    assert_eq!(by_name("persist-memory-probe").tags, ["write-authority:persist-memory-probe"]);
    // The later of two wins, with all that it says and does not say.
    assert_eq!(by_name("timetrakr").local_path, home().join("projects/timetrakr"));
    assert!(by_name("timetrakr").tags.is_empty());
    assert_eq!(by_name("invoice-app").stage, Stage::Prod);
    assert_eq!(by_name("saas-billing").default_branch.as_deref(), Some("develop"));

    let notes = told(&fleet.notes);
    let line = |needle: &str, nth: usize| {
        let mut lines = FLEET.lines().enumerate().filter(|(_, line)| line.contains(needle));
        lines.nth(nth).unwrap().0 + 1
    };
    for wanted in [
        format!(
            "{}:3 duplicate-key -: the key `timetrakr` is on line {} and on line {}: the later one wins",
            line("  timetrakr:", 1),
            line("  timetrakr:", 0),
            line("  timetrakr:", 1)
        ),
        format!(
            "{}:3 duplicate-key -: the key `invoice-app` is on line {} and on line {}: the later one wins",
            line("  invoice-app:", 1),
            line("  invoice-app:", 0),
            line("  invoice-app:", 1)
        ),
        format!(
            "{0}:5 duplicate-key saas-billing: the key `branch` is on line {1} and on line {0}: the later one wins",
            line("branch: develop", 0),
            line("branch: develop", 0) - 1
        ),
        format!("{}:13 converted Nemo: `branch: unknown` becomes no default branch", line("  Nemo:", 0) + 3),
        format!(
            "{}:16 converted football-telemetry: `env_stage: legacy` becomes the stage dev and the tag `legacy`",
            line("  football-telemetry:", 0) + 8
        ),
        format!(
            "{}:13 converted ml-pipeline: `status: local-only` becomes active with the tag `local-only`",
            line("  ml-pipeline:", 0) + 6
        ),
        format!(
            "{}:5 unknown-key ai-gateway: unknown key `ci_cron` is left out: known are `local_path`, `remote_url`, \
             `branch`, `env_template`, `gitignore_profile`, `status`, `role`, `env_stage`, `write_authority`",
            line("ci_cron", 0)
        ),
        format!(
            "{}:22 converted persist-memory-probe: `write_authority` becomes the tag \
             `write-authority:persist-memory-probe`: only the governor writes",
            line("write_authority: persist", 0)
        ),
        format!(
            "{}:22 dropped -: `write_authority: kanban-pmo` is left out (23 times): the governor alone writes in any case",
            line("write_authority", 0)
        ),
    ] {
        assert!(notes.contains(&wanted), "{wanted}\nis not in\n{}", notes.join("\n"));
    }
    assert!(fleet.notes.is_sorted_by_key(|note| (note.line, note.column)));
}

#[test]
fn what_would_be_guessed_is_refused_all_at_once() {
    let text = "\
repos:
  a:
    local_path: projects/a
    status: paused
    env_stage: stagign
  b/c:
    branch: main
  d: just text
  e:
    <<: *base
    local_path: /e
    branch: [main]
    env_template: ../x
base: &base {}
";
    let text = text.replace("*base", "{role: x}");
    assert_eq!(
        wrong(&text),
        [
            "3:17 bad-value a: `local_path` must be absolute, or begin with `~/`",
            "4:13 bad-value a: `status` must be one of `active`, `local-only`, `archived`, `offline-only`",
            "5:16 bad-value a: `env_stage` must be one of `dev`, `staging`, `prod`, `legacy`: did you mean `staging`?",
            "6:3 bad-value b/c: `name` must not contain `/`",
            "6:3 missing-key b/c: this repository has no `local_path`",
            "8:6 wrong-type d: expected a repository: `local_path:`, `branch:` and so on",
            "10:5 unknown-key e: the merge key `<<` is not read: write the values out",
            "12:13 wrong-type e: expected a text",
            "13:19 bad-value e: `env_template` must not contain `/`",
        ]
    );
}

#[test]
fn what_is_not_the_predecessors_is_told_so() {
    for (text, wanted) in [
        ("", "1:1 wrong-type -: expected a mapping `repos:` of names"),
        ("meta: {}\n", "1:1 missing-key -: the key `repos` is missing"),
        ("- a\n", "1:1 wrong-type -: expected a mapping `repos:` of names"),
        (
            "version: 1\nrepos:\n  - name: a\n",
            "3:3 wrong-type -: expected a mapping of names, this is a list: that is kpmo's own format: there is nothing to import",
        ),
        ("repos: text\n", "1:8 wrong-type -: expected a mapping of names"),
        ("repos:\n\ta: {}\n", "2:2 syntax -: not YAML: "),
    ] {
        let told = wrong(text);
        assert!(told.len() == 1 && told[0].starts_with(wanted), "{told:?}");
    }
    assert!(read("repos:\n").entries.is_empty());
    let large = format!("repos: {{}}\n#{}", "x".repeat(1 << 20));
    assert_eq!(wrong(&large), ["1:1 too-large -: the file is larger than 1 MiB"]);
}

#[test]
fn two_names_of_one_path_are_one_repository() {
    let fleet = read("repos:\n  a: {local_path: ~/x}\n  b: {local_path: /home/dev/./x}\n");
    let names: Vec<&str> = fleet.entries.iter().map(|entry| entry.repo.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(told(&fleet.notes), ["3:19 duplicate-path b: left out: its path is `a`'s, on line 2"]);
}

#[test]
fn credentials_go_no_further() {
    let text =
        "repos:\n  a: {local_path: /a, remote_url: 'https://me:hunter2@example.org/a', token: hunter2}\n";
    let fleet = read(text);
    assert_eq!(
        fleet.entries[0].repo,
        Repo { remote_url: Some("https://example.org/a".into()), ..repo("a", "/a") }
    );
    let told = format!("{fleet:?}");
    assert!(told.contains("credentials in this URL are left out") && !told.contains("hunter2"), "{told}");
    let error = format!("{:?}", parse_predecessor(text.replace("/a,", "a,").as_bytes(), home()).unwrap_err());
    assert!(!error.contains("hunter2"), "{error}");
}
