//! What shells are told when somebody presses Tab.

use clap::CommandFactory as _;
use clap_complete::{CompleteEnv, env::Shells};

use super::{
    FINE, Failure,
    args::{Arguments, Shell},
    show::print,
};

/// Set by the scripts, to the shell's name. Not clap's own `COMPLETE`, which
/// others may set for reasons of their own.
const VARIABLE: &str = "KPMO_COMPLETE";

/// Answers a shell's script and ends the program, if one asks.
pub(super) fn answer() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).bin("kpmo").completer("kpmo").complete();
}

/// Prints the script that asks. It calls `kpmo` by its name, so that it works
/// with whichever the user runs.
pub(super) fn run(shell: Shell) -> Result<u8, Failure> {
    let shells = Shells::builtins();
    let writer = shells
        .completer(shell.name())
        .ok_or_else(|| Failure::new(format!("there are no completions for {}", shell.name())))?;
    let mut script = Vec::new();
    writer.write_registration(VARIABLE, "kpmo", "kpmo", "kpmo", &mut script)?;
    print(&String::from_utf8_lossy(&script));
    Ok(FINE)
}
