use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{
    Commit, Delta, Git, GitError, Head, Location, Objects, RawChange, Target,
    batch::{Batch, ONE_OBJECT},
    cached_tree::cached_tree,
    command::{refused, timed_out},
    config::{is_partial, read_regular},
    hashes::{empty_tree, known},
    scratch::Scratch,
};
use crate::fs::IoContext;

/// A repository as the git program reads it.
pub(super) struct ProgramObjects {
    git: Git,
    location: Location,
    hex_digits: usize,
    batch: Mutex<Option<Batch>>,
    /// Where trees were written that are in no repository.
    written: Mutex<Option<Scratch>>,
}

impl ProgramObjects {
    pub(super) fn open(git: Git, location: &Location) -> Result<Self, GitError> {
        let format = git.output(location, &["rev-parse", "--show-object-format"])?;
        let hex_digits = if format.trim_ascii() == b"sha256" { 64 } else { 40 };
        Ok(Self {
            git,
            location: location.clone(),
            hex_digits,
            batch: Mutex::new(None),
            written: Mutex::default(),
        })
    }

    fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.git.output(&self.here(), args)
    }

    /// The repository, with the trees that were written for it.
    fn here(&self) -> Location {
        let mut location = self.location.clone();
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        location.object_dirs.extend(written.as_ref().map(|scratch| scratch.0.clone()));
        location
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

    /// One question to the running batch process: size and, where asked for,
    /// content. `None`: it is not here, and need not be.
    fn ask(&self, verb: &'static str, id: &str) -> Result<Option<(u64, Vec<u8>)>, GitError> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match &mut *batch {
            Some(running) => running,
            none => none.insert(self.start_batch()?),
        };
        let answered = running.exchange(verb, id);
        if answered.is_err() {
            *batch = None;
        }
        drop(batch);
        match answered {
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Err(timed_out("cat-file", &self.location, ONE_OBJECT))
            }
            Ok(None) if !is_partial(&self.location) => Err(GitError::Program {
                command: "cat-file".into(),
                path: self.location.git_dir.clone(),
                message: format!("there is no object {id}"),
            }),
            answered => Ok(answered.at("read an object of", &self.location.git_dir)?),
        }
    }

    fn start_batch(&self) -> Result<Batch, GitError> {
        let mut command = self.git.at(&self.location)?;
        command.args(["cat-file", "--batch-command"]);
        Batch::start(command).map_err(GitError::NoGit)
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
        if let Ok(bytes) = read_regular(file)
            && let Some(tree) = cached_tree(&bytes, self.hex_digits / 2)
            && let Ok(changes) = self.compare(&base_tree, &tree)
        {
            return Ok(Delta { base_tree, tree, changes });
        }
        // `write-tree` refreshes the index it is given and writes the trees it
        // computes: it gets a copy, and a place of its own for them. A split
        // index finds its shared part in the git directory, from the copy too.
        let scratch = Scratch::new(&self.git)?;
        let copy = scratch.0.join("index");
        if file.exists() {
            std::fs::write(&copy, read_regular(file).at("read", file)?).at("write", &copy)?;
        }
        let objects = [self.location.common_dir.join("objects")];
        scratch.with_objects_of(&[&objects, self.location.object_dirs.as_slice()].concat())?;
        let args = ["diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", &base_tree];
        let mut command = self.git.at(&self.location)?;
        command.args(args).env("GIT_INDEX_FILE", &copy);
        let raw = self.git.finish(command, &self.location, &args)?;
        let mut command = self.git.at(&self.location)?;
        command
            .arg("write-tree")
            .env("GIT_INDEX_FILE", &copy)
            .env("GIT_OBJECT_DIRECTORY", &scratch.0)
            .env_remove("GIT_ALTERNATE_OBJECT_DIRECTORIES");
        let tree = self.git.finish(command, &self.location, &["write-tree"])?;
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(scratch);
        Ok(Delta {
            base_tree,
            tree: String::from_utf8_lossy(tree.trim_ascii_end()).into_owned(),
            changes: parse_raw(&raw),
        })
    }

    fn commit(&self, id: &str) -> Result<Commit, GitError> {
        // No address has a line break, and none of the numbers.
        let format = "--format=%H %T %P%n%ae%n%ce%n%B";
        let text = self.line(&["log", "-1", "--no-show-signature", format, "--end-of-options", id])?;
        let mut lines = text.splitn(4, '\n');
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let (numbers, author, committer, message) = (line(), line(), line(), line());
        let mut words = numbers.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
        let (Some(id), Some(tree)) = (words.next(), words.next()) else {
            return Err(refused(b"no such commit", &self.location, &["log"]));
        };
        Ok(Commit { id, tree, parents: words.collect(), author, committer, message })
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

    fn size(&self, id: &str) -> Result<Option<u64>, GitError> {
        Ok(self.ask("info", id)?.map(|(size, _)| size))
    }

    fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, GitError> {
        Ok(self.ask("contents", id)?.map(|(_, content)| content))
    }

    fn names(
        &self,
        tree: &str,
        directories: &[&[u8]],
        tell: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), GitError> {
        // What a command line has room for.
        const AT_ONCE: usize = 500;
        let beneath = directories.iter().filter(|directory| !directory.is_empty());
        let beneath: Vec<OsString> =
            beneath.map(|directory| OsString::from_vec([*directory, b"/"].concat())).collect();
        // The root is asked for by naming nothing in it.
        let root = directories.iter().any(|directory| directory.is_empty()).then_some(&[][..]);
        for paths in root.into_iter().chain(beneath.chunks(AT_ONCE)) {
            let here = self.here();
            let args = ["ls-tree", "--full-tree", "-t", "--name-only", "-z", "--", tree];
            let mut command = self.git.at(&here)?;
            command.args(args).args(paths);
            let listed = self.git.finish(command, &here, &args)?;
            for path in listed.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
                match path.iter().rposition(|byte| *byte == b'/') {
                    Some(slash) => tell(&path[..slash], &path[slash + 1..]),
                    None => tell(b"", path),
                }
            }
        }
        Ok(())
    }

    fn leads_to(&self, tip: &str, ancestor: &str) -> Result<bool, GitError> {
        let is_here = format!("{ancestor}^{{commit}}");
        let quiet = ["rev-parse", "--quiet", "--verify", "--end-of-options", &is_here];
        if self.git.maybe(&self.location, &quiet)?.is_none() {
            return Ok(false);
        }
        let args = ["merge-base", "--is-ancestor", ancestor, tip];
        Ok(self.git.maybe(&self.location, &args)?.is_some())
    }

    fn is_tagged(&self, commit: &str) -> Result<bool, GitError> {
        Ok(!self.run(&["for-each-ref", "--count=1", "--points-at", commit, "refs/tags"])?.is_empty())
    }

    fn setting(&self, name: &str) -> Result<Option<String>, GitError> {
        let value = self.git.maybe(&self.location, &["config", "-z", "--get", name])?;
        Ok(value
            .map(|value| String::from_utf8_lossy(value.strip_suffix(b"\0").unwrap_or(&value)).into_owned()))
    }

    fn new_commits(
        &self,
        tips: &[&str],
        seen: &[String],
        remote: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, GitError> {
        let limit = format!("--max-count={limit}");
        let mut args = vec!["rev-list", &limit, "--ignore-missing"];
        args.extend(tips);
        args.push("--not");
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
