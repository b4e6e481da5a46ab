//! What there is to know of the directories of git, by their names.

/// Parts of a git directory that may be links, as git-new-workdir makes them.
const PARTS: [&[u8]; 11] = [
    b"config",
    b"index",
    b"info",
    b"logs",
    b"modules",
    b"objects",
    b"packed-refs",
    b"refs",
    b"reftable",
    b"shallow",
    b"worktrees",
];

/// What sort of directory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A work tree. Git directories in it are left for later.
    Work,
    /// A git directory, but for its objects and other large things, which are
    /// left for later: what refers to an object is looked at before the object.
    Metadata,
    /// Refs and their logs: as [`Mode::Metadata`], but whatever directories are
    /// called here, that is what branches are called.
    Refs,
    /// A directory of objects. `pack` is left for later: git removes a loose
    /// object when it is in a pack, and never the other way round. `info` has
    /// been looked at with the metadata.
    Objects,
    /// Anything beneath a directory of objects.
    Packs,
    /// Anything else.
    Plain,
}

/// When what is in a directory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// With the one that it is in.
    Now(Mode),
    /// After all that may refer to it.
    Later(Mode),
    /// It has been, with something else.
    Elsewhere,
}

impl Mode {
    /// Of a directory called `name` in one of this sort. `is_git_dir`: that is a git
    /// directory itself, and no other directory in one.
    pub fn of(self, name: &[u8], is_git_dir: bool) -> Of {
        match (self, name) {
            (Self::Metadata, b"objects") if is_git_dir => Of::Later(Self::Objects),
            // Of hooks no locks are left out: git has none there.
            (Self::Metadata, b"lfs" | b"annex" | b"hooks") if is_git_dir => Of::Later(Self::Plain),
            (Self::Metadata, b"refs" | b"logs") if is_git_dir => Of::Now(Self::Refs),
            (Self::Objects, b"info") => Of::Elsewhere,
            (Self::Objects, b"pack") => Of::Later(Self::Packs),
            (Self::Objects | Self::Packs, _) => Of::Now(Self::Packs),
            (other, _) => Of::Now(other),
        }
    }

    /// Whether a repository lacks something without what this is in one of this sort,
    /// should it be a link.
    pub fn has_part(self, name: &[u8], is_git_dir: bool) -> bool {
        match self {
            Self::Metadata => is_git_dir && PARTS.contains(&name),
            Self::Objects => matches!(name, b"info" | b"pack"),
            _ => false,
        }
    }

    /// Whether what is in it is git's own, and small.
    pub fn is_metadata(self) -> bool {
        matches!(self, Self::Metadata | Self::Refs)
    }

    /// Whether it lives only as long as some git command, or its daemon.
    pub fn leaves_out(self, name: &[u8], is_file: bool) -> bool {
        let is_lock = is_file && name.ends_with(b".lock");
        match self {
            Self::Metadata | Self::Refs => is_lock || name.starts_with(b"fsmonitor--daemon"),
            Self::Objects | Self::Packs => {
                is_lock
                    || [&b"tmp_"[..], b".tmp-", b"incoming-"].iter().any(|prefix| name.starts_with(prefix))
            }
            Self::Work | Self::Plain => false,
        }
    }
}
