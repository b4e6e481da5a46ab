use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

/// Where a repository's hooks belong, as the caller learned it from git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksPlace {
    /// The common git directory (`git rev-parse --git-common-dir`), absolute.
    pub common_dir: PathBuf,
    /// The top of the work tree, absolute; `None` for a bare repository.
    pub work_tree: Option<PathBuf>,
    /// `core.hooksPath`, if it is set anywhere.
    pub configured: Option<HooksPathConfig>,
    /// What git's configuration says of hooks by itself.
    pub entries: HookEntries,
}

/// `core.hooksPath` as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HooksPathConfig {
    /// The value after expansion of `~`. Relative ones start at the directory
    /// that hooks run in: the top of the work tree, or a bare repository itself.
    pub value: PathBuf,
    /// Whether it is set in this repository's own configuration.
    pub local: bool,
    /// As it is written there, where that is something else (`~/hooks`).
    pub written: Option<PathBuf>,
    /// What it would be without this repository's own configuration.
    pub inherited: Option<PathBuf>,
}

/// Hooks that git runs by its configuration (`hook.NAME.command`), from version
/// 2.54 on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookEntries {
    /// git's version, if it is too old for them; `None`: it runs them, or nobody
    /// has asked yet.
    pub too_old: Option<String>,
    /// The entries whose name begins with [`HookEntries::PREFIX`], by name.
    pub ours: BTreeMap<String, HookEntry>,
    /// Events of which git runs no hook at all (`hook.EVENT.enabled`).
    pub disabled: BTreeSet<String>,
}

impl HookEntries {
    /// What the names of kpmo's entries begin with; the event follows.
    pub const PREFIX: &str = "kpmo-";
}

/// One entry, as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookEntry {
    /// The command.
    pub command: OsString,
    /// On which events it is run.
    pub events: Vec<String>,
    /// It is not to be run (`hook.NAME.enabled`).
    pub disabled: bool,
}

/// Changes the repository's own configuration. Not called in a dry run.
pub trait RepoConfig {
    /// Sets `core.hooksPath` to `value`, which any bytes but NUL may be part of.
    fn set_hooks_path(&self, value: &Path) -> Result<(), Refused>;
    /// Takes `core.hooksPath` out; one that is not set is no error.
    fn unset_hooks_path(&self) -> Result<(), Refused>;
    /// Makes an entry that runs `command` on `event`, in the place of what there
    /// is under that name.
    fn set_hook(&self, name: &str, event: &str, command: &OsStr) -> Result<(), Refused>;
    /// Takes an entry out; one that is not there is no error.
    fn remove_hook(&self, name: &str) -> Result<(), Refused>;
}

/// Why the configuration could not be changed.
pub type Refused = Box<dyn Error + Send + Sync>;

/// By what git is made to run kpmo's hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HooksMode {
    /// Links in the hooks directory.
    Links,
    /// Entries in the repository's configuration.
    Config,
}

/// How kpmo's hooks fit into a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// git looks in the repository's own hooks directory.
    Direct,
    /// git looks elsewhere, where nothing may be touched.
    Elsewhere(HooksPathConfig),
    /// git looks in kpmo's directory already.
    Shadowed,
    /// As `Shadowed`, but the setting is of the place where the repository was
    /// before it was moved or copied.
    Moved {
        /// The common directory of that place.
        from: PathBuf,
    },
}

impl HooksPlace {
    /// The repository's own hooks directory.
    pub(super) fn hooks(&self) -> PathBuf {
        self.common_dir.join("hooks")
    }

    /// What kpmo keeps in the repository besides hooks.
    pub(super) fn own(&self) -> PathBuf {
        self.common_dir.join("kpmo")
    }

    /// The hooks directory that stands before a `core.hooksPath`.
    pub(super) fn shadow(&self) -> PathBuf {
        self.common_dir.join("kpmo/hooks")
    }

    /// Holds the `core.hooksPath` from before: its bytes and nothing else.
    pub(super) fn chain(&self) -> PathBuf {
        self.common_dir.join("kpmo/chain")
    }

    /// Says where that value was set, and how it was written there.
    pub(super) fn origin(&self) -> PathBuf {
        self.common_dir.join("kpmo/origin")
    }

    /// Is there if the hooks directory was not, before kpmo.
    pub(super) fn made_hooks(&self) -> PathBuf {
        self.common_dir.join("kpmo/made-hooks")
    }

    /// The directory that a `core.hooksPath` names. An empty one is the root to
    /// git, which puts a slash and the hook's name behind it.
    pub(super) fn resolve(&self, value: &Path) -> PathBuf {
        if value.as_os_str().is_empty() {
            return PathBuf::from("/");
        }
        self.work_tree.as_deref().unwrap_or(&self.common_dir).join(value)
    }

    /// How kpmo's hooks are installed; by links, if they are not.
    pub(super) fn mode(&self) -> HooksMode {
        if self.entries.ours.is_empty() { HooksMode::Links } else { HooksMode::Config }
    }

    /// A hooks directory that is itself a link is shared with something (often
    /// a tracked directory): it counts as elsewhere.
    pub(super) fn layout(&self) -> Layout {
        let hooks = self.hooks();
        let linked = hooks.is_symlink();
        let Some(configured) = &self.configured else {
            return if linked {
                Layout::Elsewhere(HooksPathConfig { value: hooks, ..HooksPathConfig::default() })
            } else {
                Layout::Direct
            };
        };
        let dir = self.resolve(&configured.value);
        if same_place(&dir, &self.shadow()) {
            return Layout::Shadowed;
        }
        if configured.local
            && self.chain().is_file()
            && dir.ends_with("kpmo/hooks")
            && let Some(from) = dir.ancestors().nth(2)
        {
            return Layout::Moved { from: from.to_owned() };
        }
        if !linked && same_place(&dir, &hooks) {
            return Layout::Direct;
        }
        Layout::Elsewhere(configured.clone())
    }
}

/// Where whoever sets `core.hooksPath` may keep what it took the place of; it goes away
/// with kpmo's hooks.
pub fn config_record(common_dir: &Path) -> PathBuf {
    common_dir.join("kpmo/config-lines")
}

fn same_place(one: &Path, other: &Path) -> bool {
    one == other
        || fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}
