//! How a command line's words for repositories are put to the governor.

use super::{Failure, context::absolute};
use crate::registry::{path_of_url, path_text};

/// Selectors for the governor, which does not know where the caller is: relative
/// paths are made absolute, all else is for it to decide.
pub(super) fn selectors(given: &[String]) -> Result<Vec<String>, Failure> {
    given.iter().map(|text| selector(text)).collect()
}

/// One of them.
pub(super) fn selector(text: &str) -> Result<String, Failure> {
    let has_key = ["tag:", "status:", "stage:"].iter().any(|key| text.starts_with(key));
    let is_path = matches!(text, "." | ".." | "~") || text.contains('/') && !has_key;
    if !is_path || path_of_url(text).is_some() {
        return Ok(text.to_owned());
    }
    // In quotes the shell leaves `~` to us.
    let path = match (text.strip_prefix('~'), std::env::home_dir()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => text.into(),
    };
    Ok(path_text(&absolute(&path)?))
}
