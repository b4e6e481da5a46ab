use std::{fs, path::PathBuf};

use crate::world::{Ran, Repo, World, peer};

/// A hook tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    PreCommit,
    Prek,
    Lefthook,
    Husky,
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

impl Tool {
    pub fn program(self) -> Option<PathBuf> {
        peer(match self {
            Self::PreCommit => "pre-commit",
            Self::Prek => "prek",
            Self::Lefthook => "lefthook",
            Self::Husky => "husky",
        })
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
        let args: &[&str] = if self == Self::Husky { &[] } else { &["install"] };
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
