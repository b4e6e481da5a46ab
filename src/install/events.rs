/// The hooks that kpmo puts in place everywhere, by git's names.
/// `hooks/events.md` says what each is for.
pub const EVENTS: [&str; 9] = [
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "post-commit",
    "post-checkout",
    "post-merge",
    "post-rewrite",
    "post-applypatch",
    "pre-rebase",
];

/// Hooks that are put in place only where a rule needs them: each costs every
/// commit a process.
pub const ON_DEMAND: [&str; 1] = ["commit-msg"];

/// git's other client-side hooks. A `core.hooksPath` of ours hides them too, so
/// there they get a link and are passed through. Source: githooks(5).
pub(super) const PASSED_THROUGH: [&str; 5] =
    ["applypatch-msg", "pre-applypatch", "prepare-commit-msg", "pre-auto-gc", "sendemail-validate"];

/// Hooks that are passed through only where they exist already: git takes
/// another way, or starts a process at every turn, as soon as they do.
/// `fsmonitor-watchman` is not among them: git finds it by `core.fsmonitor`.
pub(super) const PASSED_IF_PRESENT: [&str; 12] = [
    "reference-transaction",
    "post-index-change",
    "pre-receive",
    "update",
    "proc-receive",
    "post-receive",
    "post-update",
    "push-to-checkout",
    "p4-changelist",
    "p4-prepare-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
];

/// Every hook that git finds by its name.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    EVENTS.into_iter().chain(ON_DEMAND).chain(PASSED_THROUGH).chain(PASSED_IF_PRESENT)
}
