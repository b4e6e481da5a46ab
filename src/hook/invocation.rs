//! Which process of git's runs this hook.
//!
//! git has two ways to a hook, its configuration and the hooks directory, and
//! takes both where both are there. By the process that stands behind them the
//! governor knows the second call of one operation.

use std::{fs, str};

use rustix::process::{Pid, getppid};

/// Shells and other tools' hooks may stand between git and this process.
const FARTHEST: usize = 8;

/// Names the nearest process above this one that is git: by its number and the
/// moment it began, so that no later process is taken for it. Empty if there is
/// none, or the system does not tell (`/proc`).
pub(super) fn of_git() -> Vec<u8> {
    let mut pid = getppid();
    for _ in 0..FARTHEST {
        let Some(this) = pid else { break };
        let Some(process) = fs::read(format!("/proc/{this}/stat")).ok().and_then(|stat| parse(&stat)) else {
            break;
        };
        if process.is_git {
            return format!("{this}:{}", process.began).into_bytes();
        }
        pid = process.parent;
    }
    Vec::new()
}

/// What `/proc/PID/stat` says: `PID (NAME) STATE PARENT …`, proc_pid_stat(5).
#[derive(Debug, PartialEq, Eq)]
struct Process {
    is_git: bool,
    parent: Option<Pid>,
    /// In clock ticks since the system's start.
    began: u64,
}

fn parse(stat: &[u8]) -> Option<Process> {
    // A name may have parentheses and spaces of its own.
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(open + 1..close)?;
    let fields: Vec<&str> = str::from_utf8(stat.get(close + 2..)?).ok()?.split(' ').collect();
    Some(Process {
        is_git: name == b"git" || name.starts_with(b"git-"),
        parent: Pid::from_raw(fields.get(1)?.parse().ok()?),
        // The 22nd field; these begin with the 3rd.
        began: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_what_the_kernel_says() {
        let stat = |name: &str| {
            format!("77 ({name}) S 42 77 42 34816 77 4194304 98 0 0 0 0 0 0 0 20 0 1 0 123456 9 9 9\n")
        };
        let found = parse(stat("git").as_bytes()).unwrap();
        assert_eq!(found, Process { is_git: true, parent: Pid::from_raw(42), began: 123_456 });
        for (name, is_git) in
            [("git-remote-http", true), ("a) S 1 (git", false), ("gitk", false), ("sh", false)]
        {
            let found = parse(stat(name).as_bytes()).unwrap();
            assert_eq!((found.is_git, found.began), (is_git, 123_456), "{name}");
        }
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"77 (git) S"), None);
    }
}
