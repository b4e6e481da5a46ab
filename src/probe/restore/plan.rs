//! What of a snapshot goes where.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use super::{
    Order, RestoreError, Target,
    content::{self, Survey},
    journal::Unit,
};
use crate::{
    fs::{IoContext, path_from, shown},
    probe::store::{Node, NodeKind, Store, TreeId},
};

/// What of a snapshot goes where.
#[derive(Debug)]
pub(super) struct Plan {
    /// What takes a place, each at once. The main root's comes first.
    pub units: Vec<Unit>,
    /// What they are made of, in the order in which they are made.
    pub parts: Vec<Part>,
    /// Object directories that others are borrowed from: path and content.
    pub alternates: Vec<(PathBuf, TreeId)>,
    /// What there is in all parts.
    pub survey: Survey,
    /// It is a copy, which must have nothing to do with the original.
    pub is_copy: bool,
    /// Single paths, and nothing of git's.
    pub is_partial: bool,
}

/// A piece of a snapshot that goes to one place.
#[derive(Debug)]
pub(super) struct Part {
    /// Which unit it belongs to.
    pub unit: usize,
    /// Where in it; empty: it is the unit.
    pub within: PathBuf,
    /// Its path in the snapshot.
    pub source: PathBuf,
    /// What the snapshot has there.
    pub node: Node,
}

impl Plan {
    /// Where something that the snapshot has at `source` will be; `None` if it is
    /// in none of the parts.
    pub fn place(&self, source: &Path) -> Option<PathBuf> {
        self.mapped(source, |unit| &unit.place)
    }

    /// Where it is made.
    pub fn beside(&self, source: &Path) -> Option<PathBuf> {
        self.mapped(source, |unit| &unit.beside)
    }

    fn mapped(&self, source: &Path, of: impl Fn(&Unit) -> &PathBuf) -> Option<PathBuf> {
        let parts = self.parts.iter().filter(|part| source.starts_with(&part.source));
        let part = parts.max_by_key(|part| part.source.as_os_str().len())?;
        let rest = source.strip_prefix(&part.source).ok()?;
        let unit = of(&self.units[part.unit]);
        Some(joined(&joined(unit, &part.within), rest))
    }
}

/// As `join`, but an empty path adds nothing, not even a slash.
pub(super) fn joined(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_path_buf() } else { base.join(rest) }
}

/// Decides what of a snapshot goes where; `id` names this restore. Nothing is
/// looked at but the directories above the places.
pub(super) fn plan(store: &dyn Store, order: &Order<'_>, id: &str) -> Result<Plan, RestoreError> {
    let draft = &order.snapshot.draft;
    let node = |path: &Path| {
        let found = content::find(store, &order.snapshot.tree, path)?;
        found.ok_or_else(|| RestoreError::NoPath { path: path.into(), nearest: None })
    };
    let Some(main) = draft.roots.first() else {
        return Err(RestoreError::NoPath { path: PathBuf::from("/"), nearest: None });
    };
    let present_main = order.present.and_then(|present| present.draft.roots.first());
    let mut plan = Plan {
        units: Vec::new(),
        parts: Vec::new(),
        alternates: Vec::new(),
        survey: Survey::default(),
        is_copy: matches!(order.target, Target::Directory(_)),
        is_partial: !order.paths.is_empty(),
    };
    let place = match &order.target {
        Target::Original { main } => real(main)?,
        Target::Directory(dir) => real(dir)?,
    };
    if plan.is_partial {
        single_paths(&mut plan, order, store, &place, present_main.map_or(&place, |path| path), id)?;
    } else {
        let present = present_main.unwrap_or(&place).clone();
        plan.units.push(unit(place.clone(), main.clone(), present, id)?);
        plan.parts.push(Part { unit: 0, within: PathBuf::new(), source: main.clone(), node: node(main)? });
        let mut others = Vec::new();
        for root in draft.roots.iter().skip(1).filter(|root| !root.starts_with(main)) {
            let node = node(root)?;
            match role(store, root, &node)? {
                Role::Objects(tree) => plan.alternates.push((root.clone(), tree)),
                Role::GitDir => others.push((root, node, true)),
                Role::WorkTree => others.push((root, node, false)),
            }
        }
        let all: Vec<&PathBuf> = others.iter().map(|(root, ..)| *root).collect();
        let is_inner = |root: &Path| all.iter().any(|outer| root != *outer && root.starts_with(outer));
        for (root, node, is_git_dir) in others.iter().filter(|(root, ..)| !is_inner(root)) {
            let source = (*root).clone();
            if !plan.is_copy {
                let place = real(root)?;
                plan.units.push(unit(place, source.clone(), source.clone(), id)?);
                let unit = plan.units.len() - 1;
                plan.parts.push(Part { unit, within: PathBuf::new(), source, node: node.clone() });
            } else if *is_git_dir
                && is_git_file(store, &plan.parts[0].node)?
                && !has_linked(store, main, node)?
            {
                // Where a copy's own git directory belongs.
                plan.parts.push(Part { unit: 0, within: ".git".into(), source, node: node.clone() });
            } else {
                let unit = beside_the_copy(&mut plan, &place, id)?;
                let within = free_name(&plan, unit, root, *is_git_dir);
                plan.parts.push(Part { unit, within, source, node: node.clone() });
            }
        }
    }
    for one in &plan.units {
        if plan.units.iter().any(|other| !std::ptr::eq(one, other) && one.place.starts_with(&other.place)) {
            let why = "another part of the snapshot goes around it; restore elsewhere with --to DIR".into();
            return Err(RestoreError::Target { path: one.place.clone(), why });
        }
    }
    let mut survey = Survey::default();
    for part in &plan.parts {
        survey.add(store, &part.source, &part.node)?;
    }
    plan.survey = survey;
    Ok(plan)
}

/// What a root is, by what is in it.
enum Role {
    WorkTree,
    GitDir,
    Objects(TreeId),
}

fn role(store: &dyn Store, root: &Path, node: &Node) -> Result<Role, RestoreError> {
    let NodeKind::Directory(tree) = &node.kind else { return Ok(Role::WorkTree) };
    let nodes = store.tree(tree)?;
    Ok(if nodes.iter().any(|node| node.name == b".git") {
        Role::WorkTree
    } else if content::is_git_dir(&nodes) {
        Role::GitDir
    } else if root.ends_with("objects") || is_objects(&nodes) {
        Role::Objects(tree.clone())
    } else {
        Role::WorkTree
    })
}

/// Whether these are what a directory of objects has, and nothing else.
fn is_objects(nodes: &[Node]) -> bool {
    let is_fan_out = |name: &[u8]| name.len() == 2 && name.iter().all(u8::is_ascii_hexdigit);
    nodes.iter().any(|node| node.name == b"pack")
        && nodes.iter().all(|node| matches!(&*node.name, b"info" | b"pack") || is_fan_out(&node.name))
}

/// Whether a work tree's `.git` is a file.
fn is_git_file(store: &dyn Store, work_tree: &Node) -> Result<bool, RestoreError> {
    let NodeKind::Directory(tree) = &work_tree.kind else { return Ok(false) };
    let dot_git = content::child(store.tree(tree)?, b".git");
    Ok(dot_git.is_some_and(|node| matches!(node.kind, NodeKind::File(_))))
}

/// Whether the work tree at `main` is one of the linked ones of a git directory.
fn has_linked(store: &dyn Store, main: &Path, git_dir: &Node) -> Result<bool, RestoreError> {
    const LIMIT: u64 = 1 << 16;
    let NodeKind::Directory(tree) = &git_dir.kind else { return Ok(false) };
    let Some(Node { kind: NodeKind::Directory(tree), .. }) = content::child(store.tree(tree)?, b"worktrees")
    else {
        return Ok(false);
    };
    for node in store.tree(&tree)? {
        let NodeKind::Directory(tree) = &node.kind else { continue };
        let Some(node) = content::child(store.tree(tree)?, b"gitdir") else { continue };
        let text = content::read(store, &node, LIMIT)?.unwrap_or_default();
        if path_from(text.trim_ascii_end()) == main.join(".git") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The unit for what goes beside a copy: `DIR-worktrees`.
fn beside_the_copy(plan: &mut Plan, copy: &Path, id: &str) -> Result<usize, RestoreError> {
    if plan.units.len() == 1 {
        let mut name = copy.file_name().unwrap_or_default().to_owned();
        name.push("-worktrees");
        let place = copy.with_file_name(name);
        plan.units.push(unit(place.clone(), PathBuf::new(), place, id)?);
    }
    Ok(plan.units.len() - 1)
}

/// A name for `root` that no other part has.
fn free_name(plan: &Plan, unit: usize, root: &Path, is_git_dir: bool) -> PathBuf {
    let mut name = root.file_name().unwrap_or_default().to_owned();
    if is_git_dir && name == ".git" {
        root.parent().and_then(Path::file_name).unwrap_or_default().clone_into(&mut name);
        name.push(".git");
    }
    let is_taken = |name: &OsString| {
        plan.parts.iter().any(|part| part.unit == unit && part.within.as_os_str() == name.as_os_str())
    };
    let mut free = name.clone();
    let mut number = 2;
    while is_taken(&free) {
        free.clone_from(&name);
        free.push(format!("-{number}"));
        number += 1;
    }
    free.into()
}

/// A unit at `place`, with the names of what it needs there.
fn unit(place: PathBuf, source: PathBuf, present: PathBuf, id: &str) -> Result<Unit, RestoreError> {
    // What a name may be long, with room for what is added to it.
    const LONGEST: usize = 200;
    let name = place.file_name().ok_or_else(|| RestoreError::Target {
        path: place.clone(),
        why: "it has no name; name a directory".into(),
    })?;
    let name = &name.as_bytes()[..name.len().min(LONGEST)];
    let beside = |before: &str, after: &str| {
        let name = [before.as_bytes(), name, after.as_bytes(), id.as_bytes()].concat();
        place.with_file_name(path_from(&name))
    };
    Ok(Unit {
        beside: beside(".", ".kpmo-restore-"),
        before: beside(".", ".kpmo-before-"),
        kept: beside("", ".kpmo-kept-"),
        source,
        present,
        new: None,
        ignored: Vec::new(),
        left: Vec::new(),
        work_trees: Vec::new(),
        place,
    })
}

/// Units and parts for single paths.
fn single_paths(
    plan: &mut Plan,
    order: &Order<'_>,
    store: &dyn Store,
    place: &Path,
    present: &Path,
    id: &str,
) -> Result<(), RestoreError> {
    let main = &order.snapshot.draft.roots[0];
    let mut paths: Vec<PathBuf> = order.paths.iter().map(|path| below(path)).collect::<Result<_, _>>()?;
    paths.sort();
    // What is beneath another of them comes with it.
    paths.dedup_by(|inner, outer| inner.starts_with(outer));
    let root = content::find(store, &order.snapshot.tree, main)?;
    let root = root.ok_or_else(|| RestoreError::NoPath { path: main.clone(), nearest: None })?;
    if let NodeKind::Directory(tree) = &root.kind
        && content::is_git_dir(&store.tree(tree)?)
    {
        let why = "it is a bare repository, which is restored whole; leave the paths out".into();
        return Err(RestoreError::Target { path: main.clone(), why });
    }
    if plan.is_copy {
        plan.units.push(unit(place.into(), main.clone(), place.into(), id)?);
    }
    for path in paths {
        let source = main.join(&path);
        let Some(node) = content::find(store, &order.snapshot.tree, &source)? else {
            return Err(RestoreError::NoPath { nearest: nearest(store, &root, &path)?, path });
        };
        if plan.is_copy {
            plan.parts.push(Part { unit: 0, within: path, source, node });
        } else {
            plan.units.push(unit(place.join(&path), source.clone(), present.join(&path), id)?);
            let unit = plan.units.len() - 1;
            plan.parts.push(Part { unit, within: PathBuf::new(), source, node });
        }
    }
    Ok(())
}

/// A path below the top, without `.`.
fn below(path: &Path) -> Result<PathBuf, RestoreError> {
    let refused = |why: &str| RestoreError::Target { path: path.into(), why: why.into() };
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) if name == ".git" => {
                return Err(refused(
                    "what is git's own is restored with the whole repository; leave the path out",
                ));
            }
            Component::Normal(name) => clean.push(name),
            _ => return Err(refused("name it relative to the repository's top, without `..`")),
        }
    }
    if clean.as_os_str().is_empty() {
        return Err(refused("that is the whole repository; leave the path out"));
    }
    Ok(clean)
}

/// What the snapshot has below `root` that is most like `path`.
fn nearest(store: &dyn Store, root: &Node, path: &Path) -> Result<Option<PathBuf>, RestoreError> {
    // Below that, a name is another name.
    const ALIKE: f64 = 0.6;
    let mut found = PathBuf::new();
    let mut node = root.clone();
    for component in path.components() {
        let name = component.as_os_str();
        let NodeKind::Directory(tree) = &node.kind else { break };
        let nodes = store.tree(tree)?;
        if let Some(child) = content::child(nodes.clone(), name.as_bytes()) {
            found.push(name);
            node = child;
            continue;
        }
        let wanted = name.to_string_lossy().to_lowercase();
        let likeness = |node: &Node| {
            strsim::normalized_damerau_levenshtein(
                &wanted,
                &String::from_utf8_lossy(&node.name).to_lowercase(),
            )
        };
        let others = nodes.iter().filter(|node| node.name != b".git");
        let best = others.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        if let Some(best) = best.filter(|node| likeness(node) >= ALIKE) {
            found.push(content::name(best));
        }
        break;
    }
    Ok((!found.as_os_str().is_empty()).then_some(found))
}

/// `path`, absolute, free of links but in its own name; what is not there is
/// taken as it is written.
pub(super) fn real(path: &Path) -> Result<PathBuf, RestoreError> {
    let odd = path.components().any(|part| matches!(part, Component::ParentDir | Component::CurDir));
    if !path.is_absolute() || odd || path.file_name().is_none() {
        let why = format!("`{}` is no absolute path of a directory", shown(path));
        return Err(RestoreError::Target { path: path.into(), why });
    }
    let mut rest = vec![path.file_name().unwrap_or_default()];
    let mut above = path.parent();
    while let Some(dir) = above {
        match fs::canonicalize(dir) {
            Ok(dir) => return Ok(rest.iter().rev().fold(dir, |path, name| path.join(name))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                rest.extend(dir.file_name());
                above = dir.parent();
            }
            Err(error) => return Err(error).at("resolve", dir).map_err(Into::into),
        }
    }
    Ok(path.to_path_buf())
}
