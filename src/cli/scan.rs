use std::path::PathBuf;

use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::Scan,
    context::absolute,
    found::{left_out, register, stands_alone, tell},
    names, programs,
    show::{self, counted, note, print, print_json, progress, put_path},
    status,
};
use crate::{
    client::Connection,
    fs::{bytes_of, shown_bytes},
    generated::{
        kanban::{
            FoundOutcome, FoundPlace, RecognizeFoundRequest, RecognizeFoundResponse, RecognizedFound,
            RegisteredFound, repo_registry_client::RepoRegistryClient,
        },
        probe::{FoundRepo, TrackRequest, TrackWarning, probe_client::ProbeClient, track_response::Event},
    },
};

/// Warnings that are shown one by one.
const LISTED: usize = 5;

/// What a scan came to.
struct Scanned {
    /// In order of path.
    found: Vec<FoundRepo>,
    warnings: Vec<TrackWarning>,
    /// Directories read.
    directories: u64,
}

pub(super) fn run(context: &Context, options: &Scan) -> Result<u8, Failure> {
    let roots = roots(&options.roots)?;
    if options.register && !options.dry_run {
        programs::ensure(context);
    }
    context.block_on(async {
        let connection = context.governor().await?;
        status::tell_problems(connection.clone()).await?;
        let request = TrackRequest {
            roots: roots.iter().map(|root| bytes_of(root)).collect(),
            skip: options.skip.clone(),
            cross_file_systems: options.cross_file_systems,
        };
        let scanned = track(connection.clone(), request).await?;
        let registered = if options.register {
            let alone = scanned.found.iter().filter(|repo| stands_alone(repo.kind()));
            let paths = alone.map(|repo| repo.path.clone()).collect();
            register(connection.clone(), paths, options.dry_run).await?
        } else {
            Vec::new()
        };
        let recognized = recognize(connection, &scanned.found).await?;
        if context.json {
            print_json(&as_json(&scanned, &recognized, &registered));
        } else {
            show(&scanned, &recognized, options.register);
        }
        for found in &registered {
            tell(found, options.dry_run, context.json);
        }
        if options.register && !context.json {
            print(&came_to(&registered, options.dry_run));
        }
        Ok(if registered.iter().any(left_out) { FINDINGS } else { FINE })
    })
}

/// The directories to search: those given, else the user's home directory.
pub(super) fn roots(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if given.is_empty() {
        let home = std::env::home_dir()
            .ok_or_else(|| Failure::new("cannot tell your home directory; name the directories to search"))?;
        return Ok(vec![home]);
    }
    given.iter().map(|root| absolute(root)).collect()
}

async fn track(connection: Connection, request: TrackRequest) -> Result<Scanned, Failure> {
    let mut events = ProbeClient::new(connection).track(request).await?.into_inner();
    let bar = progress(None, "repositories found:");
    let mut scanned = Scanned { found: Vec::new(), warnings: Vec::new(), directories: 0 };
    while let Some(event) = events.next().await {
        match event?.event {
            Some(Event::Found(repo)) => {
                bar.inc(1);
                scanned.found.push(repo);
            }
            Some(Event::Warning(warning)) => scanned.warnings.push(warning),
            Some(Event::Progress(so_far)) => {
                bar.set_message(format!("{} directories searched, repositories found:", so_far.directories));
            }
            Some(Event::Summary(summary)) => scanned.directories = summary.directories,
            None => {}
        }
    }
    bar.finish_and_clear();
    scanned.found.sort_by(|a, b| a.path.cmp(&b.path));
    scanned.warnings.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scanned)
}

async fn recognize(connection: Connection, found: &[FoundRepo]) -> Result<RecognizeFoundResponse, Failure> {
    let place =
        |repo: &FoundRepo| FoundPlace { path: repo.path.clone(), common_dir: repo.common_dir.clone() };
    let request = RecognizeFoundRequest { places: found.iter().map(place).collect() };
    Ok(RepoRegistryClient::new(connection).recognize_found(request).await?.into_inner())
}

/// What a find is to the registry.
fn standing(found: &FoundRepo, known: &RecognizedFound) -> &'static str {
    match known {
        _ if !known.candidates.is_empty() => "unclear",
        _ if !known.moved_from.is_empty() => "moved",
        _ if !known.repo_name.is_empty() => "yes",
        _ if stands_alone(found.kind()) => "no",
        // It belongs to another repository.
        _ => "",
    }
}

fn as_json(scanned: &Scanned, known: &RecognizeFoundResponse, registered: &[RegisteredFound]) -> Value {
    let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let outcomes: std::collections::HashMap<&[u8], &RegisteredFound> =
        registered.iter().map(|found| (found.path.as_slice(), found)).collect();
    let found: Vec<Map<String, Value>> = scanned
        .found
        .iter()
        .zip(&known.places)
        .map(|(repo, known)| {
            let mut object = Map::new();
            put_path(&mut object, "path", &repo.path);
            object.insert("kind".into(), json!(names::repo_kind(repo.kind())));
            object.insert("registered".into(), json!(standing(repo, known) == "yes"));
            object.insert("name".into(), given(&known.repo_name));
            put_path(&mut object, "common_dir", &repo.common_dir);
            if !repo.parent.is_empty() {
                put_path(&mut object, "parent", &repo.parent);
            }
            if !known.moved_from.is_empty() {
                put_path(&mut object, "moved_from", &known.moved_from);
            }
            if !known.candidates.is_empty() {
                object.insert("candidates".into(), json!(known.candidates));
            }
            if let Some(outcome) = outcomes.get(repo.path.as_slice()) {
                let name = FoundOutcome::try_from(outcome.outcome).unwrap_or_default().as_str_name();
                object.insert("outcome".into(), json!(names::plain(name, "FOUND_OUTCOME_")));
                object.insert("error".into(), given(&outcome.error));
            }
            object
        })
        .collect();
    let warnings: Vec<Map<String, Value>> = scanned
        .warnings
        .iter()
        .map(|warning| {
            let mut object = Map::new();
            put_path(&mut object, "path", &warning.path);
            object.insert("message".into(), json!(warning.message));
            object
        })
        .collect();
    let vanished: Vec<Map<String, Value>> = known
        .vanished
        .iter()
        .map(|repo| {
            let mut object = Map::new();
            object.insert("id".into(), given(&repo.id));
            object.insert("name".into(), json!(repo.name));
            put_path(&mut object, "local_path", &repo.local_path);
            object
        })
        .collect();
    json!({
        "found": found, "warnings": warnings, "vanished": vanished, "directories": scanned.directories,
    })
}

/// What registering came to.
fn came_to(registered: &[RegisteredFound], dry_run: bool) -> String {
    let of = |wanted| registered.iter().filter(|found| found.outcome() == wanted).count();
    let (new, moved, left) = (of(FoundOutcome::Added), of(FoundOutcome::Moved), of(FoundOutcome::LeftOut));
    let would = if dry_run { "would be " } else { "" };
    let mut text = match new as u64 {
        0 if left == 0 && moved == 0 => return "nothing to register: all of it is known\n".to_owned(),
        0 => format!("nothing {}registered", if dry_run { "would be " } else { "was " }),
        count => format!("{} {would}registered", counted(count, "repository", "repositories")),
    };
    if moved > 0 {
        text.push_str(&format!(", {moved} {would}moved"));
    }
    if left > 0 {
        text.push_str(&format!("; {left} left out"));
    }
    text + "\n"
}

/// `registers`: it has just registered, or said what it would.
fn show(scanned: &Scanned, known: &RecognizeFoundResponse, registers: bool) {
    let mut text = String::new();
    let width = show::width();
    for (repo, known) in scanned.found.iter().zip(&known.places) {
        let standing = standing(repo, known);
        let line = format!("{:<9}  {standing:<10}  ", names::repo_kind(repo.kind()));
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(line.len()).max(16));
        let mut path = show::path(&repo.path);
        match standing {
            "moved" => {
                path.push_str(&format!(" ({}, from {})", known.repo_name, show::path(&known.moved_from)));
            }
            "unclear" => path.push_str(&format!(" (any of {}?)", known.candidates.join(", "))),
            _ => {}
        }
        text.push_str(&format!("{line}{}\n", show::fitted(&path, room)));
    }
    if !text.is_empty() {
        text.insert_str(0, "KIND       REGISTERED  PATH\n");
    }
    for repo in &known.vanished {
        let line = format!("vanished   yes         {} (of {})", show::path(&repo.local_path), repo.name);
        text.push_str(&format!("{}\n", show::fitted(&line, width.unwrap_or(usize::MAX))));
    }
    text.push_str(&counts(scanned, known, registers));
    print(&text);
    for warning in scanned.warnings.iter().take(LISTED) {
        note(&format!("kpmo: warning: {}: {}", shown_bytes(&warning.path), warning.message));
    }
    if scanned.warnings.len() > LISTED {
        note(&format!("kpmo: warning: and {} more (`--json` lists them)", scanned.warnings.len() - LISTED));
    }
}

fn counts(scanned: &Scanned, known: &RecognizeFoundResponse, registers: bool) -> String {
    let of = |wanted: &str| {
        let all = scanned.found.iter().zip(&known.places);
        all.filter(|(repo, known)| standing(repo, known) == wanted).count()
    };
    let mut parts = vec![format!("{} registered", of("yes")), format!("{} new", of("no"))];
    for (count, what) in
        [(of("moved"), "moved"), (of("unclear"), "unclear"), (known.vanished.len(), "vanished")]
    {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if !scanned.warnings.is_empty() {
        parts.push(counted(scanned.warnings.len() as u64, "warning", "warnings"));
    }
    let found = counted(scanned.found.len() as u64, "repository", "repositories");
    let places = counted(scanned.directories, "directory", "directories");
    let mut text = format!("{found} in {places}: {}\n", parts.join(", "));
    if of("no") + of("moved") > 0 && !registers {
        text.push_str("`kpmo scan --register` registers what is new, and follows what has moved\n");
    }
    if !known.vanished.is_empty() {
        text.push_str(
            "what has vanished is found again by a scan of where it is now; \
             `kpmo repo remove NAME` forgets it\n",
        );
    }
    text
}
