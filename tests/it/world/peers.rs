//! Programs that the tests need and that a machine may lack. `tests/all.sh`
//! puts them there.

use std::{path::PathBuf, process::Command};

/// A peer program that the test environment holds, or on PATH; `None` where it
/// is missing, which fails in CI and is said loudly elsewhere.
pub fn peer(name: &str) -> Option<PathBuf> {
    let found = found(name);
    if found.is_none() {
        left_out(&format!("{name} is not installed"));
    }
    found
}

/// A peer program that no registry has as a program: it takes too long to build to
/// be set up by `tests/all.sh`.
pub fn rare_peer(name: &str) -> Option<PathBuf> {
    let found = found(name);
    if found.is_none() {
        say(&format!("{name} is not installed"));
    }
    found
}

fn found(name: &str) -> Option<PathBuf> {
    let own = std::env::var_os("KPMO_TEST_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    own.into_iter().chain(std::env::split_paths(&path)).map(|dir| dir.join(name)).find(|p| p.is_file())
}

/// A Python that has the packages of `tests/requirements.txt`.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("KPMO_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        left_out("KPMO_TEST_PYTHON does not name a Python with grpcio");
    }
    python
}

/// A git that can run hooks by its configuration: the one that `KPMO_TEST_GIT`
/// names.
pub fn newest_git() -> Option<PathBuf> {
    let git = std::env::var_os("KPMO_TEST_GIT").map(PathBuf::from);
    let is_new = |git: &PathBuf| {
        let said = Command::new(git).arg("--version").output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        let numbers: Vec<u32> = said.split([' ', '.']).filter_map(|word| word.parse().ok()).take(2).collect();
        numbers >= vec![2, 54]
    };
    let git = git.filter(is_new);
    if git.is_none() {
        left_out("KPMO_TEST_GIT names no git 2.54 or later");
    }
    git
}

/// Says that a test, or a part of one, could not run here. In CI that is a
/// failure.
pub fn left_out(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "LEFT OUT: {}: {why}; tests/all.sh sets it up", test());
    say(&format!("{why}; tests/all.sh sets it up"));
}

/// Past the test harness, which keeps what a passing test prints to itself.
fn say(why: &str) {
    let _ = std::fs::OpenOptions::new().write(true).open("/dev/stderr").map(|mut stderr| {
        std::io::Write::write_all(&mut stderr, format!("\nLEFT OUT: {}: {why}\n", test()).as_bytes())
    });
}

fn test() -> String {
    std::thread::current().name().unwrap_or("?").to_owned()
}

/// Whether file permissions stop us.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}
