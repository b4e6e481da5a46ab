//! Hooks that somebody else changed are put in place again.
//!
//! It is noticed as it happens, where the kernel tells ([`super::watching`]); and
//! where the governor comes by anyway: after each event of the past (a look at a
//! few files' times, off git's way), when `status` finds them otherwise than they
//! should be, and at the start. One thread heals, and only where kpmo's hooks were
//! installed and something of them is left: what somebody took away altogether
//! stays away.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    super::{Error, Governor, calm, commit::Subject, errands::Errands, locked},
    RepoHooks, events_of,
    setting::Setting,
    watching::Watching,
};
use crate::{
    fs::{
        Change, DryRun, RealWriter,
        answering::{self, NoAnswer, PATIENCE},
    },
    git::Location,
    install::{self, HookEntries, HooksPlace, HooksState, READ_BY_OTHERS, Wanted},
    ledger::{EventDraft, EventKind},
    policy::PolicyVersion,
    registry::Repo,
};

/// How often a repository's hooks are healed within [`CONTEST`]: where somebody
/// else (another home's governor) puts theirs back each time, it must end.
const MOST_HEALED: usize = 8;
const CONTEST: Duration = Duration::from_secs(60);

/// Which repositories' hooks are to be looked at.
#[derive(Default)]
pub(in super::super) struct Healing {
    /// By their paths; more: somebody has seen that something is wrong.
    errands: Errands<PathBuf, Repo>,
    state: Mutex<State>,
    /// One at a time changes the hooks of a repository.
    turns: Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>,
    pub(super) watching: Watching,
    /// Known is that the configuration that is no repository's says nothing of hooks.
    pub(super) general_is_silent: AtomicBool,
    /// The policy that hooks were last thought of under.
    policy: Mutex<Option<Arc<PolicyVersion>>>,
}

#[derive(Default)]
struct State {
    /// How repositories looked when all was well, or no better could be done; by
    /// their common directory.
    seen: HashMap<PathBuf, Looks>,
    /// When hooks were healed of late, by the common directory.
    healed: HashMap<PathBuf, VecDeque<Instant>>,
}

/// What would be otherwise if anybody had changed hooks, less what only git could
/// tell (a `core.hooksPath` of the user's or the system's).
#[derive(PartialEq, Eq)]
struct Looks {
    files: Vec<Option<Signature>>,
    events: Vec<&'static str>,
}

/// Device, inode, size, and times of change.
type Signature = (u64, u64, u64, i64, i64, i64, i64);

impl Looks {
    fn of(location: &Location, events: Vec<&'static str>) -> Self {
        let hooks = location.common_dir.join("hooks");
        let own = location.common_dir.join("kpmo/hooks");
        let at_top = location.work_tree.iter().flat_map(|top| READ_BY_OTHERS.map(|name| top.join(name)));
        let files = [location.common_dir.join("config"), hooks.clone(), own.clone()]
            .into_iter()
            .chain(events.iter().map(|event| hooks.join(event)))
            .chain(events.iter().map(|event| own.join(event)))
            .chain(at_top)
            .chain(before(location));
        Self { files: files.map(|path| signature(&path)).collect(), events }
    }
}

/// The directory that kpmo's own comes before: what comes there later, git would run.
fn before(location: &Location) -> Option<PathBuf> {
    let chain = location.common_dir.join("kpmo/chain");
    let chain = if chain.is_file() { fs::read(chain).ok()? } else { return None };
    let dir = crate::fs::path_from(&chain);
    let top = location.work_tree.as_deref().unwrap_or(&location.common_dir);
    Some(top.join(dir))
}

fn signature(path: &Path) -> Option<Signature> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((
        found.dev(),
        found.ino(),
        found.size(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ))
}

impl Healing {
    /// Whoever changes the hooks of this repository holds this.
    pub(super) fn turn(&self, location: &Location) -> Arc<Mutex<()>> {
        Arc::clone(locked(&self.turns).entry(location.common_dir.clone()).or_default())
    }

    pub(super) fn want(&self, repo: &Repo, is_wrong: bool) {
        self.errands.want(repo.local_path.clone(), repo.clone(), is_wrong);
    }

    fn has_seen(&self, location: &Location, looks: &Looks) -> bool {
        locked(&self.state).seen.get(&location.common_dir) == Some(looks)
    }

    fn see(&self, location: &Location, looks: Looks) {
        locked(&self.state).seen.insert(location.common_dir.clone(), looks);
    }

    /// Counts that hooks are about to be healed; false: it has been too often.
    fn may_heal(&self, location: &Location) -> bool {
        let mut state = locked(&self.state);
        let healed = state.healed.entry(location.common_dir.clone()).or_default();
        healed.retain(|at| at.elapsed() < CONTEST);
        if healed.len() < MOST_HEALED {
            healed.push_back(Instant::now());
            return true;
        }
        false
    }

    /// Begins nothing new. What is being done is not waited for: a process that
    /// ends in the middle leaves every hook working.
    pub(in super::super) fn finish(&self) {
        self.errands.finish();
        self.watching.end();
    }
}

/// Works off what is wanted, until the governor ends.
pub(super) fn work(governor: &Governor) {
    calm::be_nice();
    governor.calm.wait(calm::LONG_QUIET, || governor.is_stopping());
    while let Some((path, errand)) = governor.healing.errands.next() {
        governor.calm.wait(calm::QUIET, || governor.is_stopping());
        let repo = &errand.about;
        match governor.heal(repo, errand.is_more) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(repo = repo.name, %error, "hooks could not be looked after"),
            Err(NoAnswer) => governor.healing.errands.postpone(path, errand),
        }
    }
}

impl Governor {
    /// Called when something happened in a repository: a look that costs a few
    /// microseconds, and more only if anything is otherwise than last time.
    pub(in super::super) fn look_after_hooks(&self, subject: &Subject, location: &Location) {
        let Some(repo) = &subject.repo else { return };
        if !self.healing.has_seen(location, &Looks::of(location, self.events_for(repo))) {
            self.healing.want(repo, false);
        }
    }

    /// Watches the hooks that were just put, and takes them as they are for well.
    pub(super) fn keep_hooks(&self, repo: &Repo, location: &Location, hooks: &RepoHooks) {
        self.healing.watching.watch(&repo.local_path, location);
        self.let_lfs_install(repo, location);
        if hooks.state == HooksState::Ok {
            self.healing.see(location, Looks::of(location, self.events_for(repo)));
        }
    }

    /// A policy that was just taken in may want other hooks than the one before.
    pub(in super::super) fn hooks_follow(&self, policy: &Arc<PolicyVersion>) {
        let before = {
            let mut known = locked(&self.healing.policy);
            if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy)) {
                return;
            }
            known.replace(Arc::clone(policy))
        };
        let Some(before) = before else { return };
        let events =
            |policy: &PolicyVersion, repo: &Repo| events_of(&policy.effective(Some(&repo.name), &repo.tags));
        for repo in &self.registry_view().document.repos {
            if events(&before, repo) != events(policy, repo) {
                self.healing.want(repo, false);
            }
        }
    }

    /// Has the hooks of a repository healed soon, if they are to be.
    pub(in super::super) fn want_healing(&self, repo: &Repo) {
        self.healing.want(repo, true);
    }

    /// Puts the hooks of a repository in place again, if anybody changed them.
    fn heal(&self, repo: &Repo, is_wrong: bool) -> Result<Result<(), Error>, NoAnswer> {
        if !self.settings().hooks.heal {
            return Ok(Ok(()));
        }
        let found =
            answering::within(&repo.local_path, PATIENCE, |path| path.exists().then(|| Location::at(path)))?;
        Ok(match found {
            // The registry follows when somebody says so; hooks work all the while.
            None => match self.renamed(repo) {
                Some(location) => self.heal_at(repo, &location, true),
                None => Ok(()),
            },
            Some(Ok(location)) => self.heal_at(repo, &location, is_wrong),
            Some(Err(error)) => Err(error.into()),
        })
    }

    fn heal_at(&self, repo: &Repo, location: &Location, is_wrong: bool) -> Result<(), Error> {
        // Before the look: what changes from here on is told.
        self.healing.watching.watch(&repo.local_path, location);
        let turn = self.healing.turn(location);
        let _turn = locked(&turn);
        let (program, events) = (self.hook_program(), self.events_for(repo));
        let wanted = Wanted { program: &program, events: &events, mode: None };
        let setting = Setting { git: &self.git, location };
        let looks = Looks::of(location, events.clone());
        // What the kernel tells is most often what the governor did itself.
        if !is_wrong && self.healing.has_seen(location, &looks) {
            return Ok(());
        }
        self.let_lfs_install(repo, location);
        // Of most repositories their own files say that all is well, and git need
        // not be started for each of a fleet.
        if !is_wrong
            && let Some(place) = self.plain(location)
            && !Self::is_due(&place, &wanted, &setting)?
        {
            self.healing.see(location, looks);
            return Ok(());
        }
        // Before it is tried: what can't be healed is not tried at every turn.
        self.healing.see(location, looks);
        let place = self.hooks_place(location, None)?;
        if !install::is_installed(&place, &program)? || !Self::is_due(&place, &wanted, &setting)? {
            return Ok(());
        }
        if !self.healing.may_heal(location) {
            tracing::warn!(repo = repo.name, "somebody changes the hooks each time they are healed");
            return Ok(());
        }
        let before = install::check(&place, &wanted)?.state;
        let healed = RepoHooks::from(install::install(&place, &wanted, &setting, &RealWriter)?);
        self.let_lfs_install(repo, location);
        self.healing.see(location, Looks::of(location, events.clone()));
        let mut changed = healed.changed().join(",");
        if changed.is_empty() {
            if healed.state == before {
                return Ok(());
            }
            "core.hooksPath".clone_into(&mut changed);
        }
        tracing::info!(repo = repo.name, hooks = changed, "hooks were changed by others and are healed");
        let mut draft = EventDraft::new(EventKind::HooksHealed, "governor");
        draft.repo_id.clone_from(&repo.id);
        draft.attributes.insert("hooks".into(), changed);
        draft.attributes.insert("before".into(), before.as_str().into());
        self.ledger.append(draft)?;
        // What came while they were not there.
        self.want_missed(repo.id.as_deref());
        Ok(())
    }

    /// The place of a repository of which no configuration says anything of hooks;
    /// its own leads to no other file.
    pub(super) fn plain(&self, location: &Location) -> Option<HooksPlace> {
        let text = fs::read(location.common_dir.join("config")).ok()?;
        if !self.healing.general_is_silent.load(Ordering::Relaxed)
            || may_say_hooks(&text)
            || says(&text, b"include")
            || location.common_dir.join("config.worktree").exists()
        {
            return None;
        }
        Some(HooksPlace {
            common_dir: location.common_dir.clone(),
            work_tree: location.work_tree.clone(),
            configured: None,
            entries: HookEntries::default(),
        })
    }

    /// Whether there is anything to put in place.
    fn is_due(place: &HooksPlace, wanted: &Wanted<'_>, setting: &Setting<'_>) -> Result<bool, Error> {
        if install::check(place, wanted)?.state != HooksState::Ok {
            return Ok(true);
        }
        let dry = DryRun::default();
        let due = RepoHooks::from(install::install(place, wanted, setting, &dry)?);
        // Of hooks that kpmo only passes on nothing is reported.
        let own = place.common_dir.join("kpmo/hooks");
        let is_link = |change: &Change| match change {
            Change::Link(_, path) | Change::Write(path, _) | Change::Remove(path) => path.starts_with(&own),
            _ => false,
        };
        Ok(!due.changed().is_empty() || dry.changes().iter().any(is_link))
    }
}

/// Whether a configuration's text may say something of hooks.
pub(super) fn may_say_hooks(text: &[u8]) -> bool {
    [&b"hookspath"[..], b"[hook", HookEntries::PREFIX.as_bytes()].into_iter().any(|word| says(text, word))
}

fn says(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}
