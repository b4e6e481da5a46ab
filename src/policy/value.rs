//! Values that are checked where they stand, so that an error has the place of
//! the value itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

use crate::rules::{NameGlobs, PathGlobs, Pattern, secret_kinds as known_kinds};

/// The only version of either file that there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "the version 1", |text| {
            if text == "1" {
                Ok(Self)
            } else {
                Err(format!("version {text:?} is not known: this kpmo reads version 1"))
            }
        })
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounded<const LEAST: u64, const MOST: u64>(pub u64);

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Bounded<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const LEAST: u64, const MOST: u64>;
        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Number<LEAST, MOST> {
            type Value = u64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LEAST} to {MOST}")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
                if (LEAST..=MOST).contains(&number) {
                    Ok(number)
                } else {
                    Err(E::invalid_value(de::Unexpected::Unsigned(number), &self))
                }
            }
        }
        deserializer.deserialize_u64(Number::<LEAST, MOST>).map(Self)
    }
}

/// Reads a scalar as text and parses that, so that a failure is placed at the
/// scalar. Text it is however YAML would take it: a fingerprint may look like a
/// number.
pub(super) fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expecting: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Text<T, F>(&'static str, F, PhantomData<T>);
    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<T, F> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            self.1(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(expecting, parse, PhantomData))
}

/// A size in bytes, with or without a unit.
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a size such as 10MiB", |text| {
            bytes(text).map(Self).ok_or_else(|| format!("{text:?} is not a size: write, for instance, 10MiB"))
        })
    }
}

/// The bytes of a size above zero: a whole number and a unit of 1000 (KB) or
/// of 1024 (KiB).
pub(super) fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit).filter(|bytes| *bytes > 0)
}

pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Size>::deserialize(deserializer)?.map(|size| size.0))
}

/// A size in bytes that something may have; `None`: any.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub Option<u64>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a size such as 10GiB, or none", |text| match text {
            "none" => Ok(Self(None)),
            _ => bytes(text)
                .map(|bytes| Self(Some(bytes)))
                .ok_or_else(|| format!("{text:?} is not a size: write, for instance, 10GiB, or none")),
        })
    }
}

/// A size that a content in memory may have.
struct ScanLimit(u64);

impl<'de> Deserialize<'de> for ScanLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a size from 1KiB to 64MiB", |text| {
            bytes(text)
                .filter(|bytes| (1 << 10..=64 << 20).contains(bytes))
                .map(Self)
                .ok_or_else(|| format!("{text:?} is not a size from 1KiB to 64MiB"))
        })
    }
}

pub(super) fn scan_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<ScanLimit>::deserialize(deserializer)?.map(|limit| limit.0))
}

/// Bits of entropy per byte that a value can be asked to have.
struct Entropy(f64);

impl<'de> Deserialize<'de> for Entropy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a number from 2 to 6", |text| {
            text.parse()
                .ok()
                .filter(|bits| (2.0..=6.0).contains(bits))
                .map(Self)
                .ok_or_else(|| format!("{text:?} is not a number from 2 to 6"))
        })
    }
}

pub(super) fn entropy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<Entropy>::deserialize(deserializer)?.map(|entropy| entropy.0))
}

/// A finding's fingerprint.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Fingerprint(String);

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a fingerprint of 16 hexadecimal digits", |text| {
            if text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                Ok(Self(text.to_ascii_lowercase()))
            } else {
                // It may be the secret itself that somebody put here.
                Err("this is not a fingerprint: 16 hexadecimal digits, as a finding shows them".to_owned())
            }
        })
    }
}

pub(super) fn fingerprints<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeSet<String>>, D::Error> {
    let list = Option::<BTreeSet<Fingerprint>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.into_iter().map(|fingerprint| fingerprint.0).collect()))
}

/// A glob that compiles.
struct Glob(String);

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a glob", |text| match PathGlobs::new(vec![text.to_owned()]) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(error.to_string()),
        })
    }
}

pub(super) fn globs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathGlobs>, D::Error> {
    let Some(list) = Option::<Vec<Glob>>::deserialize(deserializer)? else { return Ok(None) };
    let globs = PathGlobs::new(list.into_iter().map(|glob| glob.0).collect()).map_err(de::Error::custom)?;
    Ok(Some(globs))
}

/// A glob over names that compiles.
struct NameGlob(String);

impl<'de> Deserialize<'de> for NameGlob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a glob", |text| match NameGlobs::new(vec![text.to_owned()]) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(error.to_string()),
        })
    }
}

pub(super) fn name_globs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NameGlobs>, D::Error> {
    let Some(list) = Option::<Vec<NameGlob>>::deserialize(deserializer)? else { return Ok(None) };
    let globs = NameGlobs::new(list.into_iter().map(|glob| glob.0).collect()).map_err(de::Error::custom)?;
    Ok(Some(globs))
}

/// What is demanded, or by a word in its place: nothing.
#[derive(Debug, Clone)]
pub(super) struct Wanted<T>(pub Option<T>);

/// Nothing is no `null`, which would be a key without a value.
impl<T: Serialize> Serialize for Wanted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(wanted) => wanted.serialize(serializer),
            None => NOTHING.serialize(serializer),
        }
    }
}

const NOTHING: &str = "none";

impl<'de> Deserialize<'de> for Wanted<Pattern> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a regular expression, or none", |text| match text {
            NOTHING => Ok(Self(None)),
            _ => match Pattern::new(text) {
                Ok(pattern) => Ok(Self(Some(pattern))),
                Err(error) => Err(format!("{text:?} is not a regular expression: {error}")),
            },
        })
    }
}

impl<'de> Deserialize<'de> for Wanted<u32> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a number of characters, or none", |text| match text {
            NOTHING => Ok(Self(None)),
            _ => match text.parse().ok().filter(|count| (1..=10_000).contains(count)) {
                Some(count) => Ok(Self(Some(count))),
                None => Err(format!("{text:?} is not a number from 1 to 10000, nor `none`")),
            },
        })
    }
}

/// A kind that the rule `secrets` knows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SecretKind(String);

impl<'de> Deserialize<'de> for SecretKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a kind of secrets", |text| {
            if known_kinds().any(|kind| kind == text) {
                return Ok(Self(text.to_owned()));
            }
            let known: Vec<_> = known_kinds().collect();
            Err(format!("{text:?} is no kind of secrets; there are {}", known.join(", ")))
        })
    }
}

pub(super) fn secret_kinds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeSet<String>>, D::Error> {
    let list = Option::<BTreeSet<SecretKind>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.into_iter().map(|kind| kind.0).collect()))
}

/// A directory's name.
#[derive(Debug)]
pub(super) struct DirName(pub String);

impl<'de> Deserialize<'de> for DirName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a directory's name", |text| {
            if matches!(text, "" | "." | ".." | ".git") || text.contains(['/', '\0']) {
                Err(format!("{text:?} is not the name of a directory to skip"))
            } else {
                Ok(Self(text.to_owned()))
            }
        })
    }
}

/// A value whose absence (`key:` with nothing after it) is its default.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A mapping by name; a name with nothing after it has the default.
pub(super) fn map<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let map = Option::<BTreeMap<String, Option<T>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect())
}
