use proptest::prelude::*;

use super::{KINDS, MOST_FINDINGS, kind_names, kinds::Check, placeholder, scan};
use crate::rules::{
    EffectivePolicy, Finding, PathGlobs, RuleId,
    tests::{added, default_policy, judged},
    text::entropy,
};

/// What stands before the random part, the random part, and what stands behind
/// it: a value of each kind. The parts stand apart so that no scanner takes this
/// file for a leak.
const SHAPES: &[(&str, &str, &str, &str)] = &[
    ("aws-access-key-id", "AKIA", "[A-Z2-7]{16}", ""),
    ("aws-secret-access-key", "aws_secret_access_key=", "[A-Za-z0-9/+]{40}", ""),
    ("github-token", "ghp_", "[A-Za-z0-9]{36}", ""),
    ("github-fine-grained-token", "github_pat_", "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", ""),
    ("gitlab-token", "glpat-", "[A-Za-z0-9]{20}", ""),
    ("slack-token", "xoxb-", "[0-9]{12}-[0-9]{12}-[A-Za-z0-9]{24}", ""),
    ("slack-webhook", "hooks.slack.com/services/", "T[A-Z0-9]{10}/B[A-Z0-9]{10}/[A-Za-z0-9]{24}", ""),
    ("stripe-key", "sk_live_", "[A-Za-z0-9]{24}", ""),
    ("google-api-key", "AIza", "[A-Za-z0-9]{35}", ""),
    ("google-oauth-secret", "GOCSPX-", "[A-Za-z0-9]{28}", ""),
    ("gcp-service-account", "\"private_key_id\": \"", "[0-9a-f]{40}", "\""),
    ("anthropic-key", "sk-ant-api03-", "[A-Za-z0-9]{93}", "AA"),
    ("openai-key", "sk-proj-", "[A-Za-z0-9]{64}", ""),
    ("openrouter-key", "sk-or-v1-", "[0-9a-f]{64}", ""),
    ("sk-key", "sk-", "[A-Za-z0-9]{48}", ""),
    ("groq-key", "gsk_", "[A-Za-z0-9]{52}", ""),
    ("xai-key", "xai-", "[A-Za-z0-9]{80}", ""),
    ("perplexity-key", "pplx-", "[A-Za-z0-9]{48}", ""),
    ("replicate-token", "r8_", "[A-Za-z0-9]{37}", ""),
    ("huggingface-token", "hf_", "[A-Za-z]{34}", ""),
    ("npm-token", "npm_", "[A-Za-z0-9]{36}", ""),
    ("npmrc-token", "//npm.acme.dev/:_authToken=", "[A-Za-z0-9]{40}", ""),
    ("pypi-token", "pypi-AgE", "[A-Za-z0-9]{120}", ""),
    ("cratesio-token", "cio", "[A-Za-z0-9]{32}", ""),
    ("rubygems-key", "rubygems_", "[0-9a-f]{48}", ""),
    ("dockerhub-token", "dckr_pat_", "[A-Za-z0-9]{27}", ""),
    ("sendgrid-key", "SG.", "[A-Za-z0-9]{22}\\.[A-Za-z0-9]{43}", ""),
    ("twilio-key", "SK", "[0-9a-f]{32}", ""),
    ("mailgun-key", "key-", "[0-9a-f]{32}", ""),
    ("telegram-token", "", "[1-9][0-9]{9}:AA[A-Za-z0-9]{33}", ""),
    ("discord-token", "MTE", "[A-Za-z0-9]{23}\\.[A-Za-z0-9]{6}\\.[A-Za-z0-9]{38}", ""),
    ("discord-webhook", "discord.com/api/webhooks/123456789012345678/", "[A-Za-z0-9]{68}", ""),
    ("digitalocean-token", "dop_v1_", "[0-9a-f]{64}", ""),
    ("databricks-token", "dapi", "[0-9a-f]{32}", ""),
    ("azure-storage-key", "AccountKey=", "[A-Za-z0-9/+]{86}", "=="),
    ("shopify-token", "shpat_", "[0-9a-f]{32}", ""),
    ("square-token", "sq0atp-", "[A-Za-z0-9]{22}", ""),
    ("linear-key", "lin_api_", "[A-Za-z0-9]{40}", ""),
    ("notion-token", "ntn_", "[0-9]{11}[A-Za-z0-9]{35}", ""),
    ("figma-token", "figd_", "[A-Za-z0-9]{40}", ""),
    ("postman-key", "PMAK-", "[0-9a-f]{24}-[0-9a-f]{34}", ""),
    ("newrelic-key", "NRAK-", "[A-Z0-9]{27}", ""),
    ("grafana-token", "glsa_", "[A-Za-z0-9]{32}_[0-9a-f]{8}", ""),
    ("sentry-token", "sntryu_", "[0-9a-f]{64}", ""),
    ("vault-token", "hvs.", "[A-Za-z0-9]{90}", ""),
    ("terraform-token", "", "[A-Za-z0-9]{14}\\.atlasv1\\.[A-Za-z0-9]{66}", ""),
    ("pulumi-token", "pul-", "[0-9a-f]{40}", ""),
    ("doppler-token", "dp.pt.", "[A-Za-z0-9]{43}", ""),
    ("tailscale-key", "tskey-auth-", "[A-Za-z0-9]{12}-[A-Za-z0-9]{32}", ""),
    ("atlassian-token", "ATATT3", "[A-Za-z0-9]{180}", ""),
    ("age-secret-key", "AGE-SECRET-KEY-1", "[02-9AC-HJ-NP-Z]{58}", ""),
    ("jwt", "eyJ", "[A-Za-z0-9]{30}\\.eyJ[A-Za-z0-9]{60}\\.[A-Za-z0-9]{43}", ""),
    ("url-password", "postgres://app:", "[A-Za-z0-9]{16}", "@db.acme.dev/app"),
    ("generic", "db_password = \"", "[A-Za-z][0-9][A-Za-z0-9]{30}", "\""),
];

/// A random value of a random kind: kind, prefix, random part, suffix.
fn any_secret() -> impl Strategy<Value = (&'static str, &'static str, String, &'static str)> {
    proptest::sample::select(SHAPES).prop_flat_map(|(kind, before, random, after)| {
        let random = proptest::string::string_regex(random).expect("a pattern");
        random.prop_map(move |random| (kind, before, random, after))
    })
}

fn secrets_alone() -> EffectivePolicy {
    let mut policy = default_policy();
    for rule in RuleId::ALL.into_iter().filter(|rule| *rule != RuleId::Secrets) {
        policy.levels.set(rule, None);
    }
    policy
}

fn found(path: &str, text: &str, policy: &EffectivePolicy) -> Vec<Finding> {
    judged(&[added(path, text.as_bytes())], policy)
}

fn kind_at(candidate: &super::Candidate) -> &'static str {
    KINDS[candidate.kind].name
}

/// A token of GitHub's form, made up.
fn token() -> String {
    ["gh", "p_", "Xk29fLq0ZtB7vRn4", "WcY8mHd3JsPa61GuEoTi"].concat()
}

#[test]
fn the_table_is_sound() {
    let mut names: Vec<_> = kind_names().collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "each kind has a name of its own");
    let shaped: Vec<_> = SHAPES.iter().map(|shape| shape.0).collect();
    for kind in KINDS {
        assert!(shaped.contains(&kind.name), "{} is not generated", kind.name);
        let regex = regex::bytes::RegexBuilder::new(kind.pattern).unicode(false).build();
        assert!(
            regex.is_ok_and(|regex| regex.captures_len() == if kind.check == Check::Generic { 1 } else { 2 }),
            "{}",
            kind.name
        );
        assert!(kind.keywords.iter().all(|keyword| keyword.len() >= 3), "{}", kind.name);
    }
}

#[test]
fn a_fingerprint_belongs_to_place_kind_and_key() {
    let policy = secrets_alone();
    let line = format!("x = \"{}\"\n", token());
    let one = &found("a.py", &line, &policy)[0];
    assert_eq!(one.fingerprint.len(), 16);
    // Lines above and the rest of the line do not matter; the path does.
    let moved = &found("a.py", &format!("\n\n    y = '{}'\n", token()), &policy)[0];
    assert_eq!((&one.fingerprint, moved.line), (&moved.fingerprint, 3));
    assert_ne!(one.fingerprint, found("b.py", &line, &policy)[0].fingerprint);

    let mut accepted = policy;
    accepted.settings.secrets.allow.insert(one.fingerprint.clone());
    assert_eq!(found("a.py", &line, &accepted), []);
    assert_eq!(found("b.py", &line, &accepted).len(), 1);
}

#[test]
fn paths_and_kinds_can_be_left_out() {
    let line = format!("x = \"{}\"\n", token());
    let mut policy = secrets_alone();
    policy.settings.secrets.allow_paths = PathGlobs::new(vec!["fixtures/**".into()]).unwrap();
    assert_eq!(found("fixtures/a.py", &line, &policy), []);
    assert_eq!(found("a.py", &line, &policy).len(), 1);
    policy.settings.secrets.skip_kinds.insert("github-token".into());
    assert_eq!(found("a.py", &line, &policy), []);
}

#[test]
fn the_entropy_that_generic_values_need_is_a_setting() {
    let line = ["pass", "word = \"abab1cdcd2efef3g\"\n"].concat();
    let mut policy = secrets_alone();
    policy.settings.secrets.generic_entropy = 3.0;
    assert_eq!(found("a.py", &line, &policy).len(), 1);
    policy.settings.secrets.generic_entropy = 4.5;
    assert_eq!(found("a.py", &line, &policy), []);
}

#[test]
fn findings_are_bounded_and_accepted_ones_do_not_count() {
    let lines = (0..300).map(|n| format!("x{n} = \"{}{n:03}\"\n", token())).collect::<Vec<_>>().concat();
    let mut policy = secrets_alone();
    let first = found("a.py", &lines, &policy);
    assert_eq!(first.len(), MOST_FINDINGS);
    policy.settings.secrets.allow = first.into_iter().map(|finding| finding.fingerprint).collect();
    let rest = found("a.py", &lines, &policy);
    assert_eq!((rest.len(), rest[0].line), (100, 201));
}

#[test]
fn very_long_lines_are_searched() {
    let pad = "abc def;".repeat(100_000);
    let text = format!("first\n{pad} '{}' {pad}", token());
    let found = found("a.min.js", &text, &secrets_alone());
    assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_token_is_searched_for_once() {
    // A name, a generic assignment and a token's prefix all point at one value.
    let text = format!("aws_secret_token_password = \"{}\"", token());
    let settings = secrets_alone().settings.secrets;
    let candidates = scan::candidates(text.as_bytes(), b"a.py", &settings);
    assert_eq!(candidates.iter().map(kind_at).collect::<Vec<_>>(), ["github-token"]);
}

proptest! {
    #[test]
    fn a_secret_is_found_and_never_told(
        (kind, before, random, after) in any_secret(),
        head in "([a-z ]{0,30}\n){0,3}([a-z]{0,10} )?",
        tail in "( [a-z ]{0,20})?(\n[a-z ]{0,30}){0,3}",
    ) {
        // The generator takes the rare characters of a class as often as the others.
        let least = KINDS.iter().find(|row| row.name == kind).map_or(0.0, |row| row.entropy);
        prop_assume!(entropy(random.as_bytes()) >= least + 0.2);
        // Nor does chance know that `XXxX` is what people write for a secret.
        prop_assume!(!placeholder::is_placeholder(random.as_bytes()));
        let text = format!("{head}{before}{random}{after}{tail}");
        let policy = secrets_alone();
        let candidates = scan::candidates(text.as_bytes(), b"app.conf", &policy.settings.secrets);
        prop_assert_eq!(candidates.iter().map(kind_at).collect::<Vec<_>>(), [kind]);

        let found = found("app.conf", &text, &policy);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].line as usize, head.matches('\n').count() + 1);
        let Finding { message, fix, way_around, fingerprint, .. } = &found[0];
        for at in 0..random.len() - 5 {
            let part = &random[at..at + 6];
            for text in [message, fix] {
                prop_assert!(!text.contains(part));
            }
            // A fingerprint is hexadecimal too: short runs may be the same by chance.
            let part = if part.bytes().all(|byte| byte.is_ascii_hexdigit()) { &random[at..] } else { part };
            prop_assert!(!way_around.contains(part));
            prop_assert!(!fingerprint.contains(part));
        }
        let shown = format!("{:?}", found[0]);
        prop_assert!(!shown.contains(&random));
    }

    #[test]
    fn ordinary_words_are_no_secrets(text in "([a-z]{1,12}[ _.:=/\"'-]{1,3}){0,40}") {
        prop_assert_eq!(found("app.conf", &text, &secrets_alone()), []);
    }
}
