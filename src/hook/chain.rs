//! The hook that stood where kpmo's stands, and how it is run first.
//!
//! kpmo's hook is one program under many names. This says under which it was
//! called, finds the hook it chains and runs that as git would. Another tool may
//! take kpmo's link for its own earlier hook and call it from within the chain:
//! a variable in the environment of chained hooks keeps that from going in
//! circles.

use std::{
    convert::Infallible,
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write as _},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::signals::Forwarding;

#[cfg(test)]
mod tests;

/// Set by the shim that stands in for a link: the name that git called.
pub const NAME_VARIABLE: &str = "KPMO_HOOK_AS";
/// Set for chained hooks: `DEPTH:EVENT:DIRECTORY` of the hook that chains them.
pub const GUARD_VARIABLE: &str = "KPMO_HOOK_CHAIN";

/// A hook that calls git, whose hook calls git …: from this depth on, the same
/// hook of the same directory does nothing.
const DEEPEST: u32 = 3;
/// A chain of links to kpmo's own hooks is not followed any further.
const MOST_HOPS: usize = 4;
const ENOEXEC: i32 = 8;
/// What shells exit with for a program that is there and does not start.
const CANNOT_RUN: i32 = 126;
/// How often, and how long apart, a program that is being written is tried again.
const BUSY_TRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Every hook that git finds by its name. Source: githooks(5).
pub const GIT_HOOKS: [&str; 27] = [
    "applypatch-msg",
    "commit-msg",
    "p4-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
    "p4-prepare-changelist",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-receive",
    "post-rewrite",
    "post-update",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "pre-receive",
    "prepare-commit-msg",
    "proc-receive",
    "push-to-checkout",
    "reference-transaction",
    "sendemail-validate",
    "update",
];

/// As what, and from where, this process was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// git's name of the hook: `pre-commit`, also when called as
    /// `pre-commit.legacy`.
    pub name: String,
    /// The path it was called by.
    pub path: PathBuf,
    /// A call further out is at this very event: exit with 0 at once, neither
    /// chaining nor judging.
    pub nested: bool,
    /// Whether there is to be a chained hook. Not if another tool stands in
    /// front and calls kpmo's hook as its own earlier one.
    pub chains: bool,
    depth: u32,
}

impl Invocation {
    /// The hooks that are to run before kpmo judges; see [`chained_hooks`].
    pub fn chained(&self, cwd: &Path) -> Vec<PathBuf> {
        if self.chains { chained_hooks(&self.path, &self.name, cwd) } else { elder(&self.path, cwd) }
    }

    /// What the chained hook's environment is told.
    fn guard(&self) -> OsString {
        let mut guard = OsString::from(format!("{}:{}:", self.depth + 1, self.name));
        guard.push(directory(&self.path));
        guard
    }
}

/// Learns the event from `argv[0]`, or from the shim's variable. `None` if
/// neither has a hook's name.
pub fn invocation(argv0: &OsStr) -> Option<Invocation> {
    learn(argv0, env::var_os(NAME_VARIABLE), env::var_os(GUARD_VARIABLE).as_deref())
}

/// The hooks that are to run before kpmo judges, absolute, in their order: the
/// one kept beside `argv0`'s directory, and, where that directory stands before a
/// `core.hooksPath`, the one that git would have called there. `cwd` is the
/// directory that the hook was started in, absolute. Only what git would run is
/// found: a regular file, after links, that this user may execute; and never
/// kpmo-hook itself.
pub fn chained_hooks(argv0: &Path, name: &str, cwd: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let Some(mut dir) = argv0.parent().map(|dir| cwd.join(dir)) else { return found };
    for _ in 0..MOST_HOPS {
        let first =
            |dirs: Vec<PathBuf>| dirs.into_iter().map(|dir| dir.join(name)).find(|hook| is_runnable(hook));
        let (kept, before) = candidates(&dir, cwd);
        let mut ours = None;
        for hook in [first(kept), first(before)].into_iter().flatten() {
            if is_this_program(&hook) {
                // A directory that has kpmo's hooks as well, with a chain of its
                // own; where it is kept, what comes after is not to run.
                ours = Some(hook);
                break;
            }
            if !found.iter().any(|known| is_same_file(known, &hook)) {
                found.push(hook);
            }
        }
        match ours.as_deref().and_then(Path::parent) {
            Some(next) => next.clone_into(&mut dir),
            None => break,
        }
    }
    found
}

/// Where another tool has just taken kpmo's hook for its own earlier one: what it had
/// taken over before, which was kept aside under that very name.
fn elder(path: &Path, cwd: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let (kept, _) = candidates(&cwd.join(dir), cwd);
    let hook = kept.into_iter().map(|dir| dir.join(name)).find(|hook| is_runnable(hook));
    hook.into_iter().filter(|hook| !is_this_program(hook)).collect()
}

/// Runs a chained hook to its end, as git would: with these arguments, this
/// environment and this working directory. `stdin` is what git had written;
/// without it, standard input is inherited. A hook that leaves its input unread
/// is no error. Signals that this process gets meanwhile are passed on. Returns
/// the exit status as shells have it: 128 and the signal's number for a death by
/// signal, and also where one was passed on.
///
/// # Errors
///
/// What the system said when the hook could not be started.
pub fn run_chained<A: AsRef<OsStr>>(
    hook: &Path,
    args: &[A],
    stdin: Option<&[u8]>,
    invocation: &Invocation,
) -> io::Result<i32> {
    let signals = Forwarding::begin();
    let mut child = start(hook, |program| {
        let mut command = program.command(args, invocation);
        command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::inherit() });
        signals.spawn(|| command.spawn())
    })?;
    if let (Some(bytes), Some(mut pipe)) = (stdin, child.stdin.take()) {
        let bytes = bytes.to_vec();
        // Not waited for: a process that the hook left behind may hold the pipe
        // open and never read it.
        thread::spawn(move || pipe.write_all(&bytes));
    }
    let (status, passed) = signals.wait(&mut child)?;
    // git has ended by then, whatever the hook made of it.
    let signal = passed.or(status.signal()).map(|signal| 128 + signal);
    Ok(signal.or(status.code()).unwrap_or(1))
}

/// Becomes the chained hook: for events that kpmo does not judge. Returns only
/// if that fails, with the exit status for it, having said why.
pub fn replace_process<A: AsRef<OsStr>>(hook: &Path, args: &[A], invocation: &Invocation) -> i32 {
    let Err(error) = start(hook, |program| Err::<Infallible, _>(program.command(args, invocation).exec()));
    let shown = hook.as_os_str().as_bytes().escape_ascii();
    // Nobody is left to tell if this can't be written.
    let _ = writeln!(io::stderr(), "kpmo: cannot run the chained hook {shown}: {error}");
    CANNOT_RUN
}

fn learn(argv0: &OsStr, named: Option<OsString>, guard: Option<&OsStr>) -> Option<Invocation> {
    let path = PathBuf::from(named.filter(|name| !name.is_empty()).unwrap_or_else(|| argv0.to_owned()));
    let base = path.file_name()?.as_bytes();
    // No hook of git's has a dot in its name; what follows one was put there by
    // whoever renamed the link.
    let stem = base.split(|&byte| byte == b'.').next()?;
    let name = *GIT_HOOKS.iter().find(|hook| hook.as_bytes() == stem)?;
    let renamed = stem != base;

    let outer = guard.and_then(parse_guard).filter(|outer| outer.event == name.as_bytes());
    let depth = outer
        .as_ref()
        .filter(|outer| outer.directory == directory(&path).as_os_str().as_bytes())
        .map_or(0, |outer| outer.depth);
    let nested = if renamed { outer.is_some() } else { depth >= DEEPEST };
    Some(Invocation { name: name.to_owned(), path, nested, chains: !renamed, depth })
}

struct Guard<'a> {
    depth: u32,
    event: &'a [u8],
    directory: &'a [u8],
}

fn parse_guard(text: &OsStr) -> Option<Guard<'_>> {
    let mut parts = text.as_bytes().splitn(3, |&byte| byte == b':');
    let depth = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    Some(Guard { depth, event: parts.next()?, directory: parts.next()? })
}

/// The directory of a hook, the same whichever way it was reached.
fn directory(hook: &Path) -> PathBuf {
    let dir = hook.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned())
}

/// The directories whose hooks come before those of `dir`: where they are kept,
/// and those that `dir` stands before. A `dir` that is reached by a link has its
/// siblings where it really is.
fn candidates(dir: &Path, cwd: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut kept, mut before) = (Vec::new(), Vec::new());
    let real = fs::canonicalize(dir).ok().filter(|real| real != dir);
    for dir in [Some(dir), real.as_deref()].into_iter().flatten() {
        if let Some(name) = dir.file_name() {
            let mut aside = name.to_owned();
            aside.push(".kpmo");
            kept.push(dir.with_file_name(aside));
        }
        if dir.ends_with("kpmo/hooks")
            && let Ok(value) = fs::read(dir.with_file_name("chain"))
        {
            let value = PathBuf::from(OsString::from_vec(value));
            // To git an empty value is the root.
            before.push(if value.as_os_str().is_empty() { PathBuf::from("/") } else { cwd.join(value) });
        }
    }
    (kept, before)
}

/// As git has it: by what this user may do, and not by bits of the mode.
fn is_runnable(hook: &Path) -> bool {
    fs::metadata(hook).is_ok_and(|found| found.is_file())
        && rustix::fs::access(hook, rustix::fs::Access::EXEC_OK).is_ok()
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    id(one).is_some_and(|one| id(other) == Some(one))
}

fn is_this_program(hook: &Path) -> bool {
    // The link in /proc leads to the running file even after it was replaced.
    let this = fs::metadata("/proc/self/exe").or_else(|_| env::current_exe().and_then(fs::metadata));
    let same = |this: fs::Metadata, hook: fs::Metadata| (this.dev(), this.ino()) == (hook.dev(), hook.ino());
    this.is_ok_and(|this| fs::metadata(hook).is_ok_and(|hook| same(this, hook)))
}

/// What to start for a hook.
enum Program<'a> {
    /// The file itself.
    File(&'a Path),
    /// The shell with it, for a file without a `#!` line, as git does.
    Script(&'a Path),
}

impl Program<'_> {
    fn command<A: AsRef<OsStr>>(&self, args: &[A], invocation: &Invocation) -> Command {
        let mut command = match self {
            Self::File(hook) => Command::new(hook),
            Self::Script(hook) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg(hook);
                shell
            }
        };
        command.args(args).env_remove(NAME_VARIABLE).env(GUARD_VARIABLE, invocation.guard());
        command
    }
}

/// Starts a hook by `run`; one that somebody is just writing (`ETXTBSY`) is
/// tried again for a moment.
fn start<T>(hook: &Path, run: impl Fn(&Program<'_>) -> io::Result<T>) -> io::Result<T> {
    let mut tries = 0;
    loop {
        match run(&Program::File(hook)) {
            Err(error) if error.raw_os_error() == Some(ENOEXEC) => return run(&Program::Script(hook)),
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                thread::sleep(BUSY_PAUSE);
            }
            started => return started,
        }
    }
}
