//! What the kernel tells of hooks, and what is done about it.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
};

use super::{
    super::{Governor, locked},
    healing::{self, may_say_hooks},
    watching::Noticed,
};
use crate::git;

/// The configuration of git that is no repository's, and may say where the hooks of
/// every one are.
struct General {
    /// With those that may come.
    files: Mutex<BTreeSet<PathBuf>>,
}

impl General {
    /// Finds the files, and watches them.
    fn new(governor: &Governor) -> Self {
        let general = Self { files: Mutex::default() };
        general.find(governor);
        general.concern_hooks(governor);
        general
    }

    /// Finds them again: one may have come to include another.
    fn find(&self, governor: &Governor) {
        let home = std::env::home_dir().unwrap_or_default();
        let xdg = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty());
        let xdg = xdg.map_or_else(|| home.join(".config"), PathBuf::from);
        let mut files = BTreeSet::from([home.join(".gitconfig"), xdg.join("git/config")]);
        // A mistake in them is git's to tell.
        files.extend(git::general_config_files(&governor.git, &home).unwrap_or_default());
        // Many keep theirs elsewhere and have a link here.
        let real: Vec<PathBuf> = files.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
        files.extend(real);
        files.retain(|path| path.is_absolute());
        for file in &files {
            governor.healing.watching.watch_file(file);
        }
        *locked(&self.files) = files;
    }

    /// Whether they may say something of hooks, or did when last asked.
    fn concern_hooks(&self, governor: &Governor) -> bool {
        let says = |path: &PathBuf| fs::read(path).is_ok_and(|text| may_say_hooks(&text));
        let now = locked(&self.files).iter().any(says);
        !governor.healing.general_is_silent.swap(!now, Ordering::Relaxed) || now
    }
}

/// Starts the threads: one waits for what the kernel tells, the other looks after
/// hooks, and begins with every repository.
pub(in super::super) fn start(governor: &Arc<Governor>) {
    for repo in &governor.registry_view().document.repos {
        governor.healing.want(repo, false);
    }
    let worker = Arc::clone(governor);
    let working = thread::Builder::new().name("hooks".into()).spawn(move || healing::work(&worker));
    let watcher = Arc::clone(governor);
    let watching = thread::Builder::new().name("hooks-watch".into()).spawn(move || {
        for file in [watcher.policy_file(), watcher.hook_program()] {
            watcher.healing.watching.watch_file(&file);
        }
        let general = General::new(&watcher);
        watcher.guard_program();
        watcher.healing.watching.tell(|noticed| watcher.noticed(noticed, &general));
    });
    for spawned in [working, watching] {
        if let Err(error) = spawned {
            tracing::error!(%error, "a thread that looks after hooks could not be started");
        }
    }
}

impl Governor {
    fn noticed(&self, noticed: Noticed, general: &General) {
        match noticed {
            Noticed::Repo(path) => {
                let view = self.registry_view();
                match view.document.repos.iter().find(|repo| repo.local_path == path) {
                    Some(repo) => self.healing.want(repo, false),
                    None => self.healing.watching.forget(&path),
                }
            }
            Noticed::File(path) if path == self.hook_program() => self.guard_program(),
            // Taken in by looking at it.
            Noticed::File(path) if path == self.policy_file() => drop(self.policy()),
            Noticed::File(_) => {
                general.find(self);
                if general.concern_hooks(self) {
                    self.want_all(true);
                }
            }
            Noticed::Everything => {
                self.guard_program();
                self.want_all(true);
            }
        }
    }

    fn policy_file(&self) -> PathBuf {
        self.home().config.join("policy.yml")
    }

    /// Has every repository's hooks looked at; `is_wrong`: by git, since their own
    /// files do not tell.
    fn want_all(&self, is_wrong: bool) {
        for repo in &self.registry_view().document.repos {
            self.healing.want(repo, is_wrong);
        }
    }
}
