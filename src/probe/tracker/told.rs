//! What the tracker says, as the probe's contract has it.

use std::ops::ControlFlow;

use super::{Found, RepoKind, TrackOptions, Tracked, track};
use crate::{
    fs::{bytes_of, path_from},
    generated::probe::{
        FoundRepo, RepoKind as Kind, TrackProgress, TrackResponse, TrackSummary, TrackWarning,
        track_response::Event,
    },
};

/// Walks `roots`, and tells `sink` of each find as it is met and at the end the
/// summary. The walk ends when `sink` returns false.
pub fn track_for(roots: &[Vec<u8>], options: &TrackOptions, sink: &(dyn Fn(TrackResponse) -> bool + Sync)) {
    let roots: Vec<_> = roots.iter().map(|root| path_from(root)).collect();
    let tell = |event| sink(TrackResponse { event: Some(event) });
    let summary = track(&roots, options, &|tracked| {
        if tell(event(tracked)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    tell(Event::Summary(TrackSummary {
        directories: summary.directories,
        found: summary.found,
        warnings: summary.warnings,
    }));
}

fn event(tracked: Tracked) -> Event {
    match tracked {
        Tracked::Warning { path, message } => Event::Warning(TrackWarning { path: bytes_of(&path), message }),
        Tracked::Progress(so_far) => {
            Event::Progress(TrackProgress { directories: so_far.directories, found: so_far.found })
        }
        Tracked::Found(Found { path, kind, common_dir, parent }) => Event::Found(FoundRepo {
            path: bytes_of(&path),
            kind: match kind {
                RepoKind::Worktree => Kind::Worktree,
                RepoKind::Bare => Kind::Bare,
                RepoKind::Linked => Kind::Linked,
                RepoKind::Submodule => Kind::Submodule,
                RepoKind::Nested => Kind::Nested,
            }
            .into(),
            common_dir: bytes_of(&common_dir),
            parent: parent.as_deref().map(bytes_of).unwrap_or_default(),
        }),
    }
}
