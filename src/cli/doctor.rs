use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::Doctor as Options,
    hooks, programs,
    show::{counted, note, print, print_json, put_path},
};
use crate::{
    fs::{RealWriter, bytes_of, shown},
    generated::kanban::{
        InstallHooksRequest, StatusRequest, governor_client::GovernorClient,
        repo_registry_client::RepoRegistryClient,
    },
    git::Location,
    governor::{Check, Doctor, Level, OPEN},
};

/// What is printed under one heading.
struct Part {
    heading: String,
    checks: Vec<Check>,
}

pub(super) fn run(context: &Context, options: &Options) -> Result<u8, Failure> {
    let mut parts = examine(context, options)?;
    if options.fix {
        mend(context, options, &parts)?;
        if !options.dry_run {
            parts = examine(context, options)?;
        }
    }
    if context.json {
        print_json(&as_json(&parts));
    } else {
        print(&as_text(&parts));
    }
    let wrong = |part: &Part| part.checks.iter().any(|check| check.level == Level::Error);
    Ok(if parts.iter().any(wrong) { FINDINGS } else { FINE })
}

fn examine(context: &Context, options: &Options) -> Result<Vec<Part>, Failure> {
    let doctor = Doctor::new(&context.home);
    let repo = match &options.repo {
        Some(selector) => Some(doctor.find(selector).ok_or_else(|| {
            Failure::new(format!(
                "{} is neither registered nor a path in a repository; `kpmo repo list` shows what is registered",
                selector.escape_debug()
            ))
        })?),
        None => here(),
    };
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let mut home = doctor.surroundings(&variables);
    home.extend(doctor.home());
    let governor = context.block_on(governor(context, &home));
    home.push(governor);
    if options.repo.is_none() {
        home.extend(doctor.fleet());
    }
    let of_repo = repo.map(|path| Part { heading: shown(&path), checks: doctor.repo(&path) });
    if let Some(part) = of_repo.as_ref().filter(|_| options.repo.is_some()) {
        // Asked about one, it is silent about the others.
        let name = part.checks.first().map_or("", |check| check.repo.as_str());
        home.retain(|check| check.repo.is_empty() || check.repo == name);
    }
    Ok([Part { heading: "kpmo".to_owned(), checks: home }].into_iter().chain(of_repo).collect())
}

/// The repository around the current directory.
fn here() -> Option<PathBuf> {
    let directory = std::env::current_dir().ok()?;
    Location::discover(&directory).ok().map(|location| location.main_path())
}

/// Whether a governor answers, and what it says is wrong that is not `known`.
async fn governor(context: &Context, known: &[Check]) -> Check {
    let fix = "`kpmo governor restart --force` ends it and starts another";
    let connection = match context.running().await {
        Ok(Some(connection)) => connection,
        Ok(None) => return Check::fine("governor", "no governor runs; the next hook starts it"),
        Err(failure) => return Check::error("governor", failure.message(), fix),
    };
    let now = match GovernorClient::new(connection).status(StatusRequest {}).await {
        Ok(now) => now.into_inner(),
        Err(status) => return Check::error("governor", status.message(), fix),
    };
    if now.version != env!("CARGO_PKG_VERSION") {
        let said = format!(
            "the governor is of version {}, and this kpmo of {}",
            now.version,
            env!("CARGO_PKG_VERSION")
        );
        return Check::error("governor", said, "run `kpmo up` with the newer one");
    }
    let is_file = |check: &&Check| matches!(check.rule, "registry" | "policy" | "settings");
    let wrong = known.iter().filter(is_file).filter(|check| check.level == Level::Error);
    let files: Vec<String> = wrong.filter_map(|check| check.path.as_deref().map(shown)).collect();
    let mut problems = now.problems;
    problems.retain(|problem| !files.iter().any(|file| problem.contains(file)));
    if !problems.is_empty() {
        return Check::error("governor", problems.join("; "), "mend that; it is noticed at once");
    }
    Check::fine("governor", format!("the governor answers (pid {}, version {})", now.pid, now.version))
}

/// Takes away from others what they may do in directories of the home; whether there
/// was any.
fn close(options: &Options, parts: &[Part]) -> Result<bool, Failure> {
    let open = parts.iter().flat_map(|part| &part.checks).filter(|check| check.rule == OPEN);
    let mut mended = false;
    for path in open.filter_map(|check| check.path.as_deref()) {
        let would = if options.dry_run { "would be yours alone" } else { "is yours alone" };
        if !options.dry_run {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        note(&format!("{} {would}", shown(path)));
        mended = true;
    }
    Ok(mended)
}

/// Mends what is safe, and has the governor put hooks in place where they are not.
fn mend(context: &Context, options: &Options, parts: &[Part]) -> Result<(), Failure> {
    let mut mended = close(options, parts)?;
    // Not those of another version: this one may be the older.
    let runs = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    let home = &context.home;
    if home.state.is_dir() && !(runs(&home.hook_program()) && runs(&home.bin.join("kpmo"))) {
        let would = if options.dry_run { "would be put there anew" } else { "are put there anew" };
        if !options.dry_run {
            programs::install(&context.home, &RealWriter)?;
        }
        note(&format!("the programs in {} {would}", shown(&context.home.bin)));
        mended = true;
    }
    let wrong = parts.iter().flat_map(|part| &part.checks);
    let mut repos: Vec<&str> = wrong
        .filter(|check| check.rule == "hooks" && check.level == Level::Error && !check.repo.is_empty())
        .map(|check| check.repo.as_str())
        .collect();
    repos.sort_unstable();
    repos.dedup();
    // What is not registered is called by its path, and has no hooks to mend.
    repos.retain(|repo| !repo.starts_with('/'));
    if repos.is_empty() {
        if !mended {
            note("nothing that can be mended without you is wrong");
        }
        return Ok(());
    }
    context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        for repo in repos {
            let request = InstallHooksRequest {
                selectors: vec![repo.to_owned()],
                all: false,
                dry_run: options.dry_run,
                ..InstallHooksRequest::default()
            };
            let mut answers = client.install_hooks(request).await?.into_inner();
            while let Some(answer) = answers.next().await {
                let Some(done) = answer?.hooks else { continue };
                let would = if options.dry_run { "would be put in place" } else { "are put in place" };
                let outcome = if done.error.is_empty() { would } else { done.error.as_str() };
                note(&format!("{}: hooks {outcome}", done.repo_name));
                for line in done.changes.iter().map(hooks::describe).filter(|line| !line.is_empty()) {
                    note(line.trim_end());
                }
            }
        }
        Ok(())
    })
}

fn as_text(parts: &[Part]) -> String {
    let paint = |colour: anstyle::AnsiColor| anstyle::Style::new().bold().fg_color(Some(colour.into()));
    let mut text = String::new();
    for part in parts {
        text.push_str(&format!("{}\n", part.heading));
        for (at, check) in part.checks.iter().enumerate() {
            let (colour, mark) = match check.level {
                Level::Fine => (anstyle::AnsiColor::Green, '✓'),
                Level::Warn => (anstyle::AnsiColor::Yellow, '!'),
                Level::Error => (anstyle::AnsiColor::Red, '✗'),
            };
            let style = paint(colour);
            // What is said of many repositories names each.
            let named = !check.repo.is_empty() && part.heading == "kpmo";
            let repo = if named { format!("{}: ", check.repo) } else { String::new() };
            text.push_str(&format!("  {style}{mark}{style:#} {repo}{}\n", check.message));
            let next = part.checks.get(at + 1);
            let goes_on = next.is_some_and(|next| (&next.fix, &next.repo) == (&check.fix, &check.repo));
            if !check.fix.is_empty() && !goes_on {
                text.push_str(&format!("      fix: {}\n", check.fix));
            }
        }
    }
    let count = |level| {
        parts.iter().flat_map(|part| &part.checks).filter(|check| check.level == level).count() as u64
    };
    let errors = counted(count(Level::Error), "thing is wrong", "things are wrong");
    let warnings = counted(count(Level::Warn), "warning", "warnings");
    text.push_str(&format!("{errors}, {warnings}\n"));
    text
}

/// Findings as every command has them, and beside them all that was looked at.
fn as_json(parts: &[Part]) -> Value {
    let checks = || parts.iter().flat_map(|part| &part.checks);
    let findings: Vec<_> = checks().filter(|check| check.level != Level::Fine).map(one).collect();
    let looked_at: Vec<_> = checks()
        .map(|check| {
            let mut object = one(check);
            object.remove("severity");
            object.remove("fix");
            object.insert("ok".into(), json!(check.level == Level::Fine));
            object
        })
        .collect();
    json!({ "findings": findings, "checks": looked_at })
}

fn one(check: &Check) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("rule".into(), json!(check.rule));
    object.insert("severity".into(), json!(if check.level == Level::Error { "error" } else { "warn" }));
    object.insert("repo".into(), if check.repo.is_empty() { Value::Null } else { json!(check.repo) });
    match &check.path {
        Some(path) => put_path(&mut object, "path", &bytes_of(path)),
        None => {
            object.insert("path".into(), Value::Null);
        }
    }
    object.insert("line".into(), if check.line == 0 { Value::Null } else { json!(check.line) });
    object.insert("message".into(), json!(check.message));
    object.insert("fix".into(), json!(check.fix));
    object
}
