use std::path::PathBuf;

use super::place::HooksMode;

/// What stands in the places of the hooks that kpmo installs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HooksState {
    /// Every one is kpmo's, and leads to a program that is there.
    Ok,
    /// None is kpmo's (or works), and nothing else stands there.
    Missing,
    /// Some are kpmo's.
    Partial,
    /// None is kpmo's, and other hooks stand there.
    Foreign,
}

impl HooksState {
    /// As `kpmo status --json` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Partial => "partial",
            Self::Foreign => "foreign",
        }
    }

    /// The state in which these actions leave a repository.
    pub(super) fn after(changes: &[HookChange]) -> Self {
        use HookAction::{Archived, Chained, Foreign, Healed, Installed, Restored, Unchanged};
        let count = |wanted: &[HookAction]| changes.iter().filter(|c| wanted.contains(&c.action)).count();
        let ours = count(&[Unchanged, Installed, Chained, Healed, Archived]);
        if ours > 0 {
            return if ours == changes.len() { Self::Ok } else { Self::Partial };
        }
        if count(&[Foreign, Restored]) > 0 { Self::Foreign } else { Self::Missing }
    }
}

/// What was, would be or should be done with one hook's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookAction {
    /// kpmo's hook stands there and works.
    Unchanged,
    /// kpmo's hook was put in an empty place.
    Installed,
    /// Another hook stood there: kept, run first from now on.
    Chained,
    /// A hook of kpmo's predecessor stood there: kept, not run any more.
    Archived,
    /// kpmo's hook did not work any more, or had been taken away.
    Healed,
    /// kpmo's hook was taken away; nothing had stood there.
    Removed,
    /// kpmo's hook was taken away and the hook from before is back.
    Restored,
    /// Another hook stands there.
    Foreign,
    /// Nothing stands there, or a hook of kpmo's that does not work.
    Missing,
}

/// One hook's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookChange {
    /// git's name of the hook.
    pub event: &'static str,
    /// The hook's file, absolute; or the configuration's, where the hook is an
    /// entry there.
    pub path: PathBuf,
    /// What was done.
    pub action: HookAction,
    /// For people: what was found, where it was put. Empty if there is nothing
    /// to add.
    pub detail: String,
}

/// The hooks of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The directory where git looks for hooks (after what was done).
    pub hooks_dir: PathBuf,
    /// By what git runs kpmo's hooks (after what was done).
    pub mode: HooksMode,
    /// What stands there (after what was done).
    pub state: HooksState,
    /// One for each of the events that are wanted, in their order; then what else
    /// was done.
    pub changes: Vec<HookChange>,
}
