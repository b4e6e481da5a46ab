//! What the kernel tells of hooks, and what is done about it.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{
    super::Governor,
    healing::{self, may_say_hooks},
    watching::Noticed,
};

/// The user's configuration of git, which may say where the hooks of every
/// repository are. What it includes is not watched.
struct Users {
    files: Vec<PathBuf>,
    /// Whether any of them may say something of hooks, when last looked at.
    may_say: AtomicBool,
}

impl Users {
    fn new() -> Self {
        let home = std::env::home_dir().unwrap_or_default();
        let xdg = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty());
        let xdg = xdg.map_or_else(|| home.join(".config"), PathBuf::from);
        let mut files = vec![home.join(".gitconfig"), xdg.join("git/config")];
        // Many keep theirs elsewhere and have a link here.
        let real: Vec<PathBuf> = files.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
        files.extend(real);
        files.retain(|path| path.is_absolute());
        let users = Self { files, may_say: AtomicBool::new(false) };
        users.concern_hooks();
        users
    }

    /// Whether they may say something of hooks, or did when last asked.
    fn concern_hooks(&self) -> bool {
        let now = self.files.iter().any(|path| fs::read(path).is_ok_and(|text| may_say_hooks(&text)));
        self.may_say.swap(now, Ordering::Relaxed) || now
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
        let users = Users::new();
        for file in users.files.iter().chain([&watcher.policy_file(), &watcher.hook_program()]) {
            watcher.healing.watching.watch_file(file);
        }
        watcher.guard_program();
        watcher.healing.watching.tell(|noticed| watcher.noticed(noticed, &users));
    });
    for spawned in [working, watching] {
        if let Err(error) = spawned {
            tracing::error!(%error, "a thread that looks after hooks could not be started");
        }
    }
}

impl Governor {
    fn noticed(&self, noticed: Noticed, users: &Users) {
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
                if users.concern_hooks() {
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
