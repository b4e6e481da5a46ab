use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
        Visitor,
    },
};

use super::value::parsed;
use crate::fs::{IoContext as _, PathError, shown};

/// Bytes that a configuration file may have.
const MOST_BYTES: u64 = 1 << 20;

/// A configuration file can't be used.
///
/// Shown as `path:line:column: message`, as compilers do.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {message}", shown(path), place(*line, *column))]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// 1-based line; 0 where the error has no place in the file.
    pub line: usize,
    /// 1-based column in characters; 0 where the error has no place in the file.
    pub column: usize,
    /// What is wrong, with the offending text.
    pub message: String,
    /// What the system said, where the file can't be read.
    #[source]
    pub source: Option<PathError>,
}

fn place(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!(":{line}:{column}") }
}

impl ConfigError {
    fn at(path: &Path, line: usize, column: usize, message: String) -> Self {
        Self { path: path.to_owned(), line, column, message, source: None }
    }

    fn unreadable(error: PathError) -> Self {
        let message = format!("cannot {} it: {}", error.action, error.source);
        Self { path: error.path.clone(), line: 0, column: 0, message, source: Some(error) }
    }
}

/// The text of a file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.at("open", path).map_err(ConfigError::unreadable)?,
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).at("read", path).map_err(ConfigError::unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(ConfigError::at(path, 0, 0, format!("it has more than {MOST_BYTES} bytes")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let good = String::from_utf8_lossy(good);
            let line = good.matches('\n').count() + 1;
            let column = good.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            Err(ConfigError::at(path, line, column, "it is not UTF-8 here".to_owned()))
        }
    }
}

/// What a text says; `path` is for errors alone.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    // A file of comments alone may be one that was cut off: it must say its version.
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    if bare.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Err(ConfigError::at(
            path,
            1,
            1,
            "it says nothing: it needs at least `version: 1`".to_owned(),
        ));
    }
    serde_yaml::from_str::<UniqueKeys>(text).and_then(|_| serde_yaml::from_str(text)).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
        // The place is told by the fields.
        let message = error.to_string().replacen(&format!(" at line {line} column {column}"), "", 1);
        ConfigError::at(path, line, column, message)
    })
}

/// Any YAML in which no mapping has a key twice. The typed readers notice that
/// too, but place the error at the mapping's start, or keep the last value.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i128<E>(self, _: i128) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u128<E>(self, _: u128) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key_seed(NewKey(&keys))? {
            keys.insert(key);
            entries.next_value::<Self>()?;
        }
        Ok(self)
    }
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Self, A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        value.newtype_variant()
    }
}

/// A key that is not among those before it.
struct NewKey<'a>(&'a BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        parsed(deserializer, "a key", |key| {
            if self.0.contains(key) { Err(format!("{key:?} stands here twice")) } else { Ok(key.to_owned()) }
        })
    }
}
