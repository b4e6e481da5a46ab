//! How arguments name repositories. What they mean, the governor decides.

use std::{ffi::OsString, path::Path};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap_complete::engine::ArgValueCompleter;

use crate::{cli::candidates, fs::shown, registry::path_text};

/// The grammar, for people.
pub(super) const HELP: &str = "\
How repositories are named (REPO):
  NAME                 the exact name, or the id
  PATH                 of a repository, or of anything in it: `.`, `..`, or with a `/` in it
  tag:T                all with this tag, which may be a pattern
  status:S             all that are active, archived or offline-only
  stage:S              all in dev, staging or prod
  'api-*'              all whose names match: * and ? stand for any characters and for one,
                       [ab] for one of these, {one,two} for either; quote it for the shell
What can be several of these is the first of them. Several REPOs mean all that any of them
means. One that means nothing is an error; so is one that means several where one is wanted.";

/// A selector is text: the contract has it so, and so has the registry. A path that
/// is none is taken for a file URL.
pub(super) fn parser() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().try_map(|text: OsString| {
        text.into_string().or_else(|text| {
            let path = Path::new(&text);
            if text.as_encoded_bytes().contains(&b'/')
                && let Ok(path) = std::path::absolute(path)
            {
                return Ok(path_text(&path));
            }
            Err(format!("{} is not UTF-8; if it is a path, write ./ before it", shown(path)))
        })
    })
}

pub(super) fn completer() -> ArgValueCompleter {
    ArgValueCompleter::new(candidates::repos)
}
