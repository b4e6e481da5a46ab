//! Which snapshots are kept.

use std::collections::HashSet;

use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::{ledger::ListedSnapshot, policy::Keep};

/// Copies of the ledger that are kept: each has all that those before it had.
const LEDGERS: usize = 5;

/// Of one repository's snapshots, newest first, those that the ladder keeps: the
/// last of each rung's hours, days, …, but rather one that is of one moment than a
/// torn one; and always the newest complete one.
pub(super) fn kept<'a>(
    newest_first: &[&'a ListedSnapshot],
    keep: &Keep,
    zone: &TimeZone,
) -> HashSet<&'a str> {
    let mut kept = HashSet::new();
    let times: Vec<Dated<'a>> = newest_first
        .iter()
        .map(|listed| Dated {
            id: &listed.snapshot.id,
            at: listed.snapshot.time.to_zoned(zone.clone()),
            is_complete: listed.snapshot.status == "complete",
            is_torn: listed.snapshot.status == "torn",
        })
        .collect();
    if newest_first.first().is_some_and(|listed| listed.repo_id.is_empty()) {
        kept.extend(times.iter().take(LEDGERS).map(|dated| dated.id));
        return kept;
    }
    kept.extend(times.iter().find(|dated| dated.is_complete).map(|dated| dated.id));
    let last = usize::try_from(keep.last.max(1)).unwrap_or(usize::MAX);
    kept.extend(times.iter().take(last).map(|dated| dated.id));
    let day = |at: &Zoned| (i64::from(at.year()), i64::from(at.day_of_year()));
    rung(&mut kept, &times, keep.hourly, |at| (day(at).0, day(at).1 * 24 + i64::from(at.hour())));
    rung(&mut kept, &times, keep.daily, day);
    rung(&mut kept, &times, keep.weekly, |at| {
        let week = at.date().iso_week_date();
        (i64::from(week.year()), i64::from(week.week()))
    });
    rung(&mut kept, &times, keep.monthly, |at| (i64::from(at.year()), i64::from(at.month())));
    rung(&mut kept, &times, keep.yearly, |at| (i64::from(at.year()), 0));
    kept
}

/// A snapshot, and when it was taken where the user is.
struct Dated<'a> {
    id: &'a str,
    at: Zoned,
    is_complete: bool,
    is_torn: bool,
}

/// Of each of the newest `count` spans that have any snapshot, keeps the newest that
/// is not torn, or else the newest.
fn rung<'a>(
    kept: &mut HashSet<&'a str>,
    newest_first: &[Dated<'a>],
    count: u64,
    span: impl Fn(&Zoned) -> (i64, i64),
) {
    let spans = newest_first.chunk_by(|one, other| span(&one.at) == span(&other.at));
    for of_span in spans.take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let best = of_span.iter().find(|dated| !dated.is_torn).or(of_span.first());
        kept.extend(best.map(|dated| dated.id));
    }
}

/// Of all snapshots, those that go first where the store is too large: the
/// oldest, but never a repository's newest or its newest complete one.
pub(super) fn expendable(all: &[ListedSnapshot]) -> Vec<&ListedSnapshot> {
    let mut by_age: Vec<&ListedSnapshot> = all.iter().collect();
    by_age.sort_by_key(|listed| std::cmp::Reverse(listed.snapshot.time));
    let (mut newest, mut complete) = (HashSet::new(), HashSet::new());
    let mut expendable: Vec<&ListedSnapshot> = by_age
        .into_iter()
        .filter(|listed| {
            let is_newest = newest.insert(&listed.repo_id);
            let is_complete = listed.snapshot.status == "complete" && complete.insert(&listed.repo_id);
            !is_newest && !is_complete
        })
        .collect();
    expendable.reverse();
    expendable
}

/// The snapshots of each repository, newest first.
pub(super) fn by_repo(all: &[ListedSnapshot]) -> Vec<Vec<&ListedSnapshot>> {
    let mut repos: std::collections::BTreeMap<&str, Vec<&ListedSnapshot>> = std::collections::BTreeMap::new();
    for listed in all {
        repos.entry(&listed.repo_id).or_default().push(listed);
    }
    let newest_first = |listed: &&ListedSnapshot| -> std::cmp::Reverse<(Timestamp, String)> {
        std::cmp::Reverse((listed.snapshot.time, listed.snapshot.id.clone()))
    };
    repos
        .into_values()
        .map(|mut of| {
            of.sort_by_key(newest_first);
            of
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::ledger::SnapshotRecord;

    fn listed(repo: &str, at: &str, status: &str) -> ListedSnapshot {
        let time: Timestamp = at.parse().unwrap();
        ListedSnapshot {
            repo_id: repo.into(),
            snapshot: SnapshotRecord {
                id: format!("{repo}@{at}"),
                repo_name: repo.into(),
                time,
                trigger: "manual".into(),
                branch: None,
                head: None,
                status: status.into(),
                files: 0,
                bytes: 0,
                added: 0,
                ledger_seq: None,
            },
        }
    }

    fn keep(last: u64, hourly: u64, daily: u64, weekly: u64, monthly: u64, yearly: u64) -> Keep {
        Keep { last, hourly, daily, weekly, monthly, yearly }
    }

    fn kept_of(all: &[ListedSnapshot], keep: &Keep) -> Vec<String> {
        let repos = by_repo(all);
        let mut kept: Vec<String> =
            kept(&repos[0], keep, &TimeZone::UTC).into_iter().map(|id| id[2..].to_owned()).collect();
        kept.sort();
        kept
    }

    #[test]
    fn each_rung_keeps_the_last_of_its_spans() {
        let at = |times: &[&str]| -> Vec<ListedSnapshot> {
            times.iter().map(|time| listed("r", time, "complete")).collect()
        };
        let all = at(&[
            "2024-02-01T10:00:00Z",
            "2025-12-31T23:00:00Z",
            "2026-01-01T00:10:00Z",
            "2026-01-01T00:50:00Z",
            "2026-01-01T09:00:00Z",
            "2026-01-01T09:30:00Z",
        ]);
        assert_eq!(kept_of(&all, &keep(1, 0, 0, 0, 0, 0)), ["2026-01-01T09:30:00Z"]);
        assert_eq!(kept_of(&all, &keep(1, 2, 0, 0, 0, 0)), ["2026-01-01T00:50:00Z", "2026-01-01T09:30:00Z"]);
        assert_eq!(kept_of(&all, &keep(1, 0, 2, 0, 0, 0)), ["2025-12-31T23:00:00Z", "2026-01-01T09:30:00Z"]);
        // One week by ISO 8601, two years.
        assert_eq!(kept_of(&all, &keep(1, 0, 0, 2, 0, 0)), ["2024-02-01T10:00:00Z", "2026-01-01T09:30:00Z"]);
        assert_eq!(kept_of(&all, &keep(1, 0, 0, 0, 0, 2)), ["2025-12-31T23:00:00Z", "2026-01-01T09:30:00Z"]);
        assert_eq!(kept_of(&all, &keep(9, 0, 0, 0, 0, 0)).len(), all.len());
    }

    #[test]
    fn the_newest_complete_one_is_always_kept() {
        let all =
            [listed("r", "2026-01-01T00:00:00Z", "complete"), listed("r", "2026-01-02T00:00:00Z", "torn")];
        assert_eq!(kept_of(&all, &keep(1, 0, 0, 0, 0, 0)).len(), 2);
    }

    #[test]
    fn of_a_span_one_is_kept_rather_than_a_later_torn_one() {
        let all = [
            listed("r", "2026-01-01T09:00:00Z", "complete"),
            listed("r", "2026-01-01T23:59:00Z", "torn"),
            listed("r", "2026-01-02T08:00:00Z", "complete"),
            listed("r", "2026-01-02T09:00:00Z", "partial"),
            listed("r", "2026-01-03T09:00:00Z", "complete"),
        ];
        let expected = ["2026-01-01T09:00:00Z", "2026-01-02T09:00:00Z", "2026-01-03T09:00:00Z"];
        assert_eq!(kept_of(&all, &keep(1, 0, 9, 0, 0, 0)), expected);
    }

    #[test]
    fn the_oldest_go_first_and_no_repository_loses_its_last() {
        let all = [
            listed("a", "2026-01-03T00:00:00Z", "torn"),
            listed("a", "2026-01-02T00:00:00Z", "complete"),
            listed("a", "2026-01-01T00:00:00Z", "complete"),
            listed("b", "2025-01-01T00:00:00Z", "complete"),
            listed("c", "2025-06-01T00:00:00Z", "torn"),
            listed("c", "2025-07-01T00:00:00Z", "torn"),
        ];
        let ids: Vec<&str> = expendable(&all).into_iter().map(|it| it.snapshot.id.as_str()).collect();
        assert_eq!(ids, ["c@2025-06-01T00:00:00Z", "a@2026-01-01T00:00:00Z"]);
    }

    #[test]
    fn a_year_of_hours_comes_down_to_the_rungs() {
        let first: Timestamp = "2025-03-01T00:30:00Z".parse().unwrap();
        let all: Vec<ListedSnapshot> =
            (0..24 * 365).map(|hour| listed("r", &(first + hour.hours()).to_string(), "complete")).collect();
        let kept = kept_of(&all, &keep(10, 24, 7, 4, 12, 2));
        // 24 hours, 6 more days, 3 or 4 weeks, 10 or more months, a year: some
        // fall together.
        assert!((40..=50).contains(&kept.len()), "{}", kept.len());
    }
}
