//! What else git does while somebody waits: pushes, rebases, commits in many
//! repositories at once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Barrier,
    thread,
    time::Instant,
};

use super::{Daemon, Result, Took, Variant, World, file_name, pair, succeed};

const NO_HOOKS: [&str; 2] = ["-c", "core.hooksPath=/dev/null"];

impl Variant {
    /// Makes two bare repositories to push to.
    pub fn with_remotes(self) -> Result<Self> {
        for remote in ["bare", "hooked"] {
            let place = self.repo.with_extension(format!("{remote}.git"));
            succeed(self.git(&["clone", "--quiet", "--bare", "."]).arg(&place))?;
            succeed(self.git(&["remote", "add", remote]).arg(&place))?;
            succeed(&mut self.git(&["fetch", "--quiet", remote]))?;
        }
        Ok(self)
    }

    /// Pushes one commit to one of them without hooks, to the other with; and then
    /// one the other way round, since where on the disk a remote happens to lie
    /// counts for more than hooks do.
    pub fn push(&self, round: usize) -> Result<Took> {
        let one = self.push_to(2 * round, "bare", "hooked")?;
        let other = self.push_to(2 * round + 1, "hooked", "bare")?;
        Ok(Took {
            bare: f64::midpoint(one.bare, other.bare),
            hooked: f64::midpoint(one.hooked, other.hooked),
        })
    }

    fn push_to(&self, number: usize, bare: &str, hooked: &str) -> Result<Took> {
        self.commit(number, &["commit"])?;
        let run = |before: &[&str], remote: &str| {
            let mut push = self.git(&[before, &["push", "--quiet", remote, "main"]].concat());
            self.timed(push.stdout(Stdio::null()).stderr(Stdio::null()))
        };
        pair(number, || run(&NO_HOOKS, bare), || run(&[], hooked))
    }

    /// Makes a branch `topic` with so many commits, and one more on `base`.
    pub fn with_topic(self, commits: u32) -> Result<Self> {
        let git = |args: &[&str]| succeed(&mut self.git(&[&NO_HOOKS[..], args].concat())).map(drop);
        git(&["switch", "--quiet", "--create", "topic"])?;
        for number in 0..commits {
            let file = format!("topic-{number}");
            fs::write(self.repo.join(&file), "a line\n")?;
            git(&["add", &file])?;
            git(&["commit", "--quiet", "--message", &file])?;
        }
        git(&["switch", "--quiet", "--create", "base", "main"])?;
        git(&["commit", "--quiet", "--allow-empty", "--message", "base"])?;
        Ok(self)
    }

    /// Rebases `topic` onto `base` without hooks, and with.
    pub fn rebase(&self, round: usize) -> Result<Took> {
        let run = |before: &[&str]| {
            let begin = [&NO_HOOKS[..], &["switch", "--quiet", "--force-create", "work", "topic"]].concat();
            succeed(&mut self.git(&begin))?;
            self.timed(&mut self.git(&[before, &["rebase", "--quiet", "base"]].concat()))
        };
        pair(round, || run(&NO_HOOKS), || run(&[]))
    }
}

/// Many small repositories under one governor.
pub struct Fleet {
    variant: Variant,
    repos: Vec<PathBuf>,
    raw_hooks: String,
}

/// Which hooks run in them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FleetHooks {
    None,
    /// Those of the floor.
    Raw,
    Kpmo,
}

/// What came of commits in all of them at once.
pub struct AtOnce {
    /// Median milliseconds of one alone.
    pub single: f64,
    /// Milliseconds of the slowest.
    pub slowest: f64,
}

impl Fleet {
    /// `count` clones, governed.
    pub fn new(world: &World, hook: &Path, count: usize) -> Result<Self> {
        world.origin("small.git", 20, 3)?;
        let variant = world.kpmo_of("small.git", "fleet", hook)?;
        let Daemon::Kpmo(kpmo) = &variant.daemon else { return Err("a fleet has a governor".into()) };
        let mut repos = Vec::new();
        for number in 0..count {
            let repo = world.place.join(format!("fleet-{number}"));
            succeed(world.command("git").args(["clone", "--quiet", "small.git"]).arg(&repo))?;
            succeed(kpmo.command(&["repo", "add"]).arg(&repo))?;
            repos.push(repo);
        }
        kpmo.settle()?;
        let raw_hooks = format!("core.hooksPath={}", world.floor()?.hooks.display());
        Ok(Self { variant, repos, raw_hooks })
    }

    /// Commits in each alone, and then in all at once.
    pub fn at_once(&self, hooks: FleetHooks) -> Result<AtOnce> {
        let raw = ["-c", &self.raw_hooks];
        let before = match hooks {
            FleetHooks::None => &NO_HOOKS[..],
            FleetHooks::Raw => &raw[..],
            FleetHooks::Kpmo => &[],
        };
        let commit = |repo: &Path| {
            let mut git = self.in_repo(repo, &[before, &["commit", "--quiet", "--message", "x"]].concat());
            git.stdout(Stdio::null()).stderr(Stdio::null());
            git
        };
        let mut alone = Vec::new();
        for repo in self.repos.iter().take(21) {
            self.stage(repo)?;
            alone.push(self.variant.timed(&mut commit(repo))?);
        }
        alone.sort_by(f64::total_cmp);
        self.repos.iter().try_for_each(|repo| self.stage(repo))?;

        let start = Barrier::new(self.repos.len());
        let took: Vec<Option<f64>> = thread::scope(|scope| {
            let (start, commit) = (&start, &commit);
            let mut running = Vec::new();
            for repo in &self.repos {
                running.push(scope.spawn(move || {
                    start.wait();
                    let began = Instant::now();
                    let ended = commit(repo).status().is_ok_and(|status| status.success());
                    ended.then(|| began.elapsed().as_secs_f64() * 1000.0)
                }));
            }
            running.into_iter().map(|thread| thread.join().ok().flatten()).collect()
        });
        if let Daemon::Kpmo(kpmo) = &self.variant.daemon {
            kpmo.settle()?;
        }
        let took: Option<Vec<f64>> = took.into_iter().collect();
        let took = took.ok_or("a commit among many at once failed")?;
        Ok(AtOnce { single: alone[alone.len() / 2], slowest: took.iter().copied().fold(0.0, f64::max) })
    }

    fn stage(&self, repo: &Path) -> Result<()> {
        let file = file_name(0);
        let text = fs::read_to_string(repo.join(&file))? + "one line more\n";
        fs::write(repo.join(&file), text)?;
        succeed(&mut self.in_repo(repo, &["add", &file])).map(drop)
    }

    fn in_repo(&self, repo: &Path, args: &[&str]) -> Command {
        let mut git = self.variant.git(args);
        git.current_dir(repo);
        git
    }
}
