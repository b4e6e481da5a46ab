//! File systems that refuse links, renames or all writing.

use std::io;

use super::*;
use crate::{
    fs::{FileId, New, PathError, Writer},
    install::HooksState,
};

/// A file system that refuses links of one or both kinds, or all writing.
struct Refusing {
    links: Option<i32>,
    hard_links: Option<i32>,
    renames: Option<i32>,
}

fn refuse(path: &Path, code: Option<i32>) -> Result<(), PathError> {
    code.map_or(Ok(()), |code| {
        Err(PathError { action: "change", path: path.to_owned(), source: io::Error::from_raw_os_error(code) })
    })
}

impl Writer for Refusing {
    fn is_real(&self) -> bool {
        true
    }
    fn create_dir_all(&self, path: &Path, mode: u32) -> Result<(), PathError> {
        RealWriter.create_dir_all(path, mode)
    }
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
        RealWriter.write(path, bytes, mode)
    }
    fn link(&self, target: &Path, path: &Path) -> Result<(), PathError> {
        refuse(path, self.links)?;
        RealWriter.link(target, path)
    }
    fn put(&self, new: New<'_>, path: &Path, seen: Option<FileId>) -> Result<bool, PathError> {
        if matches!(new, New::Link(_)) {
            refuse(path, self.links)?;
        }
        RealWriter.put(new, path, seen)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        refuse(to, self.hard_links)?;
        RealWriter.hard_link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<(), PathError> {
        refuse(from, self.renames)?;
        RealWriter.rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<(), PathError> {
        RealWriter.remove(path)
    }
    fn remove_dir_if_empty(&self, path: &Path) -> Result<(), PathError> {
        RealWriter.remove_dir_if_empty(path)
    }
}

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const EXDEV: i32 = 18;
const EROFS: i32 = 30;
const NONE: Refusing = Refusing { links: None, hard_links: None, renames: None };

#[test]
fn without_links_shims_stand_in_and_hooks_are_copied_aside() {
    let mut fixture = Fixture::new();
    // A path that needs quoting.
    let bin = fixture.home.join("o'hara $x\\bin");
    fs::rename(fixture.home.join("bin"), &bin).unwrap();
    fixture.program = bin.join("kpmo-hook");
    let calls_as = format!("#!/bin/sh\necho \"$KPMO_HOOK_AS $*\" >> '{}'\n", fixture.calls.display());
    script(&fixture.program, &calls_as);
    fixture.saying(&fixture.hooks().join("pre-commit"), "first");
    fixture.hook("helper", "");

    let writer = Refusing { links: Some(EPERM), hard_links: Some(EPERM), ..NONE };
    let report = install(&fixture.place(), &fixture.wanted(), &fixture, &writer).unwrap();
    assert_eq!(report.state, HooksState::Ok);
    assert_eq!(fixture.check().state, HooksState::Ok);
    let again = install(&fixture.place(), &fixture.wanted(), &fixture, &writer).unwrap();
    assert!(again.changes.iter().all(|change| change.action == HookAction::Unchanged));

    assert!(fixture.commit().status.success());
    assert_eq!(fixture.calls(), [".git/hooks/pre-commit ", ".git/hooks/post-commit "]);

    // A shim whose program is gone warns, and runs the hook from before.
    fs::remove_file(&fixture.program).unwrap();
    assert_eq!(fixture.check().state, HooksState::Missing);
    let output = fixture.commit();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("kpmo up"));
    assert_eq!(fixture.calls(), ["first pre-commit"]);

    script(&fixture.program, &calls_as);
    fs::set_permissions(fixture.hooks().join("pre-push"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(actions(&fixture.check())["pre-push"], HookAction::Missing);
    assert_eq!(actions(&fixture.install())["pre-push"], HookAction::Healed);

    fixture.uninstall();
    let names: Vec<_> = fixture.picture().into_keys().collect();
    assert_eq!(names, ["config", "hooks", "hooks/helper", "hooks/pre-commit"].map(PathBuf::from));
}

#[test]
fn hooks_on_a_mount_of_their_own_are_copied_there_and_back() {
    let fixture = Fixture::new();
    fixture.hook("pre-commit", "#!/bin/sh\n# first\n");
    symlink("nowhere", fixture.hooks().join("pre-push")).unwrap();
    let before = fixture.picture();
    let writer = Refusing { hard_links: Some(EXDEV), renames: Some(EXDEV), ..NONE };
    install(&fixture.place(), &fixture.wanted(), &fixture, &writer).unwrap();
    assert!(fixture.common().join("hooks.kpmo/pre-commit").is_file());
    uninstall(&fixture.place(), &fixture.program, &fixture, &writer).unwrap();
    let file = Path::new("hooks/pre-commit");
    assert_eq!(fixture.picture()[file], before[file], "a file's time of change is kept as well");
    assert_eq!(timeless(fixture.picture()), timeless(before));
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_the_mend() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let refusal = |code| {
        let writer = Refusing { links: Some(code), ..NONE };
        install(&place, &fixture.wanted(), &fixture, &writer).unwrap_err()
    };
    let denied = refusal(EACCES);
    assert!(matches!(&denied, InstallError::NotWritable { path, .. } if *path == fixture.hooks()));
    assert!(denied.to_string().contains("chmod u+w"));
    let read_only = refusal(EROFS);
    assert!(matches!(read_only, InstallError::ReadOnly { .. }));
    assert!(read_only.to_string().contains("mount"));
}
