use std::path::{Path, PathBuf};

use git2::{
    ErrorClass, ErrorCode, Index, IndexEntry, IndexEntryExtendedFlag, ObjectType, Odb, Oid, Repository,
};

use super::{
    Commit, Delta, Git, GitError, Head, Location, Objects, Target,
    cached_tree::cached_tree,
    config::{is_partial, own_text, read_regular},
    hashes::empty_tree,
    pool::{Identity, Lease},
    program::ProgramObjects,
    trees::differences,
};
use crate::fs::{IoContext, path_from};

/// A repository as libgit2 reads it.
pub(super) struct Library {
    repo: Lease,
    path: PathBuf,
    git: Git,
    location: Location,
}

impl Library {
    /// `None`: this repository is beyond libgit2, ask the program.
    pub(super) fn open(git: &Git, location: &Location) -> Result<Option<Self>, GitError> {
        if has_odd_files(location) {
            return Ok(None);
        }
        // Before it is opened, so that a change meanwhile is seen the next time.
        let identity = Identity::of(location);
        // Others must not find the objects that one call brings along.
        let is_shared = location.object_dirs.is_empty();
        let of = |repo| {
            let (git, location) = (git.clone(), location.clone());
            Self { repo, path: location.git_dir.clone(), git, location }
        };
        if let Some(repo) = git.pool().take(location, &identity).filter(|_| is_shared) {
            return Ok(Some(of(repo)));
        }
        if beyond(location) {
            return Ok(None);
        }
        match Repository::open(&location.git_dir) {
            Ok(repo) => {
                if !reads_also(&repo, &location.object_dirs) {
                    return Ok(None);
                }
                let repo = git.pool().lease(location, identity, repo);
                if !is_shared {
                    repo.spoil();
                }
                Ok(Some(of(repo)))
            }
            // git itself has been asked, and sees more of `safe.directory`.
            Err(error) if error.code() == ErrorCode::Owner => Ok(None),
            // An extension or a format that it does not know.
            Err(error) if matches!(error.class(), ErrorClass::Repository | ErrorClass::Config) => Ok(None),
            Err(error) => Err(failed("open the repository", &location.git_dir, &error)),
        }
    }

    fn odb(&self) -> Result<Odb<'_>, GitError> {
        self.repo.odb().map_err(|e| self.error("open the objects", &e))
    }

    fn error(&self, what: &'static str, error: &git2::Error) -> GitError {
        failed(what, &self.path, error)
    }

    /// `None`: it is missing, and in this repository that is no error.
    fn unless_promised<T>(
        &self,
        read: Result<T, git2::Error>,
        what: &'static str,
    ) -> Result<Option<T>, GitError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.code() == ErrorCode::NotFound && is_partial(&self.location) => Ok(None),
            Err(error) => Err(self.error(what, &error)),
        }
    }

    fn oid(&self, id: &str) -> Result<Oid, GitError> {
        Oid::from_str(id).map_err(|e| self.error("read an object id", &e))
    }

    fn tree_of(&self, treeish: Option<&str>) -> Result<Option<git2::Tree<'_>>, GitError> {
        let Some(treeish) = treeish else { return Ok(None) };
        let object =
            self.repo.find_object(self.oid(treeish)?, None).map_err(|e| self.error("read a commit", &e))?;
        Ok(Some(object.peel_to_tree().map_err(|e| self.error("read a tree", &e))?))
    }

    /// The tree that git has written for this index, if it has.
    fn written_tree(&self, index: &Path) -> Result<Option<git2::Tree<'_>>, GitError> {
        let bytes = match read_regular(index) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            error => error.at("read", index)?,
        };
        let Some(id) = cached_tree(&bytes, 20) else { return Ok(None) };
        Ok(self.repo.find_tree(self.oid(&id)?).ok())
    }

    fn compare(&self, base: Option<git2::Tree<'_>>, tree: Option<git2::Tree<'_>>) -> Result<Delta, GitError> {
        let changes = differences(&self.repo, base.as_ref(), tree.as_ref())
            .map_err(|e| self.error("compare two trees", &e))?;
        let id = |tree: Option<git2::Tree<'_>>| {
            tree.map_or_else(|| empty_tree(40).to_owned(), |tree| tree.id().to_string())
        };
        Ok(Delta { changes, base_tree: id(base), tree: id(tree) })
    }
}

impl Objects for Library {
    fn head(&self) -> Result<Head, GitError> {
        let reference = self.repo.find_reference("HEAD").map_err(|e| self.error("read HEAD", &e))?;
        let branch = reference
            .symbolic_target()
            .ok()
            .flatten()
            .map(|target| target.strip_prefix("refs/heads/").unwrap_or(target).to_owned());
        match reference.resolve() {
            Ok(resolved) => Ok(Head { branch, commit: resolved.target().map(|id| id.to_string()) }),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Head { branch, commit: None }),
            Err(error) => Err(self.error("resolve HEAD", &error)),
        }
    }

    fn staged(&self, index: Option<&Path>) -> Result<Delta, GitError> {
        let ordinary = self.path.join("index");
        let file = index.unwrap_or(&ordinary);
        let base = self.tree_of(self.head()?.commit.as_deref())?;
        if let Some(tree) = self.written_tree(file)? {
            return self.compare(base, Some(tree));
        }
        let mut index = match Index::open(file) {
            Ok(index) => index,
            // Split, sparse, or of a kind yet to come: no configuration need
            // tell, the file itself does.
            Err(error) if error.class() == ErrorClass::Index => {
                return ProgramObjects::open(self.git.clone(), &self.location)?.staged(Some(file));
            }
            Err(error) => return Err(self.error("read the index", &error)),
        };
        leave_out_intended(&mut index).map_err(|e| self.error("read the index", &e))?;
        // What this writes stays in memory.
        self.repo.spoil();
        let odb = self.odb()?;
        let _in_memory = odb.add_new_mempack_backend(1000).map_err(|e| self.error("open the objects", &e))?;
        let tree = index.write_tree_to(&self.repo).map_err(|e| self.error("compute the tree", &e))?;
        let tree = self.repo.find_tree(tree).map_err(|e| self.error("read a tree", &e))?;
        self.compare(base, Some(tree))
    }

    fn commit(&self, id: &str) -> Result<Commit, GitError> {
        let commit = self.repo.find_commit(self.oid(id)?).map_err(|e| self.error("read a commit", &e))?;
        Ok(Commit {
            id: commit.id().to_string(),
            tree: commit.tree_id().to_string(),
            parents: commit.parent_ids().map(|id| id.to_string()).collect(),
            author: String::from_utf8_lossy(commit.author().email_bytes()).into_owned(),
            committer: String::from_utf8_lossy(commit.committer().email_bytes()).into_owned(),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
        })
    }

    fn target(&self, id: &str) -> Result<Target, GitError> {
        let failed = |e| self.error("read what a ref leads to", &e);
        let mut object = self.repo.find_object(self.oid(id)?, None).map_err(failed)?;
        if object.kind() == Some(ObjectType::Tag) {
            // Any: whatever is not a tag any more.
            object = object.peel(ObjectType::Any).map_err(failed)?;
        }
        let id = object.id().to_string();
        Ok(match object.kind() {
            Some(ObjectType::Tree) => Target::Tree(id),
            Some(ObjectType::Blob) => Target::Blob(id),
            _ => Target::Commit(id),
        })
    }

    fn between(&self, base: Option<&str>, commit: &str) -> Result<Delta, GitError> {
        self.compare(self.tree_of(base)?, self.tree_of(Some(commit))?)
    }

    fn size(&self, id: &str) -> Result<Option<u64>, GitError> {
        let header = self.odb()?.read_header(self.oid(id)?);
        Ok(self.unless_promised(header, "read a blob's size")?.map(|(size, _)| size as u64))
    }

    fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, GitError> {
        let blob = self.repo.find_blob(self.oid(id)?);
        Ok(self.unless_promised(blob, "read a blob")?.map(|blob| blob.content().to_vec()))
    }

    fn names(
        &self,
        tree: &str,
        directories: &[&[u8]],
        tell: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), GitError> {
        let failed = |e| self.error("read a tree", &e);
        let root = self.repo.find_tree(self.oid(tree)?).map_err(failed)?;
        for directory in directories {
            let beneath = match *directory {
                b"" => None,
                path => match root.get_path(&path_from(path)) {
                    Ok(entry) if entry.kind() == Some(ObjectType::Tree) => {
                        Some(self.repo.find_tree(entry.id()).map_err(failed)?)
                    }
                    Ok(_) => continue,
                    Err(error) if error.code() == ErrorCode::NotFound => continue,
                    Err(error) => return Err(failed(error)),
                },
            };
            for entry in beneath.as_ref().unwrap_or(&root) {
                tell(directory, entry.name_bytes());
            }
        }
        Ok(())
    }

    fn leads_to(&self, tip: &str, ancestor: &str) -> Result<bool, GitError> {
        let (tip, ancestor) = (self.oid(tip)?, self.oid(ancestor)?);
        if tip == ancestor {
            return Ok(true);
        }
        match self.repo.find_commit(ancestor) {
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(false),
            Err(error) => return Err(self.error("read a commit", &error)),
        }
        self.repo.graph_descendant_of(tip, ancestor).map_err(|e| self.error("walk the history", &e))
    }

    fn is_tagged(&self, commit: &str) -> Result<bool, GitError> {
        let failed = |e| self.error("read the tags", &e);
        let wanted = self.oid(commit)?;
        for tag in self.repo.references_glob("refs/tags/*").map_err(failed)? {
            // One that leads nowhere tags nothing.
            let peeled = tag.map_err(failed)?.peel(ObjectType::Commit);
            if peeled.is_ok_and(|commit| commit.id() == wanted) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn setting(&self, name: &str) -> Result<Option<String>, GitError> {
        let failed = |e| self.error("read the configuration", &e);
        let config = self.repo.config().and_then(|mut config| config.snapshot()).map_err(failed)?;
        match config.get_bytes(name) {
            Ok(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn new_commits(
        &self,
        tips: &[&str],
        seen: &[String],
        remote: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, GitError> {
        let failed = |e| self.error("walk the history", &e);
        let mut walk = self.repo.revwalk().map_err(failed)?;
        // From several tips it would begin with one after the other.
        walk.set_sorting(git2::Sort::TIME).map_err(failed)?;
        for tip in tips {
            walk.push(self.oid(tip)?).map_err(failed)?;
        }
        for id in seen {
            let id = self.oid(id)?;
            // What the other side has may never have been fetched here.
            if self.repo.find_commit(id).is_ok() {
                walk.hide(id).map_err(failed)?;
            }
        }
        if let Some(remote) = remote {
            walk.hide_glob(&format!("refs/remotes/{remote}/*")).map_err(failed)?;
        }
        walk.take(limit).map(|id| id.map(|id| id.to_string()).map_err(failed)).collect()
    }
}

/// Adds object directories; false: libgit2 can't read one.
fn reads_also(repo: &Repository, places: &[PathBuf]) -> bool {
    places.iter().filter(|place| place.is_dir()).all(|place| {
        let added = place.to_str().map(|place| repo.odb().and_then(|odb| odb.add_disk_alternate(place)));
        matches!(added, Some(Ok(())))
    })
}

/// Whether libgit2 can be let into a repository, and reads it aright.
pub(super) fn is_plain(location: &Location) -> bool {
    !has_odd_files(location) && !beyond(location)
}

/// Whether files of the repository may keep libgit2 for ever: nobody can end
/// what runs in this process.
fn has_odd_files(location: &Location) -> bool {
    let is_odd = |path: PathBuf| std::fs::metadata(path).is_ok_and(|meta| !meta.is_file());
    let files = [
        location.git_dir.join("HEAD"),
        location.git_dir.join("index"),
        location.common_dir.join("packed-refs"),
        location.common_dir.join("objects/info/alternates"),
    ];
    files.into_iter().any(is_odd)
}

/// Repositories that libgit2 opens and then misreads.
fn beyond(location: &Location) -> bool {
    let Ok(config) = own_text(location) else { return true };
    let config = config.to_ascii_lowercase();
    let says = |word: &[u8]| config.windows(word.len()).any(|part| part == word);
    // A look that is too careful costs a process, never a wrong verdict.
    says(b"[include")
        || says(b"objectformat")
        || says(b"refstorage")
        || says(b"splitindex")
        || says(b"sparse")
}

/// Takes out, in memory, what `git add -N` put there: git commits none of it.
fn leave_out_intended(index: &mut Index) -> Result<(), git2::Error> {
    let is_intended =
        |entry: &IndexEntry| entry.flags_extended & IndexEntryExtendedFlag::INTENT_TO_ADD.bits() != 0;
    let paths: Vec<Vec<u8>> = index.iter().filter(is_intended).map(|entry| entry.path).collect();
    paths.iter().try_for_each(|path| index.remove(&path_from(path), 0))
}

fn failed(what: &'static str, path: &Path, error: &git2::Error) -> GitError {
    GitError::Library { what, path: path.into(), message: error.message().to_owned() }
}
