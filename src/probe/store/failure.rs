//! What the engine says, in the store's own words.

use std::{any::Any, error::Error, io, path::Path};

use rustic_core::RusticError;

use super::StoreError;

/// Thrown (not as a panic: nothing is printed) through the engine by whoever is
/// told to stop, and caught where the engine was called.
#[derive(Debug)]
pub(super) struct Stop;

/// An error of the engine's, met while doing `what` beneath `path`.
pub(super) fn of_engine(what: &'static str, path: &Path, error: &RusticError) -> StoreError {
    let message = in_one_line(&error.display_log());
    if is_full(error) || says_full(&message) {
        return StoreError::Full { what, path: path.into() };
    }
    StoreError::Store { what, message }
}

/// What a thread of the engine's died of. It dies where it meets an error of
/// the file system's in places where it can't return it.
pub(super) fn of_panic(what: &'static str, path: &Path, panic: &(dyn Any + Send)) -> StoreError {
    if panic.is::<Stop>() {
        return StoreError::Stopped;
    }
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown cause");
    if says_full(text) {
        return StoreError::Full { what, path: path.into() };
    }
    StoreError::Store { what, message: in_one_line(text) }
}

fn is_full(error: &RusticError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        }
        cause = error.source();
    }
    false
}

/// Some of the engine's errors hold the system's as text only.
fn says_full(text: &str) -> bool {
    ["StorageFull", "QuotaExceeded", "No space left on device", "Disk quota exceeded"]
        .iter()
        .any(|sign| text.contains(sign))
}

fn in_one_line(text: &str) -> String {
    let text = text.strip_prefix("Error: ").unwrap_or(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
