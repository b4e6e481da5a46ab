//! The command line: parse, call the governor, print. One file a command.

mod args;
mod candidates;
mod check;
mod completions;
mod context;
mod diff;
mod doctor;
mod down;
mod events;
mod failure;
mod fields;
mod found;
mod governor;
mod hooks;
mod ledger;
mod man;
mod names;
mod probe;
mod programs;
mod registry;
mod repo;
mod restore;
mod scan;
mod selectors;
mod set;
mod show;
mod show_snapshot;
mod snap;
mod snapshot;
mod snapshots;
mod status;
mod times;
mod up;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use context::Context;
use failure::Failure;

/// Exit status: all is well.
const FINE: u8 = 0;
/// Exit status: findings, or a refused operation.
const FINDINGS: u8 = 1;

/// Runs the command line.
pub fn main() -> ExitCode {
    completions::answer();
    let arguments = Arguments::parse();
    arguments.color.write_global();
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code())
        }
    }
}

fn run(arguments: Arguments) -> Result<u8, Failure> {
    // These are about no home at all: whoever packages kpmo has none.
    match &arguments.command {
        Command::Completions(options) => return completions::run(options.shell),
        Command::Man(options) => return man::run(options.dir.as_deref(), arguments.json),
        _ => {}
    }
    let context = Context::new(arguments.home.as_deref(), arguments.installed, arguments.json)?;
    if !context.home.state.is_dir() {
        let place = crate::fs::shown(context.home.root().unwrap_or(&context.home.state));
        if arguments.command.wants_home() {
            return Err(Failure::new(format!(
                "there is no home at {place}; `kpmo up` makes one, and sets all up"
            )));
        }
        if arguments.command.makes_no_home() {
            return Err(Failure::new(format!(
                "there is no home at {place} yet, and a dry run makes none; `kpmo governor start` does"
            )));
        }
    }
    match arguments.command {
        Command::Up(options) => up::run(&context, &options),
        Command::Down(options) => down::run(&context, &options),
        Command::Status(options) => status::run(&context, &options),
        Command::Check(options) => check::run(&context, &options),
        Command::Repo(command) => repo::run(&context, command),
        Command::Registry(command) => registry::run(&context, &command),
        Command::Scan(options) => scan::run(&context, &options),
        Command::InstallHooks(options) => hooks::install(&context, &options),
        Command::UninstallHooks(options) => hooks::uninstall(&context, &options),
        Command::Snapshot(options) => snapshot::run(&context, &options),
        Command::Snapshots(options) => snapshots::run(&context, &options),
        Command::Show(options) => show_snapshot::run(&context, &options),
        Command::Diff(options) => diff::run(&context, &options),
        Command::Restore(options) => restore::run(&context, &options),
        Command::Probe(command) => probe::run(&context, &command),
        Command::Doctor(options) => doctor::run(&context, &options),
        Command::Events(options) => events::run(&context, &options),
        Command::Ledger(command) => ledger::run(&context, &command),
        Command::Governor(command) => governor::run(&context, &command),
        Command::Completions(_) | Command::Man(_) => Ok(FINE),
    }
}
