//! What a repository is like at this moment, and how to say it again fast.
//!
//! The truth is `git status`, one process a repository. Two things spare it:
//!
//! * What it said is remembered together with a [`stamp`](stamp::Stamp) of all
//!   that it rested on: every file of the work tree that git looks at, the index,
//!   refs, configuration and ignore rules of the repository and of the user. The
//!   same stamp, and none of it younger than the answer: the same answer. The
//!   files' names are remembered, too (`listing`).
//! * Where nothing is remembered, a repository that is plainly clean is known
//!   from its index (`quick`): every file as the index has it, no other file,
//!   HEAD's tree the index's.
//!
//! Whatever is in doubt (an unknown file system, a link in an odd place, a file
//! that changed a moment ago) is no reason to guess: git is asked again.

mod index;
mod listing;
mod memory;
mod nested;
mod operation;
mod places;
mod quick;
mod stamp;
mod submodules;
#[cfg(test)]
mod tests;
mod tree;
mod users;

use std::collections::HashMap;

use super::{Git, GitError, Head, Location};
use submodules::Change;

pub use memory::{Look, Memory, Seen, SubmoduleState};
pub use operation::Operation;

/// A repository and its work tree at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkState {
    /// Where HEAD points.
    pub head: Head,
    /// There is no work tree.
    pub is_bare: bool,
    /// Paths that differ from HEAD, or are untracked and not ignored; a
    /// directory of which nothing is tracked counts as one, and so does a submodule
    /// with changes of its own.
    pub dirty: u32,
    /// Of these: the index differs from HEAD.
    pub staged: u32,
    /// Of these: the work tree differs from the index.
    pub unstaged: u32,
    /// Of these: git does not know them.
    pub untracked: u32,
    /// Of these: in conflict.
    pub conflicted: u32,
    /// Short name of the upstream branch, whether or not it is there.
    pub upstream: Option<String>,
    /// Commits ahead of and behind the upstream, if that is there.
    pub ahead_behind: Option<(u32, u32)>,
    /// Entries of the stash.
    pub stash: u32,
    /// What git is in the middle of.
    pub operation: Option<Operation>,
}

/// What git said.
#[derive(Debug)]
struct Answer {
    /// What lies uncommitted in submodules is not told.
    state: WorkState,
    /// Paths that it ignores.
    ignored: Vec<Vec<u8>>,
    /// What the index has as submodules, and is changed.
    submodules: HashMap<Vec<u8>, Change>,
    /// `.gitmodules` is not in conflict.
    has_modules: bool,
}

impl Answer {
    fn of(state: WorkState) -> Self {
        Self { state, ignored: Vec::new(), submodules: HashMap::new(), has_modules: true }
    }
}

/// Asks git; of a bare repository HEAD and stash are told.
fn ask(git: &Git, location: &Location) -> Result<Answer, GitError> {
    let mut answer = match location.work_tree {
        Some(_) => ask_status(git, location)?,
        None => Answer::of(bare(git, location)?),
    };
    answer.state.operation = operation::of(git, location)?;
    Ok(answer)
}

fn ask_status(git: &Git, location: &Location) -> Result<Answer, GitError> {
    // In a submodule's work tree git would run what that one's configuration
    // names. What is ignored tells where nothing need be looked at later.
    let args = [
        "status",
        "--porcelain=v2",
        "--branch",
        "--show-stash",
        "--ahead-behind",
        "-z",
        "--untracked-files=normal",
        "--ignored=matching",
        "--ignore-submodules=dirty",
    ];
    let mut command = git.at(location)?;
    git.without_its_filters(&mut command, location)?;
    command.args(args);
    Ok(parse(&git.finish(command, location, &args)?))
}

/// `git status --porcelain=v2 -z`, as git-status(1) has it.
fn parse(output: &[u8]) -> Answer {
    let mut answer = Answer::of(WorkState::default());
    let state = &mut answer.state;
    let mut fields = output.split(|byte| *byte == 0);
    while let Some(field) = fields.next() {
        match field {
            [b'#', b' ', header @ ..] => parse_header(&String::from_utf8_lossy(header), state),
            [kind @ (b'1' | b'2'), b' ', staged, unstaged, ..] => {
                let change = Change { is_staged: *staged != b'.', is_unstaged: *unstaged != b'.' };
                state.dirty += 1;
                state.staged += u32::from(change.is_staged);
                state.unstaged += u32::from(change.is_unstaged);
                // `<kind> <XY> <sub> <mH> <mI> <mW> <hH> <hI> [<score>] <path>`
                let (is_renamed, has_commit) = (*kind == b'2', field.get(17..24) == Some(b"160000 "));
                let path = field.splitn(if is_renamed { 10 } else { 9 }, |byte| *byte == b' ').last();
                answer.submodules.extend(path.filter(|_| has_commit).map(|path| (path.to_vec(), change)));
                if is_renamed {
                    // A rename's second path has a field of its own.
                    fields.next();
                }
            }
            [b'u', b' ', ..] => {
                state.dirty += 1;
                state.conflicted += 1;
                answer.has_modules &= !field.ends_with(b" .gitmodules");
            }
            [b'?', b' ', ..] => {
                state.dirty += 1;
                state.untracked += 1;
            }
            [b'!', b' ', path @ ..] => {
                answer.ignored.push(path.strip_suffix(b"/").unwrap_or(path).to_vec());
            }
            _ => {}
        }
    }
    answer
}

fn parse_header(header: &str, state: &mut WorkState) {
    match header.split_once(' ') {
        Some(("branch.oid", id)) => state.head.commit = (id != "(initial)").then(|| id.to_owned()),
        Some(("branch.head", name)) => state.head.branch = (name != "(detached)").then(|| name.to_owned()),
        Some(("branch.upstream", name)) => state.upstream = Some(name.to_owned()),
        Some(("branch.ab", counts)) => {
            let mut counts = counts.split(' ').map(|count| count.get(1..)?.parse().ok());
            state.ahead_behind = counts.next().flatten().zip(counts.next().flatten());
        }
        Some(("stash", count)) => state.stash = count.parse().unwrap_or(0),
        _ => {}
    }
}

fn bare(git: &Git, location: &Location) -> Result<WorkState, GitError> {
    let stash = ["rev-list", "--walk-reflogs", "--count", "refs/stash"];
    let has_stash = git.maybe(location, &["rev-parse", "--quiet", "--verify", "refs/stash"])?.is_some();
    let stash = if has_stash { git.output(location, &stash)? } else { Vec::new() };
    Ok(WorkState {
        head: super::open(git, location)?.head()?,
        is_bare: true,
        stash: String::from_utf8_lossy(&stash).trim().parse().unwrap_or(0),
        ..WorkState::default()
    })
}
