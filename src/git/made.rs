use std::{
    fs::OpenOptions,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::Location;

/// The end of a reflog that is read, in bytes: some two hundred entries.
const BYTES: u64 = 32 << 10;

/// A commit that an entry of a reflog tells was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The commit.
    pub commit: String,
    /// When, in seconds since 1970.
    pub at: i64,
}

/// Commits that were made in work trees of this repository, as the reflogs of their
/// HEADs have it: the latest of each reflog, newest first. What was fetched or checked
/// out is not among them. None where reflogs are not kept as files.
pub fn made_here(location: &Location) -> Vec<Vec<Made>> {
    let mut logs = vec![location.git_dir.join("logs/HEAD")];
    if location.git_dir == location.common_dir {
        logs.extend(linked(&location.common_dir).map(|dir| dir.join("logs/HEAD")));
    }
    logs.iter().map(|log| tail(log)).collect()
}

fn linked(common_dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(common_dir.join("worktrees")).into_iter().flatten();
    entries.flatten().map(|entry| entry.path())
}

fn tail(log: &Path) -> Vec<Made> {
    let read = || {
        // A pipe would keep whoever opens it.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut file = OpenOptions::new().read(true).custom_flags(flags).open(log)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Ok(Vec::new());
        }
        let length = meta.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().rev().filter_map(made).collect()
}

/// The commit that an entry tells was made: `old new name <e-mail> time zone`, a tab,
/// and what was done.
fn made(entry: &str) -> Option<Made> {
    let (who, what) = entry.split_once('\t')?;
    let mut ids = who.split(' ');
    let (old, new) = (ids.next()?, ids.next()?);
    let at = who.rsplit(' ').nth(1)?.parse().ok()?;
    // Behind the first colon a subject may say anything.
    let (how, result) = what.split_once(':').unwrap_or((what, ""));
    let is_made = match how.split(' ').next()? {
        "commit" | "revert" | "am" => true,
        "cherry-pick" => result != " fast-forward",
        "rebase" | "pull" | "merge" => {
            let steps = ["(pick)", "(reword)", "(edit)", "(squash)", "(fixup)", "(merge)", "(continue)"];
            steps.iter().any(|step| how.ends_with(step)) || result.starts_with(" Merge made")
        }
        _ => false,
    };
    let is_id = |id: &str| matches!(id.len(), 40 | 64) && id.bytes().all(|b| b.is_ascii_hexdigit());
    (is_made && is_id(old) && is_id(new)).then(|| Made { commit: new.to_owned(), at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_told_from_what_came() {
        let id = |digit: &str| digit.repeat(40);
        let entry =
            |what: &str| format!("{} {} A U Thor <a@e.org> 1700000000 +0000\t{what}", id("0"), id("b"));
        for (what, is_made) in [
            ("commit (initial): first", true),
            ("commit: x", true),
            ("commit: cherry-pick: fast-forward", true),
            ("commit (amend): x", true),
            ("commit (merge): Merge branch 'side'", true),
            ("revert: Revert \"x\"", true),
            ("am: x", true),
            ("cherry-pick: x", true),
            ("cherry-pick: fast-forward", false),
            ("rebase (pick): x", true),
            ("rebase (start): checkout main", false),
            ("pull --rebase (pick): x", true),
            ("pull: Fast-forward", false),
            ("pull -q --ff-only origin main: Fast-forward", false),
            ("pull: Merge made by the 'ort' strategy.", true),
            ("rebase (finish): returning to refs/heads/(pick)", false),
            ("merge side: Merge made by the 'ort' strategy.", true),
            ("checkout: moving from a to b", false),
            ("clone: from x", false),
            ("reset: moving to HEAD~", false),
        ] {
            let wanted = Made { commit: id("b"), at: 1_700_000_000 };
            assert_eq!(made(&entry(what)), is_made.then_some(wanted), "{what}");
        }
        // The first of what is read may be cut.
        assert_eq!(made(&entry("commit: x")[7..]), None);
        assert_eq!(made("nonsense"), None);
    }
}
