use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use jiff::tz::TimeZone;

use super::Check;
use crate::{
    client::{Endpoint, Home, SPOOL_SUFFIX, Unreachable},
    fs::shown,
    ledger::{self, EventKind},
    policy::{ConfigError, PolicyVersion, load_policy, load_settings},
    registry::{Document, RegistryError, nearest},
};

/// The rule by which directories of the home are nobody else's to enter.
pub const OPEN: &str = "open-home";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How many of the things that went by are listed.
const LISTED: u32 = 5;
/// How many events are looked through for them.
const LATELY: u32 = 200;

/// The copies that hooks lead to.
pub(super) fn programs(home: &Home) -> Vec<Check> {
    ["kpmo-hook", "kpmo"].iter().map(|name| program(&home.bin.join(name))).collect()
}

fn program(path: &Path) -> Check {
    let error = |why: &str, fix: &str| {
        Check::error("programs", format!("{} {why}", shown(path)), fix.to_owned()).at(path)
    };
    let put = "run `kpmo up`, which puts it there";
    match fs::metadata(path) {
        Err(_) => return error("is not there", put),
        Ok(found) if !found.is_file() => return error("is not a file", put),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            return error("is not executable", "run `kpmo up`, which puts it there anew");
        }
        Ok(_) => {}
    }
    if let Some(mount) = mounted_noexec(path) {
        return error(
            &format!("is on {}, from which no program may be run (noexec)", shown(&mount)),
            "set KPMO_HOME to a directory elsewhere and run `kpmo up`, or mount it with exec",
        );
    }
    let said = Command::new(path).arg("--version").env_clear().stdin(Stdio::null()).output();
    match said {
        Err(why) => error(&format!("can't be run: {why}"), "run `kpmo up`, which puts it there anew"),
        Ok(output) => match String::from_utf8_lossy(&output.stdout).trim().rsplit(' ').next() {
            Some(version) if version == VERSION => {
                Check::fine("programs", format!("{} {VERSION}", shown(path)))
            }
            Some(version) if output.status.success() && !version.is_empty() => error(
                &format!("is of version {version}, and this kpmo of {VERSION}"),
                "run `kpmo up` with the newer one, which replaces them and restarts the governor",
            ),
            _ => error("does not tell its version", "run `kpmo up`, which puts it there anew"),
        },
    }
}

/// The mount that this path is on, if it lets nothing be run. Known on Linux.
fn mounted_noexec(path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut nearest: Option<(PathBuf, bool)> = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(place), Some(_), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let place = PathBuf::from(place.replace("\\040", " "));
        let is_nearer = nearest.as_ref().is_none_or(|(known, _)| place.starts_with(known));
        if path.starts_with(&place) && is_nearer {
            nearest = Some((place, options.split(',').any(|option| option == "noexec")));
        }
    }
    nearest.filter(|(_, noexec)| *noexec).map(|(place, _)| place)
}

/// The home's directories.
pub(super) fn places(home: &Home) -> Vec<Check> {
    if !home.state.exists() {
        let said = format!("there is no home at {} yet", shown(&home.state));
        return vec![Check::error("home", said, "run `kpmo up`, which makes one").at(&home.state)];
    }
    let spool = home.spool();
    let wrong: Vec<Check> =
        [&home.state, &home.probe, &spool].into_iter().filter_map(|path| private(path)).collect();
    if wrong.is_empty() {
        vec![Check::fine("home", format!("home in {}", shown(&home.state)))]
    } else {
        wrong
    }
}

fn private(path: &Path) -> Option<Check> {
    let found = match fs::symlink_metadata(path) {
        // The governor makes what is missing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            let said = format!("cannot look at {}: {error}", shown(path));
            return Some(Check::error("home", said, "make it readable for this user").at(path));
        }
        Ok(found) => found,
    };
    let said = if !found.is_dir() {
        "is not a directory"
    } else if found.uid() != rustix::process::getuid().as_raw() {
        "belongs to another user"
    } else if found.mode() & 0o077 != 0 {
        let fix = format!("run: chmod 700 {}", shown(path));
        return Some(Check::error(OPEN, format!("others may enter {}", shown(path)), fix).at(path));
    } else if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        "can't be written to"
    } else {
        return None;
    };
    let fix = "hooks can keep nothing there: mend it, or choose another home with KPMO_HOME";
    Some(Check::error("home", format!("{} {said}", shown(path)), fix).at(path))
}

/// Where `HOME` is not what the governor takes for the user's home directory.
pub(super) fn user(home: &Home) -> Option<Check> {
    let recorded = Endpoint::read(home)?;
    let (user, now) = (Endpoint::user(Some(&recorded)), std::env::home_dir()?);
    let said = format!(
        "`~` in repos.yml, and git's own configuration, are of {} for the governor; HOME is {} here",
        shown(&user),
        shown(&now)
    );
    let file = home.endpoint_file();
    let fix = format!("to change that: `kpmo governor stop`, take `user` out of {}, start it", shown(&file));
    (user != now).then(|| Check::warn("user", said, fix).at(&file))
}

/// The way to the governor, and what hooks do where it leads nowhere.
pub(super) fn endpoint(home: &Home) -> Check {
    let recorded = Endpoint::read(home);
    let file = home.endpoint_file();
    let there = Endpoint::socket(home, recorded.as_ref())
        .and_then(|socket| Endpoint::socket_is_there(&socket).map(|_| socket));
    let socket = match there {
        Ok(socket) => socket,
        Err(error) => {
            return Check::error(
                "endpoint",
                error.to_string(),
                "mend that, then run `kpmo governor restart`",
            );
        }
    };
    if recorded.is_none() && file.exists() {
        return Check::warn(
            "endpoint",
            format!("{} is damaged; hooks use the defaults", shown(&file)),
            "run `kpmo governor restart`, which writes it anew",
        )
        .at(&file);
    }
    if let Some(recorded) = recorded.as_ref().filter(|recorded| !recorded.binary.is_file()) {
        return Check::error(
            "endpoint",
            format!("hooks would start {}, which is not there", shown(&recorded.binary)),
            "run `kpmo up`",
        )
        .at(&file);
    }
    let recorded = recorded.map(|endpoint| (endpoint.on_unreachable, endpoint.budgets)).unwrap_or_default();
    let (wanted, budgets) = recorded;
    let what = |wanted| if wanted == Unreachable::Block { "are stopped" } else { "go on with a warning" };
    Check::fine(
        "endpoint",
        format!(
            "socket {}; without an answer (connection {} ms, start {} ms, verdict {} ms) commits {} and pushes {}",
            shown(&socket),
            budgets.connect_ms,
            budgets.start_ms,
            budgets.verdict_ms,
            what(wanted.commit),
            what(wanted.push),
        ),
    )
}

/// `repos.yml`, `policy.yml`, `governor.yml`.
pub(super) fn configuration(
    home: &Home,
    registry: Option<&RegistryError>,
    document: &Document,
) -> Vec<Check> {
    let mut checks = Vec::new();
    match registry {
        None => {
            let said = format!("repos.yml: {} registered", document.repos.len());
            checks.push(Check::fine("registry", said));
        }
        Some(RegistryError::Invalid { path, problems }) => {
            checks.extend(problems.listed.iter().map(|problem| {
                let line = u32::try_from(problem.line).unwrap_or_default();
                let said =
                    format!("{}:{}:{}: {}", shown(path), problem.line, problem.column, problem.message);
                Check::error("registry", said, "mend the line; until then the last good state is in force")
                    .at(path)
                    .line(line)
            }));
            if problems.left_out > 0 {
                let said = format!("{}: and {} more", shown(path), problems.left_out);
                checks.push(Check::error("registry", said, "mend the first ones").at(path));
            }
        }
        Some(error @ RegistryError::Emptied { path, .. }) => {
            let fix = "restore the file, for instance from state/repos.last-good.yml";
            checks.push(Check::error("registry", error.to_string(), fix).at(path));
        }
        Some(error) => checks.push(Check::error("registry", error.to_string(), "make the file readable")),
    }
    let mut add = |rule, name: &str, error: Option<ConfigError>| match error {
        None => checks.push(Check::fine(rule, format!("{name} is in order"))),
        Some(error) => {
            let line = u32::try_from(error.line).unwrap_or_default();
            let fix = "mend the line; until then the last good state is in force";
            checks.push(Check::error(rule, error.to_string(), fix).at(&error.path).line(line));
        }
    };
    add("policy", "policy.yml", load_policy(&home.config.join("policy.yml")).err());
    add("settings", "governor.yml", load_settings(&home.config.join("governor.yml")).err());
    checks
}

/// Settings of the policy for what the registry does not have: a slip of the pen, or
/// the name from before a rename.
pub(super) fn idle_settings(home: &Home, policy: &PolicyVersion, document: &Document) -> Vec<Check> {
    let path = home.config.join("policy.yml");
    let (tags, repos) = policy.levels();
    let has_tag = |tag: &str| document.repos.iter().any(|repo| repo.tags.iter().any(|known| known == tag));
    let has_name = |name: &str| document.repos.iter().any(|repo| repo.name == name);
    let check = |said: String, fix: &str| Check::warn("policy", said, fix).at(&path);
    let tags = tags.filter(|tag| !has_tag(tag)).map(|tag| {
        check(format!("policy.yml has settings for the tag {tag}, which no repository has"), "mend the tag")
    });
    let repos = repos.filter(|name| !has_name(name)).map(|name| {
        let near = nearest(document, name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let said = format!("policy.yml has settings for {name}, and no repository is called so{near}");
        check(said, "give it the name that `kpmo repo list` shows")
    });
    tags.chain(repos).collect()
}

/// What was written over the hook program, through a hook's link; it was somebody's
/// hook for one repository.
pub(super) fn overwritten(home: &Home) -> Vec<Check> {
    let entries = fs::read_dir(&home.state).into_iter().flatten().flatten();
    let kept = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("overwritten-"));
    let check = |path: PathBuf| {
        let said = format!("a hook was written through kpmo's link, and is kept as {}", shown(&path));
        let fix = "take kpmo's link away where it belongs, and move it there; kpmo chains it then";
        Check::warn("programs", said, fix).at(&path)
    };
    kept.map(|entry| check(entry.path())).collect()
}

/// Whether the ledger can be read, and what went by unjudged lately.
pub(super) fn ledger(home: &Home, document: &Document) -> Vec<Check> {
    let path = home.state.join("ledger.sqlite3");
    if !path.exists() {
        return vec![Check::fine("ledger", "there is no ledger yet; the governor makes it")];
    }
    let kinds = [EventKind::Unjudged, EventKind::HeadMoved, EventKind::Push];
    let events = match ledger::newest(&path, &kinds, None, LATELY) {
        Ok(events) => events,
        Err(error) => {
            let fix = "see what `kpmo ledger verify` says";
            return vec![Check::error("ledger", error.to_string(), fix).at(&path)];
        }
    };
    let mut checks = vec![Check::fine("ledger", "the ledger can be read")];
    let passed_by = events
        .iter()
        .filter(|event| event.kind == EventKind::Unjudged || event.attributes.contains_key("skipped"));
    for event in passed_by.take(LISTED as usize) {
        let of = event.repo_id.as_deref();
        let name = document.repos.iter().find(|repo| repo.id.is_some() && repo.id.as_deref() == of);
        let name =
            name.map(|repo| repo.name.as_str()).or(event.attributes.get("repository").map(String::as_str));
        let why = if event.kind == EventKind::Unjudged { "for want of a governor" } else { "by KPMO_HOOK=0" };
        let occurred = event.attributes.get("occurred_at").and_then(|at| at.parse().ok());
        let at = occurred.unwrap_or(event.time).to_zoned(TimeZone::system()).strftime("%F %T%:z");
        let said = if event.kind == EventKind::Push {
            format!("at {at} a push went by unjudged {why}")
        } else {
            format!("at {at} a commit went by unjudged {why}; it was judged afterwards")
        };
        checks.push(Check::warn("unjudged", said, "").of(name.unwrap_or_default()));
    }
    checks
}

/// How many events wait in the spool.
pub(in super::super) fn waiting_events(home: &Home) -> u64 {
    let Ok(entries) = fs::read_dir(home.spool()) else { return 0 };
    let waits = |name: std::ffi::OsString| {
        let name = name.to_string_lossy().into_owned();
        !name.starts_with('.') && name.ends_with(SPOOL_SUFFIX)
    };
    entries.flatten().map(|entry| u64::from(waits(entry.file_name()))).sum()
}

/// What hooks kept and nobody has worked off.
pub(super) fn spool(home: &Home) -> Vec<Check> {
    let spool = home.spool();
    let Ok(entries) = fs::read_dir(&spool) else { return Vec::new() };
    let waiting = waiting_events(home);
    let mut checks = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        let why = match path.extension().and_then(|kind| kind.to_str()) {
            Some("failed") => "the governor failed in working it off",
            Some("unreadable") => "it is no event that this version can read",
            _ => continue,
        };
        let log = home.state.join("logs/governor.log");
        let said = format!("{} was set aside: {why}", shown(&path));
        let fix = format!("{} tells more; remove it when it is of no use", shown(&log));
        checks.push(Check::warn("spool", said, fix).at(&path));
    }
    let said = match waiting {
        0 => "no event waits for the governor".to_owned(),
        1 => "1 event waits for the governor".to_owned(),
        more => format!("{more} events wait for the governor"),
    };
    checks.insert(0, Check::fine("spool", said));
    checks
}
