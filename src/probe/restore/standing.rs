//! What is at the places that are to be taken, and whether it may be replaced.

use std::{
    fs, io,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    Order, RestoreError,
    ask::{ignored_in, state, unfinished},
    plan::Plan,
    verify,
};
use crate::{
    fs::{IoContext, shown},
    git::{Git, Location},
    probe::{
        RepoKind, TrackOptions, Tracked,
        store::{NodeKind, Snapshot, Store},
        track,
    },
};

/// Refuses to replace what may not be replaced; notes what must come over from
/// it, and leaves out of the plan what is already as it is to be. Returns what
/// there is to be said.
pub(super) fn judge(
    store: &dyn Store,
    git: &Git,
    order: &Order<'_>,
    plan: &mut Plan,
) -> Result<Vec<String>, RestoreError> {
    let mut warnings = Vec::new();
    let main = if plan.is_partial && !plan.is_copy { top(order)? } else { plan.units[0].place.clone() };
    outside_git_dirs(&main)?;
    let mut index = 0;
    while index < plan.units.len() {
        let place = plan.units[index].place.clone();
        if plan.is_partial && !plan.is_copy {
            no_links_between(&main, &place)?;
        }
        let Some(meta) = look(&place)? else {
            index += 1;
            continue;
        };
        is_ours_to_move(&place, &meta)?;
        if plan.is_copy {
            if !meta.is_dir() || !is_empty(&place)? {
                let why = "it is not an empty directory; name one that is absent or empty".into();
                return Err(RestoreError::Target { path: place, why });
            }
        } else if plan.is_partial {
            if is_as_wanted(store, plan, index)? {
                drop_unit(plan, index);
                continue;
            }
            single(git, order, plan, index, &main, &mut warnings)?;
        } else {
            if !meta.is_dir() {
                let what = if meta.is_symlink() { "a symbolic link" } else { "not a directory" };
                let why = format!("it is {what}; move it away, or restore elsewhere with --to DIR");
                return Err(RestoreError::Target { path: place, why });
            }
            if index > 0 && Location::at(&place).is_err() && is_as_wanted(store, plan, index)? {
                // A linked work tree that has lost its repository.
                drop_unit(plan, index);
                continue;
            }
            if !is_empty(&place)? {
                whole(git, order, plan, index, &mut warnings)?;
            }
        }
        index += 1;
    }
    Ok(warnings)
}

/// Where the repository is whose paths are restored.
fn top(order: &Order<'_>) -> Result<PathBuf, RestoreError> {
    match &order.target {
        super::Target::Original { main } | super::Target::Directory(main) => super::plan::real(main),
    }
}

/// A repository, or a part of one, that is to be replaced as a whole.
fn whole(
    git: &Git,
    order: &Order<'_>,
    plan: &mut Plan,
    index: usize,
    warnings: &mut Vec<String>,
) -> Result<(), RestoreError> {
    let place = plan.units[index].place.clone();
    let mut reasons = Vec::new();
    let found = repositories(&place);
    let is_git_dir = Location::at(&place).is_ok_and(|it| it.work_tree.as_ref() != Some(&place));
    if is_git_dir && index > 0 {
        reasons.extend(unfinished(&place));
        if look(&plan.units[0].place)?.is_none() {
            reasons.push(format!("it is there, although {} is not", shown(&plan.units[0].place)));
        }
    } else if !found.contains(&place) {
        reasons.push("it is not a git repository".to_owned());
    }
    let roots = roots_below(&place, order.snapshot, order.present);
    let mut ignored: Vec<PathBuf> = Vec::new();
    let mut work_trees = Vec::new();
    for path in found {
        let is_root = path == place || roots.contains(&path);
        if !is_root && ignored.iter().any(|ignored| path.starts_with(ignored)) {
            // It comes over with the ignored directory that it is in.
            continue;
        }
        match Location::at(&path).and_then(|location| state(git, &location, &[])) {
            Ok(state) if path == place => reasons.extend(state),
            Ok(state) => {
                let within = shown(path.strip_prefix(&place).unwrap_or(&path));
                reasons.extend(state.into_iter().map(|reason| format!("in {within} {reason}")));
            }
            Err(error) => reasons.push(format!("the state of {} can't be told ({error})", shown(&path))),
        }
        if index > 0 && path == place && !is_of_plan(&path, plan) {
            reasons.push("it belongs to another repository now".to_owned());
        }
        match Location::at(&path).and_then(|location| ignored_in(git, &location)) {
            Ok(more) => ignored.extend(more),
            Err(error) => warnings.push(format!(
                "what git ignores in {} could not be asked ({error}); none of it comes over",
                shown(&path)
            )),
        }
        work_trees.push(path);
    }
    let unit = &mut plan.units[index];
    unit.ignored = relative(&ignored, &place);
    unit.left = relative(&roots, &place);
    unit.work_trees = work_trees;
    if reasons.is_empty() || order.force {
        return Ok(());
    }
    Err(RestoreError::Dirty { path: place, reasons })
}

/// A file or directory of a work tree that is to be replaced.
fn single(
    git: &Git,
    order: &Order<'_>,
    plan: &mut Plan,
    index: usize,
    main: &Path,
    warnings: &mut Vec<String>,
) -> Result<(), RestoreError> {
    let place = plan.units[index].place.clone();
    let mut reasons = Vec::new();
    let inner = repositories(&place);
    // The work tree that it is in comes first.
    let around = place.ancestors().skip(1).take_while(|dir| dir.starts_with(main));
    let around = around.into_iter().find(|dir| dir.join(".git").symlink_metadata().is_ok());
    let mut ignored: Vec<PathBuf> = Vec::new();
    let mut work_trees = Vec::new();
    for path in around.map(Path::to_path_buf).into_iter().chain(inner) {
        if ignored.iter().any(|ignored| path.starts_with(ignored)) {
            continue;
        }
        let only: &[PathBuf] = if place.starts_with(&path) { std::slice::from_ref(&place) } else { &[] };
        let location = Location::at(&path);
        match location
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|location| state(git, location, only).map_err(|error| error.to_string()))
        {
            Ok(state) => reasons.extend(state),
            Err(error) => reasons.push(format!("the state of {} can't be told ({error})", shown(&path))),
        }
        match location.and_then(|location| ignored_in(git, &location)) {
            Ok(more) => ignored.extend(more),
            Err(error) => warnings.push(format!(
                "what git ignores in {} could not be asked ({error}); none of it comes over",
                shown(&path)
            )),
        }
        work_trees.push(path);
    }
    if work_trees.is_empty() {
        reasons.push("it is in no git repository".to_owned());
    }
    let unit = &mut plan.units[index];
    unit.ignored = relative(&ignored, &place);
    unit.left = relative(&roots_below(&place, order.snapshot, order.present), &place);
    unit.work_trees = work_trees;
    if reasons.is_empty() || order.force {
        return Ok(());
    }
    Err(RestoreError::Dirty { path: place, reasons })
}

/// Repositories at and beneath `place`, outer ones first.
fn repositories(place: &Path) -> Vec<PathBuf> {
    let found = Mutex::new(Vec::new());
    track(&[place.to_path_buf()], &TrackOptions::default(), &|tracked| {
        if let Tracked::Found(one) = tracked
            // Beneath another there are none but fixtures, and git's own.
            && (one.kind != RepoKind::Bare || one.path == place)
            && one.path.starts_with(place)
        {
            found.lock().unwrap_or_else(PoisonError::into_inner).push(one.path);
        }
        ControlFlow::Continue(())
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort();
    found
}

/// Roots of snapshots that are beneath `place`.
fn roots_below(place: &Path, snapshot: &Snapshot, present: Option<&Snapshot>) -> Vec<PathBuf> {
    let roots = [Some(snapshot), present].into_iter().flatten().flat_map(|one| &one.draft.roots);
    let mut below: Vec<PathBuf> =
        roots.filter(|root| root.starts_with(place) && *root != place).cloned().collect();
    below.sort();
    below.dedup();
    below
}

/// The paths beneath `base`, relative to it.
fn relative(paths: &[PathBuf], base: &Path) -> Vec<PathBuf> {
    let mut below: Vec<PathBuf> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(base).ok())
        .filter(|path| !path.as_os_str().is_empty())
        .map(Path::to_path_buf)
        .collect();
    below.sort();
    below
}

/// Whether a work tree belongs to a repository that is restored.
fn is_of_plan(work_tree: &Path, plan: &Plan) -> bool {
    Location::at(work_tree).is_ok_and(|location| {
        let places = plan.survey.git_dirs.iter().filter_map(|git_dir| plan.place(git_dir));
        places.into_iter().any(|place| place == location.common_dir)
    })
}

/// Whether a unit is there already, as the snapshot has it; what is there
/// besides does not matter.
fn is_as_wanted(store: &dyn Store, plan: &Plan, index: usize) -> Result<bool, RestoreError> {
    let mut parts = plan.parts.iter().filter(|part| part.unit == index);
    let (Some(part), None) = (parts.next(), parts.next()) else { return Ok(false) };
    let place = &plan.units[index].place;
    let differences = match &part.node.kind {
        NodeKind::Directory(tree) if place.is_dir() => verify::verify(store, tree, place, &|_, _| true)?,
        NodeKind::Directory(_) => return Ok(false),
        _ => verify::verify_one(store, &part.node, place)?,
    };
    let besides = |it: &verify::Difference| it.what == verify::Mismatch::Extra && !plan.is_partial;
    Ok(differences.iter().all(besides))
}

fn drop_unit(plan: &mut Plan, index: usize) {
    plan.units.remove(index);
    plan.parts.retain(|part| part.unit != index);
    for part in &mut plan.parts {
        part.unit -= usize::from(part.unit > index);
    }
}

fn look(path: &Path) -> Result<Option<fs::Metadata>, RestoreError> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error).at("look at", path).map_err(Into::into),
    }
}

fn is_empty(dir: &Path) -> Result<bool, RestoreError> {
    Ok(fs::read_dir(dir).at("read the directory", dir)?.next().is_none())
}

/// Refuses a place inside a repository's own directory.
fn outside_git_dirs(place: &Path) -> Result<(), RestoreError> {
    let is_git_dir = |dir: &Path| {
        dir.file_name().is_some_and(|name| name == ".git")
            || (dir.join("HEAD").symlink_metadata().is_ok() && dir.join("objects").is_dir())
    };
    match place.ancestors().skip(1).find(|dir| is_git_dir(dir)) {
        Some(dir) => Err(RestoreError::Target {
            path: place.into(),
            why: format!("{} is a git directory; restore elsewhere with --to DIR", shown(dir)),
        }),
        None => Ok(()),
    }
}

/// Refuses a place that is reached through something else than directories.
fn no_links_between(main: &Path, place: &Path) -> Result<(), RestoreError> {
    let between = place.ancestors().skip(1).take_while(|dir| dir.starts_with(main));
    for dir in between {
        if look(dir)?.is_some_and(|meta| !meta.is_dir()) {
            let why = format!("{} is not a directory now; restore that, or use --to DIR", shown(dir));
            return Err(RestoreError::Target { path: place.into(), why });
        }
    }
    Ok(())
}

/// Refuses a place that a file system is mounted on: it can't be exchanged.
fn is_ours_to_move(place: &Path, meta: &fs::Metadata) -> Result<(), RestoreError> {
    let above = place.parent().unwrap_or(Path::new("/"));
    let around = fs::metadata(above).at("look at", above)?;
    if meta.dev() == around.dev() {
        return Ok(());
    }
    let why = "a file system is mounted there; restore elsewhere with --to DIR".into();
    Err(RestoreError::Target { path: place.into(), why })
}
