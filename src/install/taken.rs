//! What other tools make of the hook that they find in their place: `NAME.legacy`
//! (pre-commit and prek, which go on running it) or `NAME.old` (lefthook, which
//! does not).
//!
//! Such a tool, installed again, finds kpmo's hook, and gives that one the name
//! under which another may stand: written over then, or a reason to give up. So
//! what stands there goes aside with the tool's own hook, which finds it beside
//! itself as before. And where a tool comes after kpmo, what kpmo's hook stood for
//! gets that name aside. A hook of the tool's own, of an earlier installation, never
//! does: pre-commit refuses every commit if it finds its own there.

use std::{
    fs::{self, File, Metadata},
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    InstallError,
    aside::{Aside, alike},
    dir::HookDir,
    owner::{Standing, look, standing},
};
use crate::fs::{FileId, PathError};

const SUFFIXES: [&str; 2] = ["legacy", "old"];
/// A hook that a tool writes is far smaller.
const SIZE_LIMIT: u64 = 64 * 1024;

/// A hook that has a second place aside, and is still to be taken from its first.
pub(super) struct Kept {
    name: &'static str,
    path: PathBuf,
    seen: FileId,
}

fn names(name: &str) -> impl Iterator<Item = String> {
    SUFFIXES.into_iter().map(move |suffix| format!("{name}.{suffix}"))
}

/// Whether a hook there is one that a tool took over.
pub(super) fn is_name(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| SUFFIXES.iter().any(|known| suffix == *known))
}

impl Aside<'_> {
    /// Under which name another tool took kpmo's hook over, if one did.
    pub(super) fn taken_over(&self, name: &str) -> Result<Option<String>, PathError> {
        for taken in names(name) {
            if standing(&self.hooks.join(&taken), self.program)?.is_ours() {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// As what the tool that `found` is of would have kept the hook at `kept`, had
    /// it not found kpmo's in its place; and only where nothing has that name.
    pub(super) fn heir(&self, name: &str, kept: &Path, found: &Path) -> Result<Option<PathBuf>, PathError> {
        let Some(taken) = self.taken_over(name)? else { return Ok(None) };
        if is_of_a_tool(kept, found) {
            return Ok(None);
        }
        let place = self.place(&taken);
        if self.is_mirror(taken.as_ref()) {
            self.writer.remove(&place)?;
        }
        Ok(look(&place)?.is_none().then_some(place))
    }
}

impl HookDir<'_> {
    /// Gives what tools took over a second place, aside.
    pub(super) fn keep_taken(
        &self,
        aside: &Aside<'_>,
        of: &[&'static str],
    ) -> Result<Vec<Kept>, InstallError> {
        let mut kept = Vec::new();
        for &name in of {
            for taken in names(name) {
                let path = self.dir.join(&taken);
                // A link to itself is no hook; aside it would be taken for a mirror.
                if fs::read_link(&path).is_ok_and(|target| target == aside.mirror_target(taken.as_ref())) {
                    continue;
                }
                if let Standing::Foreign(found) = standing(&path, self.program)? {
                    aside.create()?;
                    aside.keep(&taken, &found)?;
                    kept.push(Kept { name, path, seen: FileId::of(&found) });
                }
            }
        }
        Ok(kept)
    }

    /// Takes from its first place what is kept, now that no tool's hook would look
    /// for it there; what somebody put there meanwhile is left. Returns the hooks
    /// that this belongs to.
    pub(super) fn take_kept(&self, kept: Vec<Kept>) -> Result<Vec<&'static str>, PathError> {
        let mut taken = Vec::new();
        for Kept { name, path, seen } in kept {
            if look(&path)?.is_some_and(|found| FileId::of(&found) == seen) {
                self.writer.remove(&path)?;
                taken.push(name);
            }
        }
        Ok(taken)
    }

    /// Puts what tools took over beside the place of `name` again. What is kept is
    /// then to be [`forgotten`](Self::forget_taken).
    pub(super) fn give_taken(&self, aside: &Aside<'_>, name: &str) -> Result<(), InstallError> {
        for taken in names(name) {
            let Some(kept) = aside.kept(&taken)? else { continue };
            let path = self.dir.join(&taken);
            let standing = standing(&path, self.program)?;
            if standing.is_ours() {
                self.writer.remove(&path)?;
            }
            if standing.is_ours() || matches!(standing, Standing::Nothing) {
                aside.second(&aside.place(&taken), &kept, &path)?;
            }
        }
        Ok(())
    }

    /// Takes away what is kept of hooks that are in their places again.
    pub(super) fn forget_taken(&self, aside: &Aside<'_>, name: &str) -> Result<(), PathError> {
        for taken in names(name) {
            let (place, path) = (aside.place(&taken), self.dir.join(&taken));
            if let (Some(kept), Some(found)) = (aside.kept(&taken)?, look(&path)?)
                && alike((&place, &kept), (&path, &found))?
            {
                self.writer.remove(&place)?;
            }
        }
        Ok(())
    }
}

/// Whether the hook at `elder` is one that a tool wrote: it says so, or is much like
/// the one that a tool has now put at `newer`.
pub(super) fn is_of_a_tool(elder: &Path, newer: &Path) -> bool {
    let (Some(elder), Some(newer)) = (text(elder), text(newer)) else { return false };
    let says_so = |line: &str| {
        let line = line.trim_start_matches('#').trim().to_ascii_lowercase();
        line.contains("generated by") || line.contains("generated file")
    };
    if elder.lines().filter(|line| line.trim_start().starts_with('#')).any(says_so) {
        return true;
    }
    let newer: Vec<&str> = telling(&newer).collect();
    let (mut all, mut shared) = (0_usize, 0_usize);
    for line in telling(&elder) {
        all += 1;
        shared += usize::from(newer.contains(&line));
    }
    all > 0 && 2 * shared >= all
}

/// The lines of a script that are not in scripts of all sorts.
fn telling(text: &str) -> impl Iterator<Item = &str> {
    const COMMON: [&str; 8] = ["fi", "done", "else", "then", "do", "esac", "}", "exit 0"];
    text.lines().map(str::trim).filter(|line| {
        !line.is_empty() && !line.starts_with("#!") && !line.starts_with("set ") && !COMMON.contains(line)
    })
}

/// A script; `None` for what is none, or can't be read.
fn text(path: &Path) -> Option<String> {
    let is_file = look(path).ok().flatten().is_some_and(|found: Metadata| found.is_file());
    let mut bytes = Vec::new();
    let read = is_file.then(|| File::open(path))?.ok()?.take(SIZE_LIMIT).read_to_end(&mut bytes);
    read.ok()?;
    bytes.starts_with(b"#!").then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tools_own_hook_is_told_from_a_users() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let of_a_tool =
            "#!/bin/sh\nset -e\nTOOL=/a/tool\nif [ -x \"$TOOL\" ]; then\n  exec \"$TOOL\" run \"$@\"\nfi\n";
        let tool = path("tool", of_a_tool);
        let moved = path("moved", &of_a_tool.replace("/a/", "/b/"));
        let user = path("user", "#!/bin/sh\nset -e\nif make lint; then\n  exit 0\nfi\nexit 1\n");
        let says_so =
            path("says-so", "#!/usr/bin/env bash\n# File generated by some-tool: https://example.com\nx\n");
        let program = path("program", "\u{7f}ELF\n");
        assert!(is_of_a_tool(&tool, &moved));
        assert!(is_of_a_tool(&says_so, &user));
        assert!(!is_of_a_tool(&user, &says_so));
        assert!(!is_of_a_tool(&user, &tool));
        assert!(!is_of_a_tool(&program, &tool));
        assert!(!is_of_a_tool(&dir.path().join("none"), &tool));
        std::os::unix::fs::symlink("tool", dir.path().join("link")).unwrap();
        assert!(!is_of_a_tool(&dir.path().join("link"), &moved), "a link is its owner's");
    }
}
