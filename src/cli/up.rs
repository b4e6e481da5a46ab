use std::{
    collections::HashSet,
    fs,
    io::{BufRead, IsTerminal},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde_json::json;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::{Force, Up},
    found::{left_out, register, tell as tell_found},
    governor, programs,
    scan::roots,
    show::{self, note, print, print_json, progress},
    status,
};
use crate::{
    client::Endpoint,
    daemon,
    fs::{Change, DryRun, RealWriter, bytes_of, shown, shown_bytes},
    generated::kanban::{
        FoundPlace, RecognizeFoundRequest, StatusRequest, governor_client::GovernorClient,
        repo_registry_client::RepoRegistryClient,
    },
    git::{self, Git, GitError, Location},
    governor::last_good,
    policy::load_settings,
    probe::{
        RepoKind, TrackOptions, Tracked,
        store::{RusticStore, StoreOptions},
        track,
    },
    registry::Registry,
};

/// What `kpmo up` is about to do.
struct Plan {
    /// Repositories, each by its path.
    repos: Vec<PathBuf>,
    /// Linked work trees and submodules: they belong to another repository, and may be
    /// registered all the same.
    attached: Vec<FoundPlace>,
    /// Directories that could not be searched.
    warnings: Vec<(PathBuf, String)>,
}

pub(super) fn run(context: &Context, options: &Up) -> Result<u8, Failure> {
    let roots = roots(&options.roots)?;
    let asks = options.roots.is_empty() && !options.yes && !options.dry_run;
    if asks && !std::io::stdin().is_terminal() {
        return Err(Failure::new(format!(
            "without a ROOT `kpmo up` searches {} and installs hooks in every repository there; \
             to agree without a terminal add --yes, to see the plan --dry-run",
            shown(&roots[0])
        )));
    }
    for root in &roots {
        if !root.is_dir() {
            return Err(Failure::new(format!("{} is no directory to search", shown(root))));
        }
    }
    // Before anything is made: its path may be too long.
    context.socket()?;
    let plan = plan(context, &roots);
    if options.dry_run {
        return dry_run(context, &plan);
    }
    if asks {
        tell(context, &Outlook::of(context, &plan));
        if !agreed()? {
            note("nothing was done");
            return Ok(FINDINGS);
        }
    }
    carry_out(context, &plan)
}

/// Looks for repositories with nothing but reading: there may be no governor
/// yet, and in a dry run there must be none.
fn plan(context: &Context, roots: &[PathBuf]) -> Plan {
    let settings = load_settings(&context.home.config.join("governor.yml")).unwrap_or_default();
    let options = TrackOptions {
        skip: settings.scan.skip.clone(),
        cross_file_systems: settings.scan.cross_file_systems,
        ..TrackOptions::default()
    };
    let bar = progress(None, "repositories found:");
    let plan = Mutex::new(Plan { repos: Vec::new(), attached: Vec::new(), warnings: Vec::new() });
    track(roots, &options, &|tracked| {
        let mut plan = plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match tracked {
            Tracked::Found(found) if matches!(found.kind, RepoKind::Linked | RepoKind::Submodule) => {
                let (path, common_dir) = (bytes_of(&found.path), bytes_of(&found.common_dir));
                plan.attached.push(FoundPlace { path, common_dir });
            }
            Tracked::Found(found) => {
                bar.inc(1);
                plan.repos.push(found.path);
            }
            Tracked::Warning { path, message } => plan.warnings.push((path, message)),
            Tracked::Progress(so_far) => {
                bar.set_message(format!("{} directories searched, repositories found:", so_far.directories));
            }
        }
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let mut plan = plan.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    plan.repos.sort();
    plan
}

/// What is likely to become of the repositories that were found.
struct Outlook<'a> {
    new: Vec<&'a PathBuf>,
    registered: Vec<&'a PathBuf>,
    /// Of other owners, and not declared safe.
    refused: Vec<&'a PathBuf>,
}

impl<'a> Outlook<'a> {
    /// Reads the registry, and asks nobody: in a dry run no governor is started.
    fn of(context: &Context, plan: &'a Plan) -> Self {
        let home = &context.home;
        let user = Endpoint::user(Endpoint::read(home).as_ref());
        let registry = Registry::open(home.config.join("repos.yml"), home.state.join("repos.lock"), user);
        let document = registry.recalling(last_good(home)).view().document;
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let known: HashSet<PathBuf> = document.repos.iter().map(|repo| real(&repo.local_path)).collect();
        let git = Git::default();
        let mut outlook = Self { new: Vec::new(), registered: Vec::new(), refused: Vec::new() };
        for repo in &plan.repos {
            let list = if known.contains(&real(repo)) {
                &mut outlook.registered
            } else if Location::at(repo)
                .is_ok_and(|location| matches!(git::open(&git, &location), Err(GitError::Owner { .. })))
            {
                &mut outlook.refused
            } else {
                &mut outlook.new
            };
            list.push(repo);
        }
        outlook
    }
}

fn tell(context: &Context, outlook: &Outlook<'_>) {
    let mut text = format!(
        "kpmo up would use these places:\n  config {}\n  state  {}\n",
        shown(&context.home.config),
        shown(&context.home.state)
    );
    let mut list = |doing: &str, repos: &[&PathBuf]| {
        if !repos.is_empty() {
            let count = show::counted(repos.len() as u64, "repository", "repositories");
            text.push_str(&format!("{doing} {count}:\n"));
            for repo in repos {
                text.push_str(&format!("  {}\n", show::path(&bytes_of(repo))));
            }
        }
    };
    list("and register, and install hooks in,", &outlook.new);
    list("and see to the hooks of, as registered already,", &outlook.registered);
    list("and leave out, as git does for who does not own them,", &outlook.refused);
    text.push_str("No tracked file is changed; `kpmo down` takes the hooks away again.\n");
    print(&text);
}

fn agreed() -> Result<bool, Failure> {
    note("Go on? [y/N]");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn dry_run(context: &Context, plan: &Plan) -> Result<u8, Failure> {
    let writer = DryRun::default();
    daemon::prepare(&context.home, &writer)?;
    programs::install(&context.home, &writer)?;
    let creates: Vec<String> = writer
        .changes()
        .iter()
        .filter_map(|change| match change {
            Change::CreateDir(path) | Change::Write(path, _) => Some(shown(path)),
            _ => None,
        })
        .collect();
    let outlook = Outlook::of(context, plan);
    if context.json {
        let list = |repos: &[&PathBuf]| repos.iter().map(|repo| shown(repo)).collect::<Vec<_>>();
        print_json(&json!({
            "dry_run": true, "would_create": creates, "would_register": list(&outlook.new),
            "registered": list(&outlook.registered), "would_leave_out": list(&outlook.refused),
        }));
        return Ok(FINE);
    }
    tell(context, &outlook);
    if !creates.is_empty() {
        print(&format!("It would create:\n  {}\n", creates.join("\n  ")));
    }
    Ok(FINE)
}

fn carry_out(context: &Context, plan: &Plan) -> Result<u8, Failure> {
    // As the governor has it: what is made here is the user's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    daemon::prepare(&context.home, &RealWriter)?;
    if programs::install(&context.home, &RealWriter)? {
        // What runs is the program from before.
        governor::stop(context, Force { force: false })?;
    }
    let mut failed = 0;
    // Deriving a key for the store takes more memory than the governor has at any
    // other time; this process is gone in a moment.
    if let Err(error) = RusticStore::open(&context.home.probe, StoreOptions::default()) {
        failed += 1;
        note(&format!("kpmo: warning: there will be no snapshots: {error}"));
    }
    let (states, waiting) = context.block_on(async {
        let connection = context.governor().await?;
        status::tell_problems(connection.clone()).await?;
        let mut paths: Vec<_> = plan.repos.iter().map(|repo| bytes_of(repo)).collect();
        let request = RecognizeFoundRequest { places: plan.attached.clone() };
        let known = RepoRegistryClient::new(connection.clone()).recognize_found(request).await?.into_inner();
        let registered = plan
            .attached
            .iter()
            .zip(&known.places)
            .filter(|(_, known)| !known.repo_name.is_empty() && known.moved_from.is_empty());
        paths.extend(registered.map(|(place, _)| place.path.clone()));
        for found in register(connection.clone(), paths, false).await? {
            failed += found.warnings.len() + usize::from(left_out(&found));
            tell_found(&found, false, context.json);
        }
        let states = status::fleet(connection.clone(), Vec::new()).await?;
        let now = GovernorClient::new(connection).status(StatusRequest {}).await?.into_inner();
        Ok::<_, Failure>((states, now.snapshots_waiting))
    })?;
    for (path, message) in plan.warnings.iter().take(5) {
        note(&format!("kpmo: warning: {}: {message}", shown_bytes(&bytes_of(path))));
    }
    if plan.warnings.len() > 5 {
        let left = plan.warnings.len() - 5;
        note(&format!("kpmo: warning: and {left} more directories (`kpmo scan --json` lists them)"));
    }
    status::show_fleet(context, states);
    if waiting > 0 {
        note(&format!(
            "snapshots of {} are being taken in the background; `kpmo governor status` \
             tells how far they have come, `kpmo snapshot --all` waits for them",
            show::counted(waiting.into(), "repository", "repositories")
        ));
    }
    Ok(if failed == 0 { FINE } else { FINDINGS })
}
