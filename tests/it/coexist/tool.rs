use std::{fs, path::PathBuf};

use crate::world::{Ran, Repo, World, newest_git, peer, rare_peer};

/// A hook tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    PreCommit,
    Prek,
    Lefthook,
    Husky,
    /// By files in the hooks directory.
    Hk,
    /// By git's configuration.
    HkEntries,
}

/// The hooks that each is made to install, and that a commit runs, in order.
pub const AT_COMMIT: [&str; 3] = ["pre-commit", "commit-msg", "post-commit"];

const PRE_COMMIT_CONFIG: &str = "\
default_install_hook_types: [pre-commit, commit-msg, post-commit]
repos:
- repo: local
  hooks:
  - {id: a, name: a, language: system, entry: ./tell.sh pre-commit, always_run: true, pass_filenames: false, stages: [pre-commit]}
  - {id: b, name: b, language: system, entry: ./tell.sh commit-msg, always_run: true, pass_filenames: false, stages: [commit-msg]}
  - {id: c, name: c, language: system, entry: ./tell.sh post-commit, always_run: true, pass_filenames: false, stages: [post-commit]}
";

const LEFTHOOK_CONFIG: &str = "\
pre-commit: {jobs: [{run: ./tell.sh pre-commit}]}
commit-msg: {jobs: [{run: ./tell.sh commit-msg}]}
post-commit: {jobs: [{run: ./tell.sh post-commit}]}
";

const HK_CONFIG: &str = "\
hooks {
  [\"pre-commit\"] { steps { [\"a\"] { check = \"./tell.sh pre-commit\" } } }
  [\"commit-msg\"] { steps { [\"a\"] { check = \"./tell.sh commit-msg\" } } }
  [\"post-commit\"] { steps { [\"a\"] { check = \"./tell.sh post-commit\" } } }
}
";

impl Tool {
    /// A world with a git that the tool can do with.
    pub fn world(self) -> Option<World> {
        let world = World::new().patient();
        Some(if self == Self::HkEntries { world.with_program("git", &newest_git()?) } else { world })
    }

    pub fn program(self) -> Option<PathBuf> {
        match self {
            Self::PreCommit => peer("pre-commit"),
            Self::Prek => peer("prek"),
            Self::Lefthook => peer("lefthook"),
            Self::Husky => peer("husky"),
            Self::Hk | Self::HkEntries => rare_peer("hk"),
        }
    }

    /// Commits what the tool goes by: its hooks say in a file that they ran.
    pub fn configure(self, repo: &Repo<'_>) {
        World::script(&repo.path.join("tell.sh"), "#!/bin/sh\necho \"$1\" >> \"$HOME/ran\"\n");
        match self {
            Self::PreCommit | Self::Prek => {
                repo.write(".pre-commit-config.yaml", PRE_COMMIT_CONFIG);
            }
            Self::Lefthook => {
                repo.write("lefthook.yml", LEFTHOOK_CONFIG);
            }
            Self::Hk | Self::HkEntries => {
                repo.write("hk.pkl", HK_CONFIG);
            }
            Self::Husky => {
                for name in AT_COMMIT {
                    repo.write(&format!(".husky/{name}"), format!("./tell.sh {name}\n"));
                }
            }
        }
        repo.git(["add", "-A"]).fine();
        repo.git(["commit", "-qm", "configured"]).fine();
    }

    pub fn run(self, repo: &Repo<'_>, args: &[&str]) -> Ran {
        let program = self.program().expect("it is there: the test has looked");
        Ran::of(repo.command(program).args(args))
    }

    #[track_caller]
    pub fn install(self, repo: &Repo<'_>) -> Ran {
        let args: &[&str] = match self {
            Self::Husky => &[],
            // It writes over nothing that it has not written, unless it is told to.
            Self::Hk => &["install", "--legacy", "--force"],
            _ => &["install"],
        };
        self.run(repo, args).fine()
    }

    /// As its users do; husky has no command for it.
    #[track_caller]
    pub fn uninstall(self, repo: &Repo<'_>) {
        if self == Self::Husky {
            repo.git(["config", "--local", "--unset", "core.hooksPath"]).fine();
            fs::remove_dir_all(repo.path.join(".husky/_")).unwrap();
        } else {
            self.run(repo, &["uninstall"]).fine();
        }
    }
}
