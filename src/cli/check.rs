use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::{self, Scope},
    context::absolute,
    names::plain,
    selectors::selectors,
    show::{counted, note, print, print_json, progress, put_path},
};
use crate::{
    fs::shown_bytes,
    generated::kanban::{
        CheckDone, CheckRequest, CheckResponse, CheckScope, Finding, Severity, check_response::Event,
        context_check_client::ContextCheckClient,
    },
};

/// Exit status where a repository could not be checked.
const FAILED: u8 = 2;

/// What has come of it so far.
#[derive(Default)]
struct Outcome {
    findings: Vec<Value>,
    errors: u64,
    /// Of the repository that is being checked.
    here: u64,
    failed: bool,
}

pub(super) fn run(context: &Context, options: &args::Check) -> Result<u8, Failure> {
    let request = request(options)?;
    let outcome = context.block_on(check(context, request))?;
    if context.json {
        print_json(&json!({ "findings": outcome.findings }));
    }
    Ok(match outcome {
        Outcome { errors: 1.., .. } => FINDINGS,
        Outcome { failed: true, .. } => FAILED,
        _ => FINE,
    })
}

fn request(options: &args::Check) -> Result<CheckRequest, Failure> {
    let Scope { range, all_files, staged: _ } = &options.scope;
    let scope = match range {
        Some(_) => CheckScope::Range,
        None if *all_files => CheckScope::AllFiles,
        None => CheckScope::Staged,
    };
    let mut selectors = selectors(&options.repos)?;
    if selectors.is_empty() && !options.all {
        selectors.push(absolute(Path::new("."))?.to_string_lossy().into_owned());
    }
    let range = range.clone().unwrap_or_default();
    Ok(CheckRequest { selectors, all: options.all, scope: scope.into(), range })
}

async fn check(context: &Context, request: CheckRequest) -> Result<Outcome, Failure> {
    let mut client = ContextCheckClient::new(context.governor().await?);
    let mut answers = client.check(request).await?.into_inner();
    let bar = progress(Some(0), "checking");
    let mut outcome = Outcome::default();
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        bar.set_length(u64::from(answer.total));
        bar.set_message(answer.repo_name.clone());
        let is_last = !matches!(answer.event, Some(Event::Findings(_)) | None);
        bar.suspend(|| outcome.take(context, answer));
        if is_last {
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(outcome)
}

impl Outcome {
    fn take(&mut self, context: &Context, answer: CheckResponse) {
        let name = &answer.repo_name;
        match answer.event {
            None => {}
            Some(Event::Findings(some)) => {
                for finding in some.findings {
                    self.here += 1;
                    self.errors += u64::from(finding.severity() == Severity::Error);
                    if context.json {
                        self.findings.push(as_json(name, &finding));
                    } else {
                        print(&shown(name, &finding));
                    }
                }
            }
            Some(Event::Done(done)) => {
                let found = std::mem::take(&mut self.here);
                if !context.json {
                    print(&summary(name, &done, found));
                }
            }
            Some(Event::Failed(failure)) => {
                self.here = 0;
                self.failed = true;
                note(&format!("kpmo: error: {name}: {}", failure.message));
            }
        }
    }
}

fn summary(name: &str, done: &CheckDone, found: u64) -> String {
    let found = if found == 0 { "no findings".to_owned() } else { counted(found, "finding", "findings") };
    let files = counted(done.files, "changed file", "changed files");
    let commits = match done.commits {
        0 => String::new(),
        commits => format!(" of {}", counted(commits, "commit", "commits")),
    };
    format!("{name}: {found} in {files}{commits}\n")
}

fn as_json(repo: &str, finding: &Finding) -> Value {
    let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let mut object = Map::new();
    object.insert("rule".into(), json!(rule(finding)));
    object.insert("severity".into(), json!(plain(finding.severity().as_str_name(), "SEVERITY_")));
    object.insert("repo".into(), json!(repo));
    object.insert("path".into(), Value::Null);
    if !finding.path.is_empty() {
        put_path(&mut object, "path", &finding.path);
    }
    object.insert("line".into(), if finding.line == 0 { Value::Null } else { json!(finding.line) });
    object.insert("message".into(), json!(finding.message));
    object.insert("fix".into(), json!(finding.fix));
    object.insert("way_around".into(), json!(finding.way_around));
    object.insert("fingerprint".into(), given(&finding.fingerprint));
    object.insert("commit".into(), given(&finding.commit));
    Value::Object(object)
}

/// As `policy.yml` names it.
fn rule(finding: &Finding) -> String {
    plain(finding.rule().as_str_name(), "RULE_")
}

/// As the hook shows it.
fn shown(repo: &str, finding: &Finding) -> String {
    let (colour, severity) = match finding.severity() {
        Severity::Error => (AnsiColor::Red, "error"),
        _ => (AnsiColor::Yellow, "warning"),
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let strong = Style::new().bold();
    let mut place = match (finding.path.is_empty(), finding.line) {
        (true, _) => String::new(),
        (false, 0) => format!(" {}", shown_bytes(&finding.path)),
        (false, line) => format!(" {}:{line}", shown_bytes(&finding.path)),
    };
    if let Some(commit) = finding.commit.get(..10) {
        place.push_str(&format!(" (commit {commit})"));
    }
    let escaped = |text: &str| shown_bytes(text.as_bytes());
    let mut text = format!(
        "{}: {style}{severity}{style:#} {strong}{}{strong:#}{place}\n    {}\n",
        escaped(repo),
        rule(finding),
        escaped(&finding.message)
    );
    for (label, words) in [("fix:   ", &finding.fix), ("around:", &finding.way_around)] {
        if !words.is_empty() {
            text.push_str(&format!("    {label} {}\n", escaped(words)));
        }
    }
    if !finding.fingerprint.is_empty() {
        text.push_str(&format!("    fingerprint: {}\n", escaped(&finding.fingerprint)));
    }
    text
}
