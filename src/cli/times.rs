//! Times, as people type and read them.

use jiff::{Span, Timestamp, Zoned, civil::DateTime};
use prost_types::Timestamp as ProtoTime;

use super::Failure;

/// The time that is meant: RFC 3339, a local date or date and time, or an age.
pub(super) fn parse(text: &str, now: &Zoned) -> Result<Timestamp, Failure> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let not_understood = || {
        Failure::new(format!(
            "{text:?} is no time: write RFC 3339 (2026-03-01T12:00:00Z), a local date (2026-03-01) or date and \
             time (2026-03-01 12:00), or an age (2h, 3d, \"90m ago\")"
        ))
    };
    // A zone in brackets would be read over.
    if let (false, Ok(local)) = (text.contains('['), text.parse::<DateTime>()) {
        let zoned = local.to_zoned(now.time_zone().clone()).map_err(|_| not_understood())?;
        return Ok(zoned.timestamp());
    }
    let age: Span = text.parse().map_err(|_| not_understood())?;
    // Past is the only direction that an age has, whichever way it is spelled.
    let then = now.checked_sub(age.abs()).map_err(|_| not_understood())?;
    Ok(then.timestamp())
}

/// As the contract has it.
pub(super) fn to_proto(time: Timestamp) -> ProtoTime {
    // The contract counts nanoseconds up from the second, also before 1970.
    let nanos = time.as_nanosecond();
    ProtoTime {
        seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or_default(),
        nanos: i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default(),
    }
}

/// `None` for a time that is none.
pub(super) fn from_proto(time: Option<&ProtoTime>) -> Option<Timestamp> {
    let time = time?;
    Timestamp::new(time.seconds, time.nanos).ok()
}

/// RFC 3339, for scripts.
pub(super) fn rfc3339(time: Option<&ProtoTime>) -> Option<String> {
    from_proto(time).map(|time| time.to_string())
}

/// Local time, to the second.
pub(super) fn local(time: Option<&ProtoTime>) -> String {
    match from_proto(time) {
        Some(time) => {
            time.to_zoned(Zoned::now().time_zone().clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        None => String::new(),
    }
}

/// How long ago, in one unit; empty if it never was.
pub(super) fn age(time: Option<&ProtoTime>, now: Timestamp) -> String {
    let Some(time) = from_proto(time) else { return String::new() };
    let seconds = now.as_second().saturating_sub(time.as_second());
    match seconds {
        ..60 => "now".to_owned(),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-03-10T12:00:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn times_are_understood() {
        for (text, wanted) in [
            ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
            ("2026-03-01T12:00:00.5+02:00", "2026-03-01T10:00:00.5Z"),
            ("2026-03-01 12:00:00+02:00", "2026-03-01T10:00:00Z"),
            // Local, an hour ahead of UTC.
            ("2026-03-01", "2026-02-28T23:00:00Z"),
            ("2026-03-01 12:00", "2026-03-01T11:00:00Z"),
            (" 2026-03-01 12:00:30 ", "2026-03-01T11:00:30Z"),
            ("2026-07-01T12:00", "2026-07-01T10:00:00Z"),
            ("2h", "2026-03-10T09:00:00Z"),
            ("90m ago", "2026-03-10T09:30:00Z"),
            ("1h 30m", "2026-03-10T09:30:00Z"),
            ("3d", "2026-03-07T11:00:00Z"),
            ("2 weeks ago", "2026-02-24T11:00:00Z"),
            ("30s", "2026-03-10T10:59:30Z"),
        ] {
            assert_eq!(parse(text, &now()).unwrap().to_string(), wanted, "{text:?}");
        }
    }

    /// A day ago is the same time of day, also where the clocks changed.
    #[test]
    fn days_are_the_calendars() {
        let now: Zoned = "2026-03-29T12:00:00[Europe/Berlin]".parse().unwrap();
        assert_eq!(parse("1d", &now).unwrap().to_string(), "2026-03-28T11:00:00Z");
        assert_eq!(parse("24h", &now).unwrap().to_string(), "2026-03-28T10:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "yesterday", "2026-13-01", "2h ahead", "2026-03-01T12:00[Asia/Tokyo]", "5", "99999y", "x"]
        {
            let failure = parse(text, &now()).unwrap_err();
            assert_eq!(failure.code(), 2);
            assert!(format!("{failure:?}").contains("is no time"), "{failure:?}");
        }
    }

    #[test]
    fn the_contracts_times_are_the_same_times() {
        for text in ["2026-03-01T12:00:00.123456789Z", "1969-12-31T23:59:59.25Z", "1970-01-01T00:00:00Z"] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(from_proto(Some(&to_proto(time))), Some(time));
            assert_eq!(rfc3339(Some(&to_proto(time))).as_deref(), Some(text));
        }
        assert_eq!(from_proto(None), None);
        assert_eq!(rfc3339(Some(&ProtoTime { seconds: i64::MAX, nanos: 0 })), None);
    }

    #[test]
    fn ages_have_one_unit() {
        let then = ProtoTime { seconds: 1_000_000, nanos: 0 };
        let after = |seconds: i64| age(Some(&then), Timestamp::from_second(1_000_000 + seconds).unwrap());
        assert_eq!([after(-5), after(59), after(60), after(3_599)].join(" "), "now now 1m 59m");
        assert_eq!([after(3_600), after(172_799), after(172_800)].join(" "), "1h 47h 2d");
        assert_eq!(age(None, Timestamp::UNIX_EPOCH), "");
    }
}
