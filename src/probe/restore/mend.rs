//! What names other places, in a repository that is not where it was.
//!
//! A linked work tree and its repository name each other by absolute paths
//! mostly. `git worktree repair` would follow those of a copy to the original
//! and bind that to the copy; so they are set here, before anything is in place.

use std::{
    collections::HashSet,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use super::{Order, RestoreError, Run, content, plan::Plan, verify};
use crate::{
    fs::{IoContext, RealWriter, Writer, normal, path_from},
    probe::store::{NodeKind, TreeId},
};

impl Run<'_> {
    /// Mends what was restored beside. Returns the places (where they will be) of
    /// what is not as the snapshot has it any more.
    pub(super) fn mend(&self, order: &Order<'_>, plan: &Plan) -> Result<Vec<PathBuf>, RestoreError> {
        let mut mended = Vec::new();
        if plan.is_partial {
            return Ok(mended);
        }
        for file in &plan.survey.git_files {
            self.mend_path(plan, file, b"gitdir: ", None, &mut mended)?;
        }
        for git_dir in &plan.survey.git_dirs {
            let Some(beside) = plan.beside(git_dir) else { continue };
            for id in names(&beside.join("worktrees"))? {
                let of = git_dir.join("worktrees").join(&id);
                // A copy has no work trees but those that came with it.
                let instead = plan.units[0].place.with_file_name({
                    let mut name = plan.units[0].place.file_name().unwrap_or_default().to_owned();
                    name.push("-worktrees");
                    name
                });
                let instead = plan.is_copy.then(|| instead.join(&id).join(".git"));
                self.mend_path(plan, &of.join("gitdir"), b"", instead.as_deref(), &mut mended)?;
                self.mend_path(plan, &of.join("commondir"), b"", None, &mut mended)?;
            }
            for name in ["config", "config.worktree"] {
                self.mend_work_tree(plan, &git_dir.join(name), &mut mended)?;
            }
            self.mend_alternates(order, plan, git_dir, &mut mended)?;
        }
        Ok(mended)
    }

    /// A file that names one place after `prefix`. `instead`: what it is to name
    /// if that place is not among what is restored.
    fn mend_path(
        &self,
        plan: &Plan,
        source: &Path,
        prefix: &[u8],
        instead: Option<&Path>,
        mended: &mut Vec<PathBuf>,
    ) -> Result<(), RestoreError> {
        let (Some(beside), Some(place)) = (plan.beside(source), plan.place(source)) else { return Ok(()) };
        let Ok(meta) = fs::symlink_metadata(&beside) else { return Ok(()) };
        if !meta.is_file() || meta.len() > LARGEST {
            return Ok(());
        }
        let text = fs::read(&beside).at("read", &beside)?;
        let Some(named) = text.strip_prefix(prefix) else { return Ok(()) };
        let named = path_from(named.trim_ascii());
        let Some(wanted) = moved(plan, source, &place, &named, instead) else { return Ok(()) };
        let text = [prefix, wanted.as_os_str().as_bytes(), b"\n"].concat();
        self.replace(&beside, &text, &place, mended)
    }

    /// `core.worktree`, which a submodule has, and what else was told to keep its
    /// git directory elsewhere.
    fn mend_work_tree(
        &self,
        plan: &Plan,
        source: &Path,
        mended: &mut Vec<PathBuf>,
    ) -> Result<(), RestoreError> {
        const KEY: &str = "core.worktree";
        let (Some(beside), Some(place)) = (plan.beside(source), plan.place(source)) else { return Ok(()) };
        let is_file = fs::symlink_metadata(&beside).is_ok_and(|it| it.is_file() && it.len() <= LARGEST);
        if !is_file {
            return Ok(());
        }
        let failed = |error: &git2::Error| RestoreError::Target {
            path: place.clone(),
            why: format!("{KEY} in its configuration can't be set: {}", error.message()),
        };
        // What can't be read says nothing of a work tree that could be followed.
        let Ok(mut config) = git2::Config::open(&beside) else { return Ok(()) };
        let Ok(named) = config.get_path(KEY) else { return Ok(()) };
        let Some(wanted) = moved(plan, source, &place, &named, None) else { return Ok(()) };
        self.step("set core.worktree in", &beside)?;
        let git_dir = place.parent().unwrap_or(&place);
        if git_dir.ends_with(".git") && git_dir.parent() == Some(&wanted) {
            config.remove(KEY).map_err(|error| failed(&error))?;
        } else {
            let text = wanted.to_str().ok_or_else(|| RestoreError::Target {
                path: wanted.clone(),
                why: format!("{KEY} can't name a path that is not UTF-8"),
            })?;
            config.set_str(KEY, text).map_err(|error| failed(&error))?;
        }
        mended.push(place);
        Ok(())
    }

    /// `objects/info/alternates`: what is borrowed and will not be there is put
    /// into the repository itself.
    fn mend_alternates(
        &self,
        order: &Order<'_>,
        plan: &Plan,
        git_dir: &Path,
        mended: &mut Vec<PathBuf>,
    ) -> Result<(), RestoreError> {
        let source = git_dir.join("objects/info/alternates");
        let (Some(beside), Some(place)) = (plan.beside(&source), plan.place(&source)) else { return Ok(()) };
        if !fs::symlink_metadata(&beside).is_ok_and(|it| it.is_file()) {
            return Ok(());
        }
        let text = fs::read(&beside).at("read", &beside)?;
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut seen = HashSet::new();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let named = path_from(line.trim_ascii_end());
            if named.as_os_str().is_empty() || line.starts_with(b"#") {
                lines.push(line.to_vec());
                continue;
            }
            // Relative to the object directory.
            let from = git_dir.join("objects/info");
            let objects = normal(&git_dir.join("objects").join(&named));
            if let Some(wanted) = moved(plan, &from, place.parent().unwrap_or(&place), &named, None)
                && plan.place(&objects).is_some()
            {
                lines.push([wanted.as_os_str().as_bytes(), b"\n"].concat());
            } else if self.borrow(order, plan, &beside, &objects, &mut seen, mended, &place)? {
                lines.push(line.to_vec());
            }
        }
        let whole = lines.concat();
        if whole == text {
            return Ok(());
        }
        if whole.is_empty() {
            self.step("remove", &beside)?;
            fs::remove_file(&beside).at("remove", &beside)?;
            mended.push(place);
            return Ok(());
        }
        self.replace(&beside, &whole, &place, mended)
    }

    /// Sees that what was borrowed from `objects` is there. True: it can still be
    /// borrowed.
    #[expect(clippy::too_many_arguments, reason = "it calls itself, for what is borrowed by the lender")]
    fn borrow(
        &self,
        order: &Order<'_>,
        plan: &Plan,
        alternates: &Path,
        objects: &Path,
        seen: &mut HashSet<PathBuf>,
        mended: &mut Vec<PathBuf>,
        place: &Path,
    ) -> Result<bool, RestoreError> {
        let Some((_, tree)) = plan.alternates.iter().find(|(source, _)| source == objects) else {
            return Ok(true);
        };
        if !seen.insert(objects.to_path_buf()) {
            return Ok(!plan.is_copy && objects.is_dir());
        }
        let can_stay = !plan.is_copy && objects.is_dir();
        let missing = self.missing(tree, objects, !can_stay)?;
        let own = alternates.parent().and_then(Path::parent).unwrap_or(alternates).to_path_buf();
        let own_place = place.parent().and_then(Path::parent).unwrap_or(place);
        if !missing.is_empty() {
            let borrowed = own.join("kpmo-borrowed");
            self.step("restore to", &borrowed)?;
            fs::DirBuilder::new().mode(0o700).create(&borrowed).at("create the directory", &borrowed)?;
            self.store.restore(&order.snapshot.id, objects, &borrowed, &|_, _| (self.progress)(0, 0))?;
            let differences = verify::verify(self.store, tree, &borrowed, &|_, _| (self.progress)(0, 0))?;
            if !differences.is_empty() {
                return Err(RestoreError::Differs { path: place.into(), differences });
            }
            for file in missing {
                let to = own.join(&file);
                if fs::symlink_metadata(&to).is_ok() {
                    continue;
                }
                let above = to.parent().unwrap_or(&own);
                RealWriter.create_dir_all(above, 0o755)?;
                let from = borrowed.join(&file);
                fs::rename(&from, &to).at("rename", &from)?;
                mended.push(own_place.join(&file));
            }
            self.remove(&borrowed)?;
        }
        // What it borrows itself, in its turn.
        let info = content::find(self.store, tree, Path::new("/info/alternates"))?;
        if let Some(node) = info {
            let text = content::read(self.store, &node, LARGEST)?.unwrap_or_default();
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let further = normal(&objects.join(path_from(line.trim_ascii_end())));
                self.borrow(order, plan, alternates, &further, seen, mended, place)?;
            }
        }
        Ok(can_stay)
    }

    /// Objects and packs of `tree` that are not in `objects`, or all of them.
    fn missing(&self, tree: &TreeId, objects: &Path, all: bool) -> Result<Vec<PathBuf>, RestoreError> {
        const PACK_FILES: &[&str] = &["pack", "idx", "rev", "promisor", "keep", "mtimes"];
        let mut missing = Vec::new();
        for dir in self.store.tree(tree)? {
            let NodeKind::Directory(tree) = &dir.kind else { continue };
            let is_pack = dir.name == b"pack";
            if !is_pack && dir.name.len() != 2 {
                continue;
            }
            for node in self.store.tree(tree)? {
                let path = content::name(&dir).join(content::name(&node));
                let kind = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
                let counts =
                    matches!(node.kind, NodeKind::File(_)) && (!is_pack || PACK_FILES.contains(&kind));
                if counts && (all || fs::symlink_metadata(objects.join(&path)).is_err()) {
                    missing.push(path);
                }
            }
        }
        Ok(missing)
    }

    fn replace(
        &self,
        beside: &Path,
        text: &[u8],
        place: &Path,
        mended: &mut Vec<PathBuf>,
    ) -> Result<(), RestoreError> {
        self.step("write", beside)?;
        let mode = fs::symlink_metadata(beside).at("look at", beside)?.permissions().mode() & 0o7777;
        RealWriter.write(beside, text, mode)?;
        mended.push(place.into());
        Ok(())
    }
}

/// No file that is mended here is nearly as large.
const LARGEST: u64 = 1 << 20;

/// What the file `source`, which will be at `place`, must name instead of
/// `named`; `None`: it is right as it is.
fn moved(plan: &Plan, source: &Path, place: &Path, named: &Path, instead: Option<&Path>) -> Option<PathBuf> {
    let meant = normal(&source.parent()?.join(named));
    let wanted = match plan.place(&meant) {
        Some(wanted) => wanted,
        None => instead.map_or(meant, Path::to_path_buf),
    };
    (normal(&place.parent()?.join(named)) != wanted).then_some(wanted)
}

/// The names in a directory; none if it is not there.
fn names(dir: &Path) -> Result<Vec<PathBuf>, RestoreError> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(Vec::new()) };
    entries.map(|entry| Ok(entry.at("read the directory", dir)?.file_name().into())).collect()
}
