//! What the hook prints, all of it to standard error.

use std::io::{IsTerminal, Write};

use super::event::Kind;
use crate::generated::kanban::{Finding, HookResponse, Rule, Severity, Verdict};

struct Paint {
    error: &'static str,
    warn: &'static str,
    strong: &'static str,
    off: &'static str,
}

const COLOURED: Paint = Paint { error: "\x1b[1;31m", warn: "\x1b[1;33m", strong: "\x1b[1m", off: "\x1b[0m" };
const PLAIN: Paint = Paint { error: "", warn: "", strong: "", off: "" };

fn paint() -> &'static Paint {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
        || !std::io::stderr().is_terminal();
    if plain { &PLAIN } else { &COLOURED }
}

fn write(text: &str) {
    // A terminal that is gone is no reason to stop a commit.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Bytes for a terminal: control characters and what isn't UTF-8 are escaped.
pub(super) fn escaped(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// One line of ours.
pub(super) fn line(text: &str) {
    write(&format!("kpmo: {text}\n"));
}

/// The verdict, if there is anything to say.
pub(super) fn findings(kind: Kind, response: &HookResponse) {
    if response.findings.is_empty() {
        if response.verdict() == Verdict::Refuse {
            // Told once for both layers of hooks.
            line(&format!("{} refused for what was said before", kind.doing));
        }
        return;
    }
    let Paint { error, warn, off, .. } = paint();
    let refused = response.verdict() == Verdict::Refuse;
    let errors = response.findings.iter().filter(|f| f.severity() == Severity::Error).count();
    let count = if refused { errors } else { response.findings.len() } + response.findings_left_out as usize;
    let things = if count == 1 { "finding" } else { "findings" };
    let place =
        if response.repo_name.is_empty() { String::new() } else { format!(" in {}", response.repo_name) };
    let mut text = if refused {
        format!("kpmo: {error}{} refused{off}{place}: {count} {things}\n", kind.doing)
    } else {
        format!("kpmo: {warn}{} passed with {count} {things}{off}{place}\n", kind.doing)
    };
    for finding in &response.findings {
        text.push_str(&one(kind, finding));
    }
    if response.findings_left_out > 0 {
        text.push_str(&format!("  and {} more\n", response.findings_left_out));
    }
    write(&text);
}

fn one(kind: Kind, finding: &Finding) -> String {
    let Paint { error, warn, strong, off } = paint();
    let (colour, severity) =
        if finding.severity() == Severity::Error { (error, "error") } else { (warn, "warning") };
    let mut place = match (finding.path.is_empty(), finding.line) {
        (true, _) => String::new(),
        (false, 0) => format!(" {}", escaped(&finding.path)),
        (false, line) => format!(" {}:{line}", escaped(&finding.path)),
    };
    if let Some(commit) = finding.commit.get(..10) {
        place.push_str(&format!(" (commit {commit})"));
    }
    let mut text = format!(
        "  {colour}{severity}{off} {strong}{}{off}{place}\n    {}\n",
        rule_name(finding.rule()),
        escaped(finding.message.as_bytes())
    );
    // The rules speak of the commit that they judge.
    let around =
        finding.way_around.replace("git commit --no-verify", &format!("git {} --no-verify", kind.doing));
    for (label, words) in [("fix:   ", &finding.fix), ("around:", &around)] {
        if !words.is_empty() {
            text.push_str(&format!("    {label} {}\n", escaped(words.as_bytes())));
        }
    }
    if !finding.fingerprint.is_empty() {
        text.push_str(&format!("    fingerprint: {}\n", escaped(finding.fingerprint.as_bytes())));
    }
    text
}

/// As `policy.yml` names it.
fn rule_name(rule: Rule) -> String {
    rule.as_str_name().trim_start_matches("RULE_").to_lowercase().replace('_', "-")
}

/// `on_unreachable: block`.
pub(super) fn blocked(kind: Kind, why: &str) {
    let Paint { error, off, .. } = paint();
    write(&format!(
        "kpmo: {error}{doing} stopped{off}: it could not be judged\n    {why}\n    \
         fix:    `kpmo governor status` tells what is wrong, `kpmo governor restart --force` starts it afresh; then try again\n    \
         around: git {doing} --no-verify (kpmo will notice it)\n",
        doing = kind.doing,
    ));
}

/// `on_unreachable: warn`.
pub(super) fn unjudged(kind: Kind, why: &str) {
    let Paint { warn, off, .. } = paint();
    // A push leaves nothing to judge later but its commits, which have hooks of
    // their own.
    let later = if kind.doing == "push" { "" } else { ", and will be when the governor is back" };
    write(&format!("kpmo: {warn}this {} was not judged{off}{later}\n    {why}\n", kind.doing));
}

/// Neither judged nor remembered; of the past, only not remembered.
pub(super) fn not_kept(kind: Kind, why: &str, error: &str) {
    let Paint { warn, off, .. } = paint();
    let what = if kind.is_past() { "not noted" } else { "neither judged nor noted" };
    let also = if error == why { String::new() } else { format!("    {error}\n") };
    write(&format!("kpmo: {warn}this {} was {what}{off}\n    {why}\n{also}", kind.doing));
}
