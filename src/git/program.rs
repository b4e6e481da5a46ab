use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Commit, Delta, GitError, Head, Location, Objects, RawChange, Target,
    cached_tree::cached_tree,
    hashes::{empty_tree, known},
};
use crate::fs::IoContext;

/// The git program, run so that it reads and nothing else: no prompts, no
/// optional locks, no file-system monitor, no translations.
#[derive(Debug, Clone)]
pub struct Git {
    program: Arc<PathBuf>,
}

impl Default for Git {
    fn default() -> Self {
        Self { program: Arc::new(PathBuf::from("git")) }
    }
}

impl Git {
    /// A command in `location`, to be completed by its arguments.
    pub fn at(&self, location: &Location) -> Command {
        let mut command = self.bare(location.directory());
        command.env("GIT_DIR", &location.git_dir);
        if let Some(work_tree) = &location.work_tree {
            command.env("GIT_WORK_TREE", work_tree);
        }
        command
    }

    fn bare(&self, directory: &Path) -> Command {
        let mut command = Command::new(self.program.as_path());
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") && !kept(&name) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(directory)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            // A push sends what objects are, not what `git replace` shows.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false"])
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end; the standard output.
    pub fn output(&self, location: &Location, args: &[&str]) -> Result<Vec<u8>, GitError> {
        finish(self.at(location).args(args), location, args)
    }

    /// As [`Git::output`]; `None` if git says no by its exit status 1.
    pub fn maybe(&self, location: &Location, args: &[&str]) -> Result<Option<Vec<u8>>, GitError> {
        let output = self.at(location).args(args).output().map_err(GitError::NoGit)?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout)),
            Some(1) => Ok(None),
            _ => Err(refused(&output.stderr, location, args)),
        }
    }
}

/// Configuration by variables is the environment's own, not a repository's.
fn kept(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"GIT_CONFIG_GLOBAL")
        || name.as_encoded_bytes().starts_with(b"GIT_CONFIG_SYSTEM")
        || name.as_encoded_bytes().starts_with(b"GIT_CONFIG_NOSYSTEM")
}

fn finish(command: &mut Command, location: &Location, args: &[&str]) -> Result<Vec<u8>, GitError> {
    let output = command.output().map_err(GitError::NoGit)?;
    if output.status.success() { Ok(output.stdout) } else { Err(refused(&output.stderr, location, args)) }
}

fn refused(stderr: &[u8], location: &Location, args: &[&str]) -> GitError {
    let said = String::from_utf8_lossy(stderr);
    if said.contains("dubious ownership") {
        return GitError::Owner { path: location.directory().into() };
    }
    GitError::Program {
        command: args.first().copied().unwrap_or_default().to_owned(),
        path: location.directory().into(),
        message: said.lines().last().unwrap_or("it gave no reason").to_owned(),
    }
}

/// A repository as the git program reads it.
pub(super) struct ProgramObjects {
    git: Git,
    location: Location,
    hex_digits: usize,
    batch: Mutex<Option<Batch>>,
}

/// A running `git cat-file --batch-command`.
struct Batch {
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Drop for Batch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ProgramObjects {
    pub(super) fn open(git: Git, location: &Location) -> Result<Self, GitError> {
        let format = git.output(location, &["rev-parse", "--show-object-format"])?;
        let hex_digits = if format.trim_ascii() == b"sha256" { 64 } else { 40 };
        Ok(Self { git, location: location.clone(), hex_digits, batch: Mutex::new(None) })
    }

    fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.git.output(&self.location, args)
    }

    fn line(&self, args: &[&str]) -> Result<String, GitError> {
        Ok(String::from_utf8_lossy(self.run(args)?.trim_ascii_end()).into_owned())
    }

    fn tree_of(&self, commit: Option<&str>) -> Result<String, GitError> {
        match commit {
            None => Ok(empty_tree(self.hex_digits).to_owned()),
            Some(commit) => {
                self.line(&["rev-parse", "--verify", "--end-of-options", &format!("{commit}^{{tree}}")])
            }
        }
    }

    fn compare(&self, base_tree: &str, tree: &str) -> Result<Vec<RawChange>, GitError> {
        let args = ["diff-tree", "-r", "--raw", "-z", "--no-renames", "--no-abbrev", base_tree, tree];
        Ok(parse_raw(&self.run(&args)?))
    }

    /// One question to the running batch process: type, size and, where asked
    /// for, content.
    fn ask(&self, verb: &str, id: &str) -> Result<(u64, Vec<u8>), GitError> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match &mut *batch {
            Some(running) => running,
            none => none.insert(self.start_batch()?),
        };
        let answered = running.exchange(verb, id);
        if answered.is_err() {
            *batch = None;
        }
        answered.at("read an object of", &self.location.git_dir)?.ok_or_else(|| GitError::Program {
            command: "cat-file".into(),
            path: self.location.git_dir.clone(),
            message: format!("there is no object {id}"),
        })
    }

    fn start_batch(&self) -> Result<Batch, GitError> {
        let mut child = self
            .git
            .at(&self.location)
            .args(["cat-file", "--batch-command"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(GitError::NoGit)?;
        let (Some(ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(GitError::NoGit(std::io::Error::other("it has no pipes")));
        };
        Ok(Batch { child, ask, answer: BufReader::new(answer) })
    }
}

impl Batch {
    fn exchange(&mut self, verb: &str, id: &str) -> std::io::Result<Option<(u64, Vec<u8>)>> {
        writeln!(self.ask, "{verb} {id}")?;
        self.ask.flush()?;
        let mut header = String::new();
        self.answer.read_line(&mut header)?;
        let Some(size) = header.split(' ').nth(2).and_then(|size| size.trim_end().parse().ok()) else {
            return Ok(None);
        };
        let mut content = Vec::new();
        if verb == "contents" {
            (&mut self.answer).take(size).read_to_end(&mut content)?;
            let mut newline = [0];
            self.answer.read_exact(&mut newline)?;
        }
        Ok(Some((size, content)))
    }
}

impl Objects for ProgramObjects {
    fn head(&self) -> Result<Head, GitError> {
        let branch = self.git.maybe(&self.location, &["symbolic-ref", "--quiet", "--short", "HEAD"])?;
        let commit =
            self.git.maybe(&self.location, &["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
        Ok(Head { branch: branch.map(text), commit: commit.map(text) })
    }

    fn staged(&self, index: Option<&Path>) -> Result<Delta, GitError> {
        let ordinary = self.location.git_dir.join("index");
        let file = index.unwrap_or(&ordinary);
        let base_tree = self.tree_of(self.head()?.commit.as_deref())?;
        if let Ok(bytes) = std::fs::read(file)
            && let Some(tree) = cached_tree(&bytes, self.hex_digits / 2)
            && let Ok(changes) = self.compare(&base_tree, &tree)
        {
            return Ok(Delta { base_tree, tree, changes });
        }
        // `write-tree` refreshes the index it is given and writes the trees it
        // computes: it gets a copy, and a place of its own for them. A split
        // index finds its shared part in the git directory, from the copy too.
        let scratch = Scratch::new()?;
        let copy = scratch.0.join("index");
        if file.exists() {
            std::fs::copy(file, &copy).at("copy the index", file)?;
        }
        let args = ["diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", &base_tree];
        let raw = finish(
            self.git.at(&self.location).args(args).env("GIT_INDEX_FILE", &copy),
            &self.location,
            &args,
        )?;
        let tree = finish(
            self.git
                .at(&self.location)
                .arg("write-tree")
                .env("GIT_INDEX_FILE", &copy)
                .env("GIT_OBJECT_DIRECTORY", &scratch.0)
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.location.common_dir.join("objects")),
            &self.location,
            &["write-tree"],
        )?;
        Ok(Delta {
            base_tree,
            tree: String::from_utf8_lossy(tree.trim_ascii_end()).into_owned(),
            changes: parse_raw(&raw),
        })
    }

    fn commit(&self, id: &str) -> Result<Commit, GitError> {
        let line =
            self.line(&["log", "-1", "--no-show-signature", "--format=%H %T %P", "--end-of-options", id])?;
        let mut words = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
        let (Some(id), Some(tree)) = (words.next(), words.next()) else {
            return Err(refused(b"no such commit", &self.location, &["log"]));
        };
        Ok(Commit { id, tree, parents: words.collect() })
    }

    fn target(&self, id: &str) -> Result<Target, GitError> {
        let id = self.line(&["rev-parse", "--verify", "--end-of-options", &format!("{id}^{{}}")])?;
        Ok(match self.line(&["cat-file", "-t", &id])?.as_str() {
            "tree" => Target::Tree(id),
            "blob" => Target::Blob(id),
            _ => Target::Commit(id),
        })
    }

    fn between(&self, base: Option<&str>, commit: &str) -> Result<Delta, GitError> {
        let (base_tree, tree) = (self.tree_of(base)?, self.tree_of(Some(commit))?);
        let changes = self.compare(&base_tree, &tree)?;
        Ok(Delta { base_tree, tree, changes })
    }

    fn size(&self, id: &str) -> Result<u64, GitError> {
        Ok(self.ask("info", id)?.0)
    }

    fn blob(&self, id: &str) -> Result<Vec<u8>, GitError> {
        Ok(self.ask("contents", id)?.1)
    }

    fn new_commits(
        &self,
        tip: &str,
        seen: &[String],
        remote: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, GitError> {
        let limit = format!("--max-count={limit}");
        let mut args = vec!["rev-list", &limit, "--ignore-missing", tip, "--not"];
        args.extend(seen.iter().map(String::as_str));
        let remotes = remote.map(|remote| format!("--remotes={remote}"));
        args.extend(remotes.as_deref());
        Ok(String::from_utf8_lossy(&self.run(&args)?).lines().map(str::to_owned).collect())
    }
}

/// `--raw -z`: `:MODE MODE ID ID STATUS NUL PATH NUL`.
fn parse_raw(raw: &[u8]) -> Vec<RawChange> {
    let mut fields = raw.split(|byte| *byte == 0);
    let mut changes = Vec::new();
    while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
        let head = String::from_utf8_lossy(head);
        let words: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        if let [old_mode, new_mode, old_id, new_id, _status] = words[..] {
            let mode = |octal| u32::from_str_radix(octal, 8).unwrap_or(0);
            changes.push(RawChange {
                path: path.to_vec(),
                old_mode: mode(old_mode),
                new_mode: mode(new_mode),
                old_id: known(old_id),
                new_id: known(new_id),
            });
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

/// A directory of our own that goes away with us.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, GitError> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("kpmo-{}", uuid::Uuid::now_v7()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).at("create the directory", &path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
