use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Print a script that makes a shell complete kpmo's commands
///
/// What can be completed, names of repositories among it, the script asks kpmo for each time;
/// no governor is needed for that. For this session:
///   bash        source <(kpmo completions bash)
///   zsh         source <(kpmo completions zsh)
///   fish        kpmo completions fish | source
///   elvish      eval (kpmo completions elvish | slurp)
///   powershell  kpmo completions powershell | Out-String | Invoke-Expression
/// For every session put that line into the shell's profile. install/install.sh puts the
/// scripts of bash, zsh and fish where these look for them.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

impl Shell {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Elvish => "elvish",
            Self::Powershell => "powershell",
        }
    }
}

/// Write the manual pages, one a command
#[derive(Debug, Args)]
pub(in crate::cli) struct Man {
    /// Where to write them, for instance ~/.local/share/man/man1 [default: print the first]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
