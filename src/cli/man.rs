use std::path::Path;

use clap::{Command, CommandFactory as _};
use serde_json::json;

use super::{
    FINE, Failure,
    args::Arguments,
    context::absolute,
    show::{self, counted, print, print_bytes, print_json},
};
use crate::fs::{RealWriter, Writer as _, bytes_of};

/// Manual pages are everybody's to read.
const MODE: u32 = 0o644;

/// Writes the pages to `dir`, or prints the first.
pub(super) fn run(dir: Option<&Path>, as_json: bool) -> Result<u8, Failure> {
    let pages = pages()?;
    let Some(dir) = dir else {
        print_bytes(&pages[0].1);
        return Ok(FINE);
    };
    let dir = absolute(dir)?;
    RealWriter.create_dir_all(&dir, 0o755)?;
    for (name, page) in &pages {
        RealWriter.write(&dir.join(name), page, MODE)?;
    }
    if as_json {
        let names: Vec<_> = pages.iter().map(|(name, _)| name).collect();
        print_json(&json!({ "dir": dir.to_string_lossy(), "pages": names }));
    } else {
        let count = counted(pages.len() as u64, "page", "pages");
        print(&format!("wrote {count} to {}\n", show::path(&bytes_of(&dir))));
    }
    Ok(FINE)
}

/// Every page, by its file's name; that of `kpmo` itself first.
fn pages() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    // `kpmo help COMMAND` shows what the pages say.
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    Ok(pages)
}

fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let man = clap_mangen::Man::new(command.clone())
        .manual("kpmo")
        .source(format!("kpmo {}", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render(&mut page)?;
    pages.push((man.get_filename(), page));
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        collect(command, pages)?;
    }
    Ok(())
}
