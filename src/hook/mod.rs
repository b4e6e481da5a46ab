//! What `kpmo-hook` does: learn the event, run the chained hook, ask the
//! governor once, say what it said, exit.
//!
//! git waits for this process at every commit. It links a socket and a protobuf
//! codec, starts nothing but a chained hook or an absent governor, reads two
//! small files, and is silent when all is well.

mod call;
pub(crate) mod chain;
mod event;
mod invocation;
mod say;
mod signals;

use std::{
    ffi::{OsStr, OsString},
    io::{IsTerminal, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{
    client::{Endpoint, Home, Unreachable, keep, not_reached, reached, was_not_reached},
    generated::kanban::{HookEvent, HookRequest, Verdict},
};
use event::Kind;

/// Most of standard input that the governor is told. A push of 10,000 refs stays
/// below.
const STDIN_LIMIT: usize = 2 << 20;

const USAGE: &str = "\
kpmo-hook: what git runs as a hook; it asks the kpmo governor and passes on its verdict.

Usage: kpmo-hook run EVENT [ARGS...]   do by hand what git would trigger
       kpmo-hook --version | --help

EVENT  pre-commit, pre-merge-commit, commit-msg, pre-push, post-commit,
       post-checkout, post-merge, post-rewrite, post-applypatch or pre-rebase, with the
       arguments
       and the standard input that githooks(5) describes.

Installed by `kpmo install-hooks`, it learns EVENT from the name it is run by.

Environment:
  KPMO_HOOK=0   judge nothing this time (the governor is told all the same)
  KPMO_HOME     directory of the governor's home, where the program stands in none
  KPMO_SOCKET   path of the governor's socket

Exit status: 0 go on; 1 refused; 2 usage; otherwise that of a chained hook.
";

/// Runs the hook and returns the process's exit status.
pub fn main() -> i32 {
    let mut args = std::env::args_os();
    let invoked_as = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    let own_name = Path::new(&invoked_as).file_name().is_some_and(|name| name == "kpmo-hook");
    if own_name && std::env::var_os(chain::NAME_VARIABLE).is_none() {
        return by_hand(&args);
    }
    match chain::invocation(&invoked_as) {
        Some(invocation) => as_hook(&invocation, &args),
        None => {
            say::line(&format!(
                "{} is the name of no hook of git's; run `kpmo-hook --help`",
                say::escaped(invoked_as.as_bytes())
            ));
            2
        }
    }
}

/// `kpmo-hook run EVENT`, `--help`, `--version`.
fn by_hand(args: &[OsString]) -> i32 {
    let words: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    match words.as_slice() {
        [b"--help" | b"-h" | b"help"] => {
            print!("{USAGE}");
            0
        }
        [b"--version" | b"-V"] => {
            println!("kpmo-hook {}", env!("CARGO_PKG_VERSION"));
            0
        }
        [b"run", event, ..] => match event::parse(event) {
            Some(kind) => {
                if git_waits() {
                    end_with_git(kind);
                }
                judge(kind, &args[2..], read_stdin(kind))
            }
            None => {
                say::line(&format!(
                    "{} is no event that kpmo judges; run `kpmo-hook --help`",
                    say::escaped(event)
                ));
                2
            }
        },
        _ => {
            eprint!("{USAGE}");
            2
        }
    }
}

/// git, or another tool's hook, runs us in a hook's place.
fn as_hook(invocation: &chain::Invocation, args: &[OsString]) -> i32 {
    if invocation.nested {
        return 0;
    }
    let kind = event::parse(invocation.name.as_bytes());
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let chained = invocation.chained(&cwd);
    let Some(kind) = kind else {
        // Stands here only because kpmo's hooks directory hides the one that
        // core.hooksPath named: pass through.
        let Some((last, others)) = chained.split_last() else { return 0 };
        return match run_all(others, args, None, invocation) {
            0 => chain::replace_process(last, args, invocation),
            code => code,
        };
    };
    end_with_git(kind);
    let stdin = read_stdin(kind);
    match run_all(&chained, args, stdin.as_deref(), invocation) {
        0 => {}
        code => return code,
    }
    if kind.event != HookEvent::PrePush {
        return judge(kind, args, stdin);
    }
    match judge(kind, args, stdin.clone()) {
        0 => {}
        code => return code,
    }
    // The governor may just have let a tool put its hook there, without which this
    // very push would be wrong: see its `hooks/lfs.rs`.
    let mut came = invocation.chained(&cwd);
    came.retain(|hook| !chained.contains(hook));
    run_all(&came, args, stdin.as_deref(), invocation)
}

/// Runs one chained hook after the other; the first that fails has the last word.
fn run_all(
    hooks: &[PathBuf],
    args: &[OsString],
    stdin: Option<&[u8]>,
    invocation: &chain::Invocation,
) -> i32 {
    for hook in hooks {
        match chain::run_chained(hook, args, stdin, invocation) {
            Ok(0) => {}
            Ok(code) => return code,
            Err(error) => {
                say::line(&format!("cannot run the chained hook {}: {error}", hook.display()));
                return 1;
            }
        }
    }
    0
}

/// Where git is killed, nobody waits for this process and its chained hook any
/// more, and git itself ends no hook. What has happened is told all the same.
fn end_with_git(kind: Kind) {
    #[cfg(target_os = "linux")]
    if !kind.is_past() {
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = kind;
}

/// Whether git itself started this process, as it does by its configuration.
fn git_waits() -> bool {
    let parent = std::os::unix::process::parent_id();
    std::fs::read(format!("/proc/{parent}/comm")).is_ok_and(|name| name.trim_ascii_end() == b"git")
}

/// What git wrote for the hook; `None` for events that get nothing, so that a
/// chained hook inherits what git gave us.
fn read_stdin(kind: Kind) -> Option<Vec<u8>> {
    if !kind.reads_stdin() || std::io::stdin().is_terminal() {
        return None;
    }
    let mut bytes = Vec::new();
    // What can't be read is as good as empty: the governor then says so.
    let _ = std::io::stdin().read_to_end(&mut bytes);
    Some(bytes)
}

/// Asks the governor, and does as it says.
fn judge(kind: Kind, args: &[OsString], stdin: Option<Vec<u8>>) -> i32 {
    let skipped = std::env::var_os("KPMO_HOOK").is_some_and(|value| value == OsStr::new("0"));
    // What has not happened yet may not come to pass; but a push leaves no other
    // trace.
    let is_push = kind.event == HookEvent::PrePush;
    if skipped && !kind.is_past() && !is_push {
        return 0;
    }
    // A push's second argument is a URL, which may hold a password.
    let args = if skipped && is_push { remote_name(args) } else { args };
    let mut request = call::request(kind.event, args, stdin);
    let home = match Home::of_hook() {
        Ok(home) => home,
        Err(_) if skipped => return 0,
        Err(error) => return unreachable(kind, None, &request, &error.to_string()),
    };
    let endpoint = Endpoint::read(&home);
    if skipped {
        request.skipped = true;
        request.stdin.truncate(STDIN_LIMIT);
        pass_by(&home, endpoint.as_ref(), &request);
        return 0;
    }
    if request.stdin.len() > STDIN_LIMIT {
        if !kind.is_past() {
            let why = "it is of more refs than can be judged at once: push them in several parts";
            return unreachable(kind, Some((&home, endpoint.as_ref())), &request, why);
        }
        request.stdin.truncate(STDIN_LIMIT);
    }
    if kind.is_past() && was_not_reached(&home) && keep(&home.spool(), &request, true).is_ok() {
        return 0;
    }
    match call::call(&home, endpoint.as_ref(), kind, request.clone()) {
        Ok(_) if kind.is_only_told() => 0,
        Ok(response) => {
            if !kind.is_past() {
                reached(&home);
            }
            say::findings(kind, &response);
            i32::from(response.verdict() == Verdict::Refuse)
        }
        Err(failure) => unreachable(kind, Some((&home, endpoint.as_ref())), &request, &failure.to_string()),
    }
}

/// The remote's name among what git told pre-push, if it has one.
fn remote_name(args: &[OsString]) -> &[OsString] {
    match args {
        [name, url, ..] if name != url => &args[..1],
        _ => &[],
    }
}

/// What goes by unjudged because somebody wants it so is noticed: the governor is
/// told if it is there, else finds it kept. Nobody is kept waiting or hears of it.
fn pass_by(home: &Home, endpoint: Option<&Endpoint>, request: &HookRequest) {
    if call::tell(home, endpoint, request.clone()).is_err() && home.state.is_dir() {
        let _ = keep(&home.spool(), request, true);
    }
}

/// The governor gave no verdict: remember the event, and follow
/// `on_unreachable`.
fn unreachable(
    kind: Kind,
    home: Option<(&Home, Option<&Endpoint>)>,
    request: &HookRequest,
    why: &str,
) -> i32 {
    if kind.is_only_told() {
        // What was to be remembered is gone by the time that anybody is there.
        return 0;
    }
    let wanted = home.and_then(|(_, endpoint)| endpoint).map(|e| e.on_unreachable).unwrap_or_default();
    let block = match kind.event {
        HookEvent::PrePush => wanted.push == Unreachable::Block,
        _ if kind.is_past() => false,
        _ => wanted.commit == Unreachable::Block,
    };
    if block {
        say::blocked(kind, why);
        return 1;
    }
    if kind.event == HookEvent::CommitMsg {
        // pre-commit has said it, and the commit is judged with its message when
        // it is there.
        return 0;
    }
    // A push that went through unjudged leaves nothing to judge later but its
    // commits, and those have hooks of their own.
    let spooled = match (kind.event, home) {
        (HookEvent::PrePush, _) => Ok(()),
        (_, Some((home, _))) => {
            not_reached(home);
            let spool = home.spool();
            keep(&spool, request, true)
                .map(drop)
                .map_err(|error| format!("cannot write to {}: {error}", spool.display()))
        }
        (_, None) => Err("there is no home to keep it in".to_owned()),
    };
    match spooled {
        // The commit's own hook has said it already.
        Ok(()) if kind.is_past() => {}
        Ok(()) => say::unjudged(kind, why),
        Err(error) => say::not_kept(kind, why, &error),
    }
    0
}
