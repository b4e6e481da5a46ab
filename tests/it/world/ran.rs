use std::process::{Command, Stdio};

/// What came of a program.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[must_use = "say whether it was to go well: fine(), refused(), …"]
    pub fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It ended with 0.
    #[track_caller]
    pub fn fine(self) -> Self {
        self.ended(0)
    }

    /// It ended with this status.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// A hook stopped it, and kpmo says so.
    #[track_caller]
    pub fn refused(self) -> Self {
        assert!(self.code != Some(0) && self.stderr.contains("kpmo: "), "{self:#?}");
        self
    }

    /// It printed nothing at all.
    #[track_caller]
    pub fn silent(self) -> Self {
        assert!(self.stdout.is_empty() && self.stderr.is_empty(), "{self:#?}");
        self
    }

    /// Somewhere in what it printed.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.all().contains(words), "{words:?} is not said: {self:#?}");
        self
    }

    /// Nowhere in what it printed.
    #[track_caller]
    pub fn hides(self, words: &str) -> Self {
        // The failure must not print it either.
        assert!(!self.all().contains(words), "what must not be said is said");
        self
    }

    fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}
