//! Making the new beside the old, and seeing that it is what the snapshot has.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    Order, RestoreError, Run, content,
    journal::{Journal, inode},
    plan::{Part, Plan, joined},
    verify,
};
use crate::{fs::IoContext, probe::store::NodeKind};

/// The directories above the places that are missing, outermost first.
pub(super) fn missing_above(plan: &Plan) -> Vec<PathBuf> {
    let above = plan.units.iter().flat_map(|unit| unit.place.ancestors().skip(1));
    let mut missing: Vec<PathBuf> =
        above.filter(|dir| fs::symlink_metadata(dir).is_err()).map(Path::to_path_buf).collect();
    missing.sort();
    missing.dedup();
    missing
}

impl Run<'_> {
    /// Makes everything new, complete and checked; durable when this returns.
    pub(super) fn fill(
        &self,
        order: &Order<'_>,
        plan: &Plan,
        journal: &mut Journal,
    ) -> Result<Vec<PathBuf>, RestoreError> {
        self.make_above(order, plan, &journal.made)?;
        // Everything is written once and read once.
        let total = plan.survey.bytes * 2;
        let done = AtomicU64::new(0);
        let mut modes = Vec::new();
        for part in &plan.parts {
            let unit = &plan.units[part.unit];
            let target = joined(&unit.beside, &part.within);
            self.step("restore to", &target)?;
            self.make_around(order, plan, part, &mut modes)?;
            let before = done.load(Ordering::Relaxed);
            let size = self.size(part)?;
            let progress = |bytes: u64, _: u64| (self.progress)(before + bytes.min(size), total);
            self.write(order, part, &target, &progress)?;
            self.step("check", &target)?;
            let progress = |bytes: u64, _: u64| (self.progress)(before + size + bytes.min(size), total);
            let differences = match &part.node.kind {
                NodeKind::Directory(tree) => verify::verify(self.store, tree, &target, &progress)?,
                _ => verify::verify_one(self.store, &part.node, &target)?,
            };
            if !differences.is_empty() {
                return Err(RestoreError::Differs { path: unit.place.clone(), differences });
            }
            done.store(before + 2 * size, Ordering::Relaxed);
            if !(self.progress)(before + 2 * size, total) {
                return Err(RestoreError::Interrupted);
            }
        }
        let mended = self.mend(order, plan)?;
        for (dir, mode) in modes.iter().rev() {
            fs::set_permissions(dir, Permissions::from_mode(*mode)).at("set the mode of", dir)?;
        }
        let mut synced = Vec::new();
        for unit in &mut journal.units {
            unit.new = inode(&unit.beside)?;
            sync(unit.beside.parent().unwrap_or(&unit.beside), &mut synced)?;
        }
        Ok(mended)
    }

    fn size(&self, part: &Part) -> Result<u64, RestoreError> {
        let mut survey = content::Survey::default();
        survey.add(self.store, &part.source, &part.node)?;
        Ok(survey.bytes)
    }

    /// The directories above a place, as the snapshot has them where it does.
    fn make_above(&self, order: &Order<'_>, plan: &Plan, made: &[PathBuf]) -> Result<(), RestoreError> {
        for dir in made {
            self.step("create the directory", dir)?;
            fs::create_dir(dir).at("create the directory", dir)?;
            let below = plan.units.iter().find_map(|unit| {
                let depth = unit.place.strip_prefix(dir).ok()?.components().count();
                unit.source.ancestors().nth(depth)
            });
            if let Some(source) = below.filter(|_| plan.is_partial)
                && let Some(node) = content::find(self.store, &order.snapshot.tree, source)?
            {
                // Something is yet to be put into it.
                let permissions = Permissions::from_mode(node.stat.mode & 0o7777 | 0o700);
                fs::set_permissions(dir, permissions).at("set the mode of", dir)?;
            }
        }
        Ok(())
    }

    /// The directories that a part is in, within its unit; their modes are to be
    /// set when everything is in them.
    fn make_around(
        &self,
        order: &Order<'_>,
        plan: &Plan,
        part: &Part,
        modes: &mut Vec<(PathBuf, u32)>,
    ) -> Result<(), RestoreError> {
        let around: Vec<&Path> = part.within.ancestors().skip(1).collect();
        for dir in around.into_iter().rev() {
            let made = joined(&plan.units[part.unit].beside, dir);
            if fs::symlink_metadata(&made).is_ok() {
                continue;
            }
            fs::create_dir(&made).at("create the directory", &made)?;
            // A copy of single paths has them where they were.
            let source = joined(&order.snapshot.draft.roots[0], dir);
            if plan.is_partial
                && let Some(node) = content::find(self.store, &order.snapshot.tree, &source)?
            {
                modes.push((made, node.stat.mode & 0o7777));
            }
        }
        Ok(())
    }

    fn write(
        &self,
        order: &Order<'_>,
        part: &Part,
        target: &Path,
        progress: crate::probe::store::Progress<'_>,
    ) -> Result<(), RestoreError> {
        if !matches!(part.node.kind, NodeKind::Directory(_)) {
            return content::write(self.store, &part.node, target);
        }
        if !part.within.as_os_str().is_empty() && fs::symlink_metadata(target).is_ok_and(|it| it.is_file()) {
            // A copy's `.git`, which led out of it.
            fs::remove_file(target).at("remove", target)?;
        }
        DirBuilder::new().mode(0o700).create(target).at("create the directory", target)?;
        Ok(self.store.restore(&order.snapshot.id, &part.source, target, progress)?)
    }
}

/// Brings everything on the file system of `dir` to the disk, once each.
fn sync(dir: &Path, synced: &mut Vec<u64>) -> Result<(), RestoreError> {
    let file = File::open(dir).at("open the directory", dir)?;
    let device = file.metadata().at("look at", dir)?.dev();
    if synced.contains(&device) {
        return Ok(());
    }
    synced.push(device);
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&file).map_err(std::io::Error::from).at("sync the file system of", dir)?;
    #[cfg(not(target_os = "linux"))]
    rustix::fs::sync();
    Ok(())
}
