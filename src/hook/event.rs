use crate::generated::kanban::HookEvent;

/// One of the events that kpmo judges or notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// As the contract has it.
    pub event: HookEvent,
    /// git's name for it.
    pub name: &'static str,
    /// What git is doing, for people.
    pub doing: &'static str,
}

const KINDS: [Kind; 10] = [
    Kind { event: HookEvent::PreCommit, name: "pre-commit", doing: "commit" },
    Kind { event: HookEvent::PreMergeCommit, name: "pre-merge-commit", doing: "merge" },
    Kind { event: HookEvent::CommitMsg, name: "commit-msg", doing: "commit" },
    Kind { event: HookEvent::PrePush, name: "pre-push", doing: "push" },
    Kind { event: HookEvent::PostCommit, name: "post-commit", doing: "commit" },
    Kind { event: HookEvent::PostCheckout, name: "post-checkout", doing: "checkout" },
    Kind { event: HookEvent::PostMerge, name: "post-merge", doing: "merge" },
    Kind { event: HookEvent::PostRewrite, name: "post-rewrite", doing: "rewrite" },
    Kind { event: HookEvent::PostApplypatch, name: "post-applypatch", doing: "patch" },
    Kind { event: HookEvent::PreRebase, name: "pre-rebase", doing: "rebase" },
];

/// The event of this name.
pub(super) fn parse(name: &[u8]) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.name.as_bytes() == name)
}

impl Kind {
    /// git has done it already: nothing can be refused.
    pub fn is_past(self) -> bool {
        self.name.starts_with("post-")
    }

    /// Nothing is asked for but that what is there now be remembered: git goes on
    /// whatever is answered, and soon.
    pub fn is_only_told(self) -> bool {
        self.event == HookEvent::PreRebase
    }

    /// git writes to the hook's standard input.
    pub fn reads_stdin(self) -> bool {
        matches!(self.event, HookEvent::PrePush | HookEvent::PostRewrite)
    }
}
