use std::time::{Duration, Instant};

use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::{
    Context, FINDINGS, FINE, Failure,
    args::{Force, Governor},
    show::{counted, note, print, print_json},
};
use crate::{
    client::ALREADY_RUNNING,
    daemon::{self, DaemonError, Mode},
    fs::{FileLock, shown, shown_bytes},
    generated::kanban::{
        RunningSnapshot, ShutdownRequest, StatusRequest, StatusResponse, SyncProgress,
        governor_client::GovernorClient,
    },
};

/// Longest that a governor takes to end: its drain, and some.
const END: Duration = Duration::from_secs(12);

pub(super) fn run(context: &Context, command: &Governor) -> Result<u8, Failure> {
    match command {
        Governor::Run { detached, daemon } => {
            let mode = match (detached, daemon) {
                (true, _) => Mode::Detach,
                (_, true) => Mode::Detached,
                _ => Mode::Foreground,
            };
            match daemon::run(&context.home, mode) {
                // For whoever starts it in the background, and tries again then.
                Err(error @ DaemonError::AlreadyRunning { .. }) if mode == Mode::Detached => {
                    note(&error.to_string());
                    Ok(u8::try_from(ALREADY_RUNNING).unwrap_or(FINDINGS))
                }
                ended => ended.map(|()| FINE).map_err(Failure::from),
            }
        }
        Governor::Start => start(context),
        Governor::Stop(force) => {
            let stopped = stop(context, *force)?;
            if context.json {
                print_json(&json!({ "stopped": stopped }));
            } else {
                print(if stopped { "stopped\n" } else { "not running\n" });
            }
            Ok(FINE)
        }
        Governor::Restart(force) => {
            stop(context, *force)?;
            start(context)
        }
        Governor::Status => status(context),
    }
}

fn start(context: &Context) -> Result<u8, Failure> {
    let now = context.block_on(async {
        let connection = context.governor().await?;
        Ok::<_, Failure>(GovernorClient::new(connection).status(StatusRequest {}).await?.into_inner())
    })?;
    show(context, &now);
    Ok(FINE)
}

/// Ends the governor; false: there was none. Returns when its lock is free.
pub(super) fn stop(context: &Context, force: Force) -> Result<bool, Failure> {
    let lock = context.home.governor_lock();
    let asked = context.block_on(async {
        let Some(connection) = context.running().await? else { return Ok(false) };
        GovernorClient::new(connection).shutdown(ShutdownRequest {}).await?;
        Ok::<_, Failure>(true)
    });
    let asked = match asked {
        Ok(asked) => asked,
        Err(_) if force.force => kill(context)?,
        Err(failure) => return Err(failure),
    };
    // One that is starting, or does not listen any more, still has the lock.
    if !asked && (!lock.exists() || FileLock::try_acquire(&lock)?.is_some()) {
        return Ok(false);
    }
    if !asked && force.force {
        kill(context)?;
    }
    let deadline = Instant::now() + END;
    // Within the runtime: the governor waits for every connection to take its
    // goodbye, ours among them.
    context.block_on(async {
        while FileLock::try_acquire(&lock)?.is_none() {
            if Instant::now() > deadline {
                return Err(Failure::new(
                    "the governor does not end; `kpmo governor stop --force` kills it, and nothing that was acknowledged is lost",
                ));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(true)
    })
}

/// Kills the process that holds the governor's lock.
fn kill(context: &Context) -> Result<bool, Failure> {
    let path = context.home.governor_lock();
    if FileLock::try_acquire(&path)?.is_some() {
        return Ok(false);
    }
    // The holder has written its id there, and nobody else can have it while
    // the lock is held.
    let holder = std::fs::read_to_string(&path)?;
    let Some(pid) = holder.trim().parse().ok().and_then(rustix::process::Pid::from_raw) else {
        return Err(Failure::new(format!(
            "{} does not say who holds it; a governor may be just starting: try again",
            shown(&path)
        )));
    };
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)
        .map_err(|error| Failure::new(format!("cannot end process {}: {error}", holder.trim())))?;
    match FileLock::acquire_within(&path, END)? {
        Some(_) => Ok(true),
        None => Err(Failure::new(format!("process {} does not end", holder.trim()))),
    }
}

fn status(context: &Context) -> Result<u8, Failure> {
    let now = context.block_on(async {
        let Some(connection) = context.running().await? else { return Ok::<_, Failure>(None) };
        Ok(Some(GovernorClient::new(connection).status(StatusRequest {}).await?.into_inner()))
    })?;
    let Some(now) = now else {
        let socket = context.socket()?;
        if context.json {
            print_json(&json!({
                "running": false, "pid": null, "version": null,
                "socket": socket.to_string_lossy(), "uptime_s": null,
            }));
        } else {
            print(&format!(
                "not running (socket {}); `kpmo governor start` starts it, and so does any hook\n",
                shown(&socket)
            ));
        }
        return Ok(FINDINGS);
    };
    show(context, &now);
    Ok(if now.problems.is_empty() { FINE } else { FINDINGS })
}

fn show(context: &Context, now: &StatusResponse) {
    let uptime = now.uptime.as_ref().map_or(0, |uptime| uptime.seconds);
    if context.json {
        print_json(&json!({
            "running": true, "pid": now.pid, "version": now.version,
            "socket": String::from_utf8_lossy(&now.socket), "uptime_s": uptime,
            "repos": now.repos, "ledger_seq": now.ledger_seq, "problems": now.problems,
            "snapshots_waiting": now.snapshots_waiting,
            "snapshots_running": now.snapshots_running.iter().map(running_as_json).collect::<Vec<_>>(),
            "state_dir": String::from_utf8_lossy(&now.state_dir),
            "config_dir": String::from_utf8_lossy(&now.config_dir),
        }));
        return;
    }
    let mut text = format!(
        "running: pid {}, version {}, up {uptime} s, {} repositories, {} events\nsocket  {}\nconfig  {}\nstate   {}\n",
        now.pid,
        now.version,
        now.repos,
        now.ledger_seq,
        shown_bytes(&now.socket),
        shown_bytes(&now.config_dir),
        shown_bytes(&now.state_dir),
    );
    if now.snapshots_waiting > 0 {
        text.push_str(&format!(
            "snapshots of {} are being taken{}\n",
            counted(now.snapshots_waiting.into(), "repository", "repositories"),
            if now.snapshots_running.is_empty() { "" } else { ":" }
        ));
    }
    for running in &now.snapshots_running {
        text.push_str(&format!(
            "  {}: {}\n",
            running.repo_name,
            how_far(&running.progress.unwrap_or_default())
        ));
    }
    let left = u64::from(now.snapshots_waiting).saturating_sub(now.snapshots_running.len() as u64);
    if left > 0 && !now.snapshots_running.is_empty() {
        text.push_str(&format!("  and {left} to come\n"));
    }
    for problem in &now.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    print(&text);
}

/// How far a snapshot has come, in words.
fn how_far(progress: &SyncProgress) -> String {
    let SyncProgress { files, bytes, total_bytes } = *progress;
    if total_bytes == 0 {
        return "being looked at".to_owned();
    }
    let percent = u128::from(bytes) * 100 / u128::from(total_bytes);
    let files = counted(files, "file", "files");
    format!("{files}, {} of about {} ({percent} %)", HumanBytes(bytes), HumanBytes(total_bytes))
}

fn running_as_json(running: &RunningSnapshot) -> Value {
    let SyncProgress { files, bytes, total_bytes } = running.progress.unwrap_or_default();
    json!({
        "repo": running.repo_id, "name": running.repo_name, "files": files, "bytes": bytes,
        "total_bytes": (total_bytes > 0).then_some(total_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_is_told_in_words() {
        let of = |files, bytes, total_bytes| how_far(&SyncProgress { files, bytes, total_bytes });
        assert_eq!(of(0, 0, 0), "being looked at");
        assert_eq!(of(1, 512, 1024), "1 file, 512 B of about 1.00 KiB (50 %)");
        assert_eq!(of(3, u64::MAX, u64::MAX), "3 files, 16.00 EiB of about 16.00 EiB (100 %)");
    }
}
