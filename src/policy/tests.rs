use std::{fs, path::PathBuf, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::rules::{RuleId, Severity, Stage};

/// What a `policy.yml` of this text is.
fn policy(text: &str) -> Result<PolicyVersion, ConfigError> {
    let defaults = yaml::parse(Path::new("defaults"), DEFAULT_POLICY)?;
    Ok(PolicyVersion::of(&defaults, yaml::parse(Path::new("policy.yml"), text)?))
}

/// What a `governor.yml` of this text is.
fn settings(text: &str) -> Result<GovernorSettings, ConfigError> {
    let mut settings = GovernorSettings::default();
    settings.apply(&yaml::parse(Path::new("governor.yml"), text)?);
    Ok(settings)
}

fn defaults() -> PolicyVersion {
    policy("version: 1").unwrap()
}

fn tags(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn absent() -> PathBuf {
    PathBuf::from("/nonexistent/kpmo/policy.yml")
}

#[test]
fn the_embedded_policy_names_every_key() {
    let file: PolicyFile = yaml::parse(Path::new("defaults"), DEFAULT_POLICY).unwrap();
    let json = serde_json::to_string(&file.base).unwrap();
    assert!(!json.contains("null"), "{json}");
    for rule in RuleId::ALL {
        assert!(json.contains(&format!("\"{rule}\":")), "{rule} is missing");
        assert_eq!(defaults().effective(None, &[]).levels.get(rule), Some(Severity::Error));
    }
    // What the code falls back on is what the file says.
    let effective = defaults().effective(None, &[]);
    let mut bare = EffectivePolicy::default();
    bare.settings.secrets.generic_allow_paths = effective.settings.secrets.generic_allow_paths.clone();
    assert_eq!(*effective, bare);
}

#[test]
fn the_embedded_settings_are_the_documented_ones() {
    let embedded = load_settings(&absent()).unwrap();
    assert_eq!(
        GovernorSettings { scan: ScanSettings::default(), ..embedded.clone() },
        GovernorSettings::default()
    );
    assert!(embedded.scan.skip.contains(&"node_modules".to_owned()) && !embedded.scan.cross_file_systems);
    // Every key is in the file, to be read about there.
    for key in
        ["enabled", "env", "quiet_ms", "first_limit", "quota", "last", "hourly", "daily", "prune_after"]
    {
        assert!(DEFAULT_SETTINGS.contains(&format!("  {key}: ")), "{key}");
    }
    assert_eq!(embedded.budgets.connect, Duration::from_millis(250));
    assert_eq!(
        embedded.on_unreachable,
        OnUnreachable { commit: Unreachable::Warn, push: Unreachable::Block }
    );
}

#[test]
fn an_absent_file_is_the_defaults_and_a_directory_is_an_error() {
    assert_eq!(load_policy(&absent()).unwrap().digest(), defaults().digest());
    let error = load_policy(Path::new("/")).unwrap_err();
    assert!(error.source.is_some() && error.to_string().starts_with("/: cannot read it: "), "{error}");
}

#[test]
fn files_are_read_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.yml");
    fs::write(&path, "version: 1\nrules: {secrets: {severity: warn}}\n").unwrap();
    let policy = load_policy(&path).unwrap().effective(None, &[]);
    assert_eq!(policy.levels.get(RuleId::Secrets), Some(Severity::Warn));

    fs::write(&path, b"version: 1\n# \xff\n").unwrap();
    let error = load_policy(&path).unwrap_err();
    assert_eq!((error.line, error.column, error.path.as_path()), (2, 3, path.as_path()));

    fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert!(load_policy(&path).unwrap_err().to_string().contains("more than 1048576 bytes"));

    let path = dir.path().join("governor.yml");
    fs::write(&path, "version: 1\nlog: {level: debug}\nscan: {skip: [build]}\n").unwrap();
    let settings = load_settings(&path).unwrap();
    assert_eq!((settings.log_level, settings.scan.skip), (LogLevel::Debug, vec!["build".to_owned()]));
}

#[test]
fn later_levels_override_key_by_key() {
    let policy = policy(
        "version: 1
scan_limit: 1MiB
rules:
  large-file: {limit: 1MB, allow_paths: [a]}
  secrets: {allow: [0123456789abcdef]}
tags:
  legacy:
    rules: {workflows: {severity: warn}, large-file: {limit: 2MB}, secrets: {allow: [1111111111111111]}}
  assets:
    scan_limit: 64KiB
    rules: {large-file: {severity: warn, limit: 3MB}}
repos:
  site: {rules: {large-file: {severity: off}, secrets: {allow: [2222222222222222]}}}
",
    )
    .unwrap();
    let limit = |repo, names: &[&str]| policy.effective(repo, &tags(names)).settings.large_file.limit;
    assert_eq!(limit(None, &[]), 1_000_000);
    assert_eq!(limit(Some("other"), &["unknown"]), 1_000_000);
    assert_eq!(limit(None, &["legacy", "assets"]), 3_000_000);
    assert_eq!(limit(None, &["assets", "legacy"]), 2_000_000);

    let all = policy.effective(Some("site"), &tags(&["legacy", "assets"]));
    assert_eq!(all.scan_limit, 64 << 10);
    assert_eq!(all.levels.get(RuleId::LargeFile), None);
    assert_eq!(all.levels.get(RuleId::Workflows), Some(Severity::Warn));
    assert_eq!(all.levels.get(RuleId::PrivateKey), Some(Severity::Error));
    assert_eq!(all.settings.large_file.allow_paths.patterns(), ["a"]);
    // Fingerprints add up: each was accepted for a place of its own.
    assert_eq!(all.settings.secrets.allow.len(), 3);
    assert!(Arc::ptr_eq(&all, &policy.effective(Some("site"), &tags(&["legacy", "x", "assets"]))));
}

#[test]
fn what_is_demanded_is_laid_over_key_by_key_and_can_be_taken_back() {
    let policy = policy(
        "version: 1
rules:
  branch: {protected: {dev: [trunk]}}
  message: {pattern: '^a', card: required, max_subject: 72}
  identity: {emails: ['*@example.org']}
tags:
  free: {rules: {message: {pattern: none, max_subject: none}, identity: {emails: []}}}
repos:
  site: {rules: {message: {card: off}, branch: {protected: {prod: []}}}}
",
    )
    .unwrap();
    let all = policy.effective(None, &[]);
    assert_eq!(all.settings.message.pattern.as_ref().unwrap().as_str(), "^a");
    assert_eq!((all.settings.message.card, all.settings.message.max_subject), (true, Some(72)));
    assert!(all.wants_commit_msg() && all.wants_identity());
    let protected = |policy: &EffectivePolicy| {
        let of = |stage| policy.settings.branch.of(stage).patterns().to_vec();
        [of(Stage::Dev), of(Stage::Staging), of(Stage::Prod)]
    };
    assert_eq!(protected(&all), [vec!["trunk"], vec!["@default"], vec!["@default"]]);

    let free = policy.effective(None, &tags(&["free"]));
    assert_eq!((free.settings.message.pattern.clone(), free.settings.message.max_subject), (None, None));
    assert!(free.wants_commit_msg(), "a card is still demanded");
    assert!(!free.wants_identity());
    let site = policy.effective(Some("site"), &tags(&["free"]));
    assert!(!site.wants_commit_msg());
    assert_eq!(protected(&site), [vec!["trunk"], vec!["@default"], vec![]]);

    let by_default = defaults().effective(None, &[]);
    assert!(!by_default.wants_commit_msg() && !by_default.wants_identity());
    assert!(!by_default.wants_branch(Stage::Dev) && by_default.wants_branch(Stage::Staging));
}

#[test]
fn the_digest_is_of_what_is_said() {
    let digest = |text: &str| policy(text).unwrap().digest();
    let plain = digest("version: 1");
    assert_eq!(plain.len(), 64);
    assert_eq!(
        plain,
        digest("# comment\nversion: 1\nrules:\n  secrets: {severity: error}\ntags:\nrepos: {}\n")
    );
    let other = [
        "version: 1\nscan_limit: 4MiB",
        "version: 1\nrules: {secrets: {severity: warn}}",
        "version: 1\nrules: {secrets: {allow: [0123456789abcdef]}}",
        "version: 1\nrules: {secrets: {generic_entropy: 3.6}}",
        "version: 1\nrules: {secrets: {skip_kinds: [jwt]}}",
        "version: 1\nrules: {private-key: {allow_paths: [a]}}",
        "version: 1\nrules: {large-file: {limit: 1}}",
        "version: 1\nrules: {branch: {protected: {dev: [a]}}}",
        "version: 1\nrules: {identity: {emails: [a]}}",
        "version: 1\nrules: {message: {pattern: a}}",
        "version: 1\nrules: {message: {card: required}}",
        "version: 1\nrules: {message: {max_subject: 1}}",
        "version: 1\nrules: {stage: {tagged: []}}",
        "version: 1\ntags: {a: {rules: {secrets: {severity: warn}}}}",
        "version: 1\nrepos: {a: {rules: {secrets: {severity: warn}}}}",
    ];
    let mut digests: Vec<_> = other.into_iter().map(digest).chain([plain]).collect();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), other.len() + 1);
}

#[test]
fn fingerprints_are_text_whatever_they_look_like() {
    let policy = policy(
        "version: 1\nrules: {secrets: {allow: [1234567890123456, 12e4567890123456, 0x34567890123456]}}",
    );
    assert!(policy.is_err(), "x is no hexadecimal digit");
    let policy = self::policy(
        "version: 1\nrules: {secrets: {allow: [0234567890123456, 12e4567890123456, ABCDEF0123456789]}}",
    )
    .unwrap();
    let allow = policy.effective(None, &[]).settings.secrets.allow.iter().cloned().collect::<Vec<_>>();
    assert_eq!(allow, ["0234567890123456", "12e4567890123456", "abcdef0123456789"]);
}

#[test]
fn errors_have_their_place() {
    let cases = [
        ("", 1, 1, "at least `version: 1`"),
        ("# nothing\n", 1, 1, "at least `version: 1`"),
        ("rules: {}\n", 1, 1, "missing field `version`"),
        ("version: 2\n", 1, 10, "version \"2\" is not known"),
        ("version: one\n", 1, 10, "version \"one\" is not known"),
        ("version: 1\nrule: {}\n", 2, 1, "unknown field `rule`"),
        ("version: 1\nrules:\n  secret: {}\n", 3, 3, "unknown field `secret`"),
        ("version: 1\nrules:\n  secrets:\n    severity: fatal\n", 4, 15, "unknown variant `fatal`"),
        ("version: 1\nrules:\n  secrets: {allow: [hunter2]}\n", 3, 21, "16 hexadecimal digits"),
        ("version: 1\nrules:\n  secrets: {skip_kinds: [jwts]}\n", 3, 26, "\"jwts\" is no kind"),
        ("version: 1\nrules:\n  secrets: {generic_entropy: 9}\n", 3, 30, "\"9\" is not a number from 2 to 6"),
        ("version: 1\nrules:\n  secrets: {generic_entropy: .nan}\n", 3, 30, "not a number from 2 to 6"),
        ("version: 1\nrules:\n  large-file: {limit: 10 apples}\n", 3, 23, "\"10 apples\" is not a size"),
        ("version: 1\nrules:\n  large-file: {limit: 0}\n", 3, 23, "\"0\" is not a size"),
        ("version: 1\nrules:\n  large-file: {limit: 99999999999GiB}\n", 3, 23, "is not a size"),
        ("version: 1\nrules:\n  large-file: {allow_paths: ['a[']}\n", 3, 30, "\"a[\" is not a glob"),
        (
            "version: 1\nrules:\n  message: {pattern: '('}\n",
            3,
            22,
            "\"(\" is not a regular expression: unclosed",
        ),
        ("version: 1\nrules:\n  message: {max_subject: 0}\n", 3, 26, "\"0\" is not a number from 1 to 10000"),
        ("version: 1\nrules:\n  message: {card: maybe}\n", 3, 19, "unknown variant `maybe`"),
        ("version: 1\nrules:\n  branch: {protected: {test: []}}\n", 3, 24, "unknown field `test`"),
        ("version: 1\nrules:\n  identity: {emails: ['a[']}\n", 3, 23, "\"a[\" is not a glob"),
        ("version: 1\nrules:\n  stage: {tagged: [live]}\n", 3, 20, "unknown variant `live`"),
        ("version: 1\nscan_limit: 1GiB\n", 2, 13, "from 1KiB to 64MiB"),
        ("version: 1\ntags:\n  a: {}\n  a: {}\n", 4, 3, "\"a\" stands here twice"),
        ("version: 1\nversion: 1\n", 2, 1, "\"version\" stands here twice"),
        (
            "version: 1\nrules:\n  secrets: {}\n  workflows: {}\n  secrets: {}\n",
            5,
            3,
            "\"secrets\" stands here twice",
        ),
        ("version: 1\nrules: [\n", 3, 1, ""),
        ("- version\n", 1, 1, "expected struct"),
    ];
    for (text, line, column, message) in cases {
        let error = policy(text).unwrap_err();
        let place = (error.line, error.column);
        assert!(error.message.contains(message), "{text:?}: {error}");
        assert_eq!(place, (line, column), "{text:?}: {error}");
        assert!(error.to_string().starts_with(&format!("policy.yml:{line}:{column}: ")), "{error}");
        assert!(!error.message.contains(" at line "), "{error}");
        assert!(!error.message.contains("hunter2"), "what is no fingerprint may be a secret");
    }
}

#[test]
fn settings_are_bounded() {
    let cases = [
        ("version: 1\nbudgets: {connect_ms: 9}\n", 2, 23, "from 10 to 60000"),
        ("version: 1\nbudgets: {start_ms: 60001}\n", 2, 21, "from 10 to 60000"),
        ("version: 1\nbudgets: {verdict_ms: -1}\n", 2, 23, "from 10 to 60000"),
        ("version: 1\nbudgets: {verdict: 1}\n", 2, 11, "unknown field `verdict`"),
        ("version: 1\non_unreachable: {commit: maybe}\n", 2, 26, "unknown variant `maybe`"),
        ("version: 1\nscan: {skip: [a/b]}\n", 2, 15, "\"a/b\" is not the name"),
        ("version: 1\nscan: {skip: [.git]}\n", 2, 15, "\".git\" is not the name"),
        ("version: 1\nscan: {cross_file_systems: perhaps}\n", 2, 28, "expected a boolean"),
        ("version: 1\nlog: {level: loud}\n", 2, 14, "unknown variant `loud`"),
        ("version: 1\nsnapshots: {enabled: maybe}\n", 2, 22, "expected a boolean"),
        ("version: 1\nsnapshots: {quiet_ms: 60001}\n", 2, 23, "from 0 to 60000"),
        ("version: 1\nsnapshots: {first_limit: much}\n", 2, 26, "\"much\" is not a size"),
        ("version: 1\nsnapshots: {quota: 0}\n", 2, 20, "\"0\" is not a size"),
        ("version: 1\nsnapshots: {prune_after: 0}\n", 2, 26, "from 1 to 1000000"),
        ("version: 1\nsnapshots: {keep: {last: 0}}\n", 2, 26, "from 1 to 100000"),
        ("version: 1\nsnapshots: {keep: {daily: all}}\n", 2, 27, "from 0 to 100000"),
        ("version: 1\nsnapshots: {keep: {nightly: 1}}\n", 2, 20, "unknown field `nightly`"),
    ];
    for (text, line, column, message) in cases {
        let error = settings(text).unwrap_err();
        assert!(error.message.contains(message), "{text:?}: {error}");
        assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
    }
    let good =
        settings("version: 1\nbudgets: {connect_ms: 10, verdict_ms: 60000}\non_unreachable:\n").unwrap();
    assert_eq!(good.budgets.connect, Duration::from_millis(10));
    assert_eq!(good.budgets.verdict, Duration::from_mins(1));
    assert_eq!(good.on_unreachable, OnUnreachable::default());
}

#[test]
fn settings_of_snapshots_are_laid_over_one_by_one() {
    let of = |text: &str| settings(&format!("version: 1\n{text}")).unwrap().snapshots;
    let defaults = SnapshotSettings::default();
    assert_eq!(of("snapshots:\n"), defaults);
    assert_eq!(of("snapshots: {keep: }\n"), defaults);
    assert_eq!(
        of("snapshots: {enabled: false, env: false, quiet_ms: 0, first_limit: 2TiB, quota: none, \
            keep: {last: 1, yearly: 0}, prune_after: 7}\n"),
        SnapshotSettings {
            enabled: false,
            env: false,
            quiet: Duration::ZERO,
            first_limit: Some(2 << 40),
            quota: None,
            keep: Keep { last: 1, yearly: 0, ..defaults.keep },
            prune_after: 7,
        }
    );
}

#[test]
fn sizes_have_units() {
    for (text, bytes) in [
        ("1", Some(1)),
        ("10B", Some(10)),
        ("10 KB", Some(10_000)),
        ("10kib", Some(10_240)),
        ("3MiB", Some(3 << 20)),
        ("2GB", Some(2_000_000_000)),
        ("1GiB", Some(1 << 30)),
        ("3TB", Some(3_000_000_000_000)),
        ("3TiB", Some(3 << 40)),
        ("", None),
        ("MiB", None),
        ("-1", None),
        ("1.5MiB", None),
        ("18446744073709551616", None),
        ("18446744073709551615KiB", None),
    ] {
        assert_eq!(value::bytes(text), bytes, "{text:?}");
    }
}

/// Text with what a configuration file is made of.
fn any_yaml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "version: 1\n",
            "rules:\n",
            "  secrets:\n",
            "    severity: ",
            "off\n",
            "error",
            "allow: ",
            "[",
            "]",
            "{",
            "}",
            "tags:",
            "repos:",
            "- ",
            ", ",
            "\n",
            "  ",
            "&a ",
            "*a",
            "<<: *a",
            "!x ",
            "|\n",
            ">-\n",
            "? ",
            "\"",
            "'",
            "limit: 10MiB",
            "budgets: ",
            "connect_ms: ",
            "99999999999999999999",
            "-1",
            ".nan",
            "~",
            "#",
            "\u{feff}",
            "---\n",
            "...\n",
            "%YAML 1.1\n",
            "\t",
            "\u{0}",
            "\u{2028}",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in any_yaml()) {
        for text in [text.clone(), format!("version: 1\n{text}")] {
            let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
            let lines = text.matches(breaks).count() + 2;
            for error in [policy(&text).err(), settings(&text).err()].into_iter().flatten() {
                prop_assert!(error.line <= lines, "{} of {} lines", error.line, lines);
                prop_assert!(!error.message.is_empty());
            }
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        let policy = load_policy(file.path());
        let settings = load_settings(file.path());
        if std::str::from_utf8(&bytes).is_err() {
            prop_assert!(policy.is_err() && settings.is_err());
        }
    }
}
