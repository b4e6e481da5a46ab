//! `kpmo status --watch`: looks again and again, and shows what has changed.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    super::{
        Context, FINE, Failure,
        args::Status,
        selectors::selectors,
        show::{note, print, print_json},
    },
    as_json, ask, order, problems, rows, tell_problem, text,
};
use crate::{client::Connection, generated::kanban::RepoState};

pub(super) fn run(context: &Context, options: &Status) -> Result<u8, Failure> {
    let selectors = selectors(&options.repos)?;
    context.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = follow(context, options, selectors) => ended,
            _ = interrupt.recv() => Ok(FINE),
            _ = terminate.recv() => Ok(FINE),
        }
    })
}

async fn follow(context: &Context, options: &Status, selectors: Vec<String>) -> Result<u8, Failure> {
    let mut connection = context.governor().await?;
    let mut resized = signal(SignalKind::window_change())?;
    let is_screen = !context.json && std::io::stdout().is_terminal();
    // Given back in whatever way this ends.
    let screen = is_screen.then(Screen::take);
    let mut before: Option<Vec<RepoState>> = None;
    let mut told: Vec<String> = Vec::new();
    loop {
        let (problems, mut states) = match look(connection.clone(), &selectors).await {
            Err(failure) if failure.is_gone() => {
                connection = context.next_governor().await?;
                continue;
            }
            looked => looked?,
        };
        rows::sort(&mut states, order(context, options.sort));
        match (&screen, &before) {
            (Some(_), _) => draw(&states, &problems),
            (None, Some(before)) if *before == states => {}
            (None, before) if context.json => print_json(&change(before.as_deref(), &states)),
            (None, _) => print(&format!("{}\n", text(&states, None))),
        }
        before = Some(states);
        if screen.is_none() {
            problems.iter().filter(|problem| !told.contains(problem)).for_each(|it| tell_problem(it));
        }
        told = problems;
        tokio::select! {
            () = tokio::time::sleep(options.interval) => {}
            _ = resized.recv() => {}
        }
    }
}

async fn look(
    connection: Connection,
    selectors: &[String],
) -> Result<(Vec<String>, Vec<RepoState>), Failure> {
    Ok((problems(connection.clone()).await?, ask(connection, selectors.to_vec()).await?))
}

/// All at first, then what is new, different or gone.
fn change(before: Option<&[RepoState]>, now: &[RepoState]) -> Value {
    let name = |state: &RepoState| state.repo.as_ref().map(|repo| (repo.id.clone(), repo.name.clone()));
    let mut left: BTreeMap<_, _> =
        before.unwrap_or_default().iter().map(|state| (name(state), state)).collect();
    let changed: Vec<_> =
        now.iter().filter(|state| left.remove(&name(state)) != Some(*state)).map(as_json).collect();
    let gone: Vec<String> = left.into_keys().flatten().map(|(_, name)| name).collect();
    json!({ "time": Timestamp::now().to_string(), "repos": changed, "removed": gone })
}

/// The terminal's other screen, without its cursor.
struct Screen;

impl Screen {
    fn take() -> Self {
        put("\x1b[?1049h\x1b[?25l");
        Self
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        put("\x1b[?25h\x1b[?1049l");
    }
}

fn draw(states: &[RepoState], problems: &[String]) {
    let (width, height) = super::terminal().unwrap_or((80, 24));
    let text = text(states, Some(width));
    let lines: Vec<&str> = text.lines().collect();
    let mut drawn = String::from("\x1b[H");
    // The summary is the last line, and the most important one.
    let (summary, table) = lines.split_last().unwrap_or((&"", &[]));
    // What is wrong with the governor takes a line.
    let room = height.saturating_sub(2 + usize::from(!problems.is_empty())).max(1);
    // What clears the screen is needed without colours, too.
    let is_plain = anstream::AutoStream::choice(&std::io::stdout()) == anstream::ColorChoice::Never;
    for line in table.iter().take(room) {
        let line = if is_plain { anstream::adapter::strip_str(line).to_string() } else { (*line).to_owned() };
        drawn.push_str(&format!("{line}\x1b[K\n"));
    }
    let hidden = table.len().saturating_sub(room);
    let more = if hidden > 0 { format!("{hidden} more; ") } else { String::new() };
    if let Some(said) = said_of(problems) {
        drawn.push_str(&format!("{}\x1b[K\n", super::table::cut(&said, width, false)));
    }
    let last = format!("{more}{summary}");
    drawn.push_str(&format!("{}\x1b[K\x1b[J", super::table::cut(&last, width, false)));
    put(&drawn);
}

/// What is wrong with the governor, for one line.
fn said_of(problems: &[String]) -> Option<String> {
    let first = problems.first()?.lines().next().unwrap_or_default();
    let more = problems.len() - 1;
    let more = if more > 0 { format!(" (and {more} more: `kpmo governor status`)") } else { String::new() };
    Some(format!("warning{more}: {first}"))
}

fn put(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        note("kpmo: the terminal is gone");
        std::process::exit(2);
    }
}
