use std::{ffi::OsString, path::Path};

use super::{Git, GitError, Location};

impl Git {
    /// Has Git LFS put its hooks into `dir`, as it would into the directory where git
    /// looks for them; of those that are there already it lets be.
    ///
    /// # Errors
    ///
    /// [`GitError::Program`] where there is no Git LFS, or it finds somebody's hook
    /// in a place of its own.
    pub fn let_lfs_install(&self, location: &Location, dir: &Path) -> Result<(), GitError> {
        let mut place = OsString::from("core.hooksPath=");
        place.push(dir);
        let mut command = self.with_hooks_path(location)?;
        // Without the program, git would run what the repository calls so.
        command.arg("-c").arg(place).args(["-c", "alias.lfs=", "lfs", "update"]);
        self.finish(command, location, &["lfs", "update"]).map(drop)
    }
}
