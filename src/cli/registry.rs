use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::{Format, Import, Registry},
    context::absolute,
    fields::as_json,
    names::plain,
    show::{self, counted, note, print, print_bytes, print_json, put_path},
};
use crate::{
    client::Endpoint,
    fs::{RealWriter, Writer, bytes_of, shown},
    generated::kanban::{
        ExportRegistryRequest, ImportRegistryRequest, ImportRegistryResponse, RegistryFinding,
        RegistryFormat, repo_registry_client::RepoRegistryClient,
    },
    governor::{self, CheckReport},
    registry::Problem,
};

/// What the governor takes of a predecessor's file; it says so itself.
const IMPORT_MAX: u64 = (1 << 20) + 1;

pub(super) fn run(context: &Context, command: &Registry) -> Result<u8, Failure> {
    match command {
        Registry::Import(options) => import(context, options),
        Registry::Check { file } => check(context, file.as_deref()),
        Registry::Export { format, force, file } => export(context, *format, *force, file.as_deref()),
    }
}

fn import(context: &Context, options: &Import) -> Result<u8, Failure> {
    let is_stdin = options.file.as_os_str() == "-";
    let file = if is_stdin { options.file.clone() } else { absolute(&options.file)? };
    let mut bytes = Vec::new();
    let read = if is_stdin {
        std::io::stdin().lock().take(IMPORT_MAX).read_to_end(&mut bytes)
    } else {
        fs::File::open(&file).and_then(|file| file.take(IMPORT_MAX).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::new(format!("cannot read {}: {error}", shown(&file))))?;
    let dry_run = options.dry_run;
    let request =
        ImportRegistryRequest { content: bytes, file: bytes_of(&file), dry_run, base_version: String::new() };
    let report = context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        Ok::<_, Failure>(client.import_registry(request).await?.into_inner())
    })?;
    if context.json {
        print_json(&import_json(&report, &file, dry_run));
    } else {
        tell_import(&report, &file, dry_run);
    }
    Ok(FINE)
}

fn import_json(report: &ImportRegistryResponse, file: &Path, dry_run: bool) -> Value {
    let skipped = report.skipped.iter().map(|skipped| {
        let mut object = Map::new();
        object.insert("name".into(), json!(skipped.name));
        put_path(&mut object, "local_path", &skipped.local_path);
        object.insert("line".into(), json!(skipped.line));
        object.insert("reason".into(), json!(skipped.reason));
        object
    });
    let findings = report.notes.iter().map(|note| {
        finding_json(
            file,
            &plain(note.rule().as_str_name(), "REGISTRY_RULE_"),
            "warn",
            Some(note.repo_name.as_str()).filter(|name| !name.is_empty()),
            (note.line as usize, note.column as usize),
            (&note.message, &note.fix),
        )
    });
    json!({
        "added": report.added.iter().map(as_json).collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "dry_run": dry_run,
        "diff": if dry_run { json!(report.diff) } else { Value::Null },
    })
}

fn tell_import(report: &ImportRegistryResponse, file: &Path, dry_run: bool) {
    let name = shown(file);
    for RegistryFinding { line, column, message, fix, repo_name, .. } in &report.notes {
        let owner = if repo_name.is_empty() { String::new() } else { format!("{repo_name}: ") };
        let fix = if fix.is_empty() { String::new() } else { format!(": {fix}") };
        note(&format!("kpmo: warning: {name}:{line}:{column}: {owner}{message}{fix}"));
    }
    for skipped in &report.skipped {
        note(&format!("kpmo: left: {name}:{}: {}: {}", skipped.line, skipped.name, skipped.reason));
    }
    if dry_run {
        print(&report.diff);
    }
    let (what, how) = if dry_run { ("would import", "would be left") } else { ("imported", "left") };
    let counted = |count: usize| counted(count as u64, "repository", "repositories");
    let mut text = format!("{what} {}", counted(report.added.len()));
    if !report.skipped.is_empty() {
        text.push_str(&format!("; {} {how} as registered", counted(report.skipped.len())));
    }
    if !dry_run && !report.added.is_empty() {
        text.push_str("; `kpmo install-hooks --all` is the next step");
    }
    // The diff alone goes to standard output, so that it can be piped.
    if dry_run { note(&text) } else { print(&format!("{text}\n")) }
}

/// Reads the file itself: a governor that serves its last good state is no help.
fn check(context: &Context, file: Option<&Path>) -> Result<u8, Failure> {
    let memory = file.is_none().then(|| governor::last_good(&context.home));
    let path = match file {
        None => context.home.config.join("repos.yml"),
        Some(file) => {
            fs::metadata(file)
                .map_err(|error| Failure::new(format!("cannot read {}: {error}", shown(file))))?;
            file.to_owned()
        }
    };
    let user = Endpoint::user(Endpoint::read(&context.home).as_ref());
    let report = governor::check_registry(&path, &user, memory).map_err(Failure::new)?;
    if context.json {
        let found = |severity: &'static str| {
            let path = path.clone();
            move |problem: &Problem| {
                finding_json(
                    &path,
                    problem.rule.as_str(),
                    severity,
                    problem.repo.as_deref(),
                    (problem.line, problem.column),
                    (&problem.message, &problem.fix),
                )
            }
        };
        let errors = report.errors.iter().map(found("error"));
        let findings: Vec<_> = errors.chain(report.warnings.iter().map(found("warn"))).collect();
        print_json(&json!({ "findings": findings, "left_out": report.left_out }));
    } else {
        tell_check(&report);
    }
    Ok(if report.errors.is_empty() { FINE } else { FINDINGS })
}

fn tell_check(report: &CheckReport) {
    let name = shown(&report.path);
    let mut text = String::new();
    for problem in &report.errors {
        text.push_str(&format!("{name}:{problem}\n"));
    }
    for problem in &report.warnings {
        let (line, column) = (problem.line, problem.column);
        text.push_str(&format!("{name}:{line}:{column}: warning: {}\n", problem.sentence()));
    }
    if report.left_out > 0 {
        text.push_str(&format!("and {} more\n", report.left_out));
    }
    let repos = counted(report.repos as u64, "repository", "repositories");
    let errors = report.errors.len() as u64;
    match (errors, report.warnings.len() as u64) {
        (0, 0) => text.push_str(&format!("{name}: {repos}, all in order\n")),
        (0, warnings) => {
            text.push_str(&format!("{name}: {repos}, {}\n", counted(warnings, "warning", "warnings")));
        }
        (errors, _) => text.push_str(&format!("{name}: {}\n", counted(errors, "error", "errors"))),
    }
    print(&text);
}

/// One finding, in the form that every check has. What a person would do is
/// never left open.
fn finding_json(
    path: &Path,
    rule: &str,
    severity: &str,
    repo: Option<&str>,
    (line, column): (usize, usize),
    (message, fix): (&str, &str),
) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("rule".into(), json!(rule));
    object.insert("severity".into(), json!(severity));
    object.insert("repo".into(), json!(repo));
    put_path(&mut object, "path", &bytes_of(path));
    object.insert("line".into(), json!(line));
    object.insert("column".into(), json!(column));
    object.insert("message".into(), json!(message));
    let fix = if fix.is_empty() { format!("edit line {line} of {}", shown(path)) } else { fix.to_owned() };
    object.insert("fix".into(), json!(fix));
    object
}

/// The file that is to be written, links followed, and its mode.
fn replaceable(context: &Context, file: PathBuf) -> Result<(PathBuf, u32), Failure> {
    let Ok(found) = fs::metadata(&file) else { return Ok((file, 0o600)) };
    let named = shown(&file);
    if !found.is_file() {
        return Err(Failure::new(format!(
            "{named} is no ordinary file; without FILE the registry goes to standard output"
        )));
    }
    let real = fs::canonicalize(&file)?;
    let own = context.home.config.join("repos.yml");
    if fs::canonicalize(own).is_ok_and(|own| own == real) {
        return Err(Failure::new(format!(
            "{named} is the registry itself, with what you wrote into it; export it to another file"
        )));
    }
    Ok((real, found.permissions().mode() & 0o7777))
}

fn export(context: &Context, format: Format, force: bool, file: Option<&Path>) -> Result<u8, Failure> {
    let format = match (format, context.json) {
        (Format::Json, _) | (_, true) => RegistryFormat::Json,
        (Format::Yaml, false) => RegistryFormat::Yaml,
    };
    let file = file.map(absolute).transpose()?;
    let is_there = file.as_ref().is_some_and(|file| file.symlink_metadata().is_ok());
    let file = file.map(|file| replaceable(context, file)).transpose()?;
    if let Some((file, _)) = file.as_ref().filter(|_| is_there && !force) {
        let shown = shown(file);
        return Err(Failure::new(format!("{shown} is there already; --force replaces it")));
    }
    let (text, error) = context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        let request = ExportRegistryRequest { format: format.into() };
        let mut pieces = client.export_registry(request).await?.into_inner();
        let (mut text, mut error) = (Vec::new(), String::new());
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            text.extend(piece.chunk);
            error.push_str(&piece.registry_error);
        }
        Ok::<_, Failure>((text, error))
    })?;
    if !error.is_empty() {
        note(&format!("kpmo: warning: the last good registry is exported: {error}"));
    }
    match file {
        None => print_bytes(&text),
        Some((file, mode)) => {
            RealWriter.write(&file, &text, mode)?;
            note(&format!("kpmo: written to {}", show::path(&bytes_of(&file))));
        }
    }
    Ok(FINE)
}
