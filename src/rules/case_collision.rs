use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use icu_normalizer::DecomposingNormalizerBorrowed;
use unicase::UniCase;

use super::{Change, ChangeKind, Facts, Finding, Rule, RuleId, Settings, Severity, switch_off};

/// Refuses paths that differ from another one by case alone, or by how their
/// letters are composed: where file systems don't tell these apart, as usually on
/// macOS and Windows, only one of the files can be checked out.
pub(super) struct CaseCollision;

/// What stands in the judged tree beside names that are added to it: in each
/// directory, the names that may be one with an added one.
///
/// Whoever gathers facts asks which [`directories`](Siblings::directories) to
/// read, and tells every name in them.
#[derive(Debug, Clone, Default)]
pub struct Siblings {
    /// By directory, empty for the root.
    beside: BTreeMap<Vec<u8>, Names>,
}

/// Names by their folded form.
type Names = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

impl Siblings {
    /// None yet, of these paths that are added.
    pub fn of<'a>(added: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut beside: BTreeMap<Vec<u8>, Names> = BTreeMap::new();
        for path in added {
            for (directory, name) in parts(path) {
                let known = match beside.get_mut(directory) {
                    Some(known) => known,
                    None => beside.entry(directory.to_vec()).or_default(),
                };
                known.entry(folded(name).into_owned()).or_default();
            }
        }
        Self { beside }
    }

    /// The directories whose names are to be told; empty for the root.
    pub fn directories(&self) -> Vec<&[u8]> {
        self.beside.keys().map(Vec::as_slice).collect()
    }

    /// A name that stands in a directory of the judged tree.
    pub fn tell(&mut self, directory: &[u8], name: &[u8]) {
        if let Some(known) = self.beside.get_mut(directory)
            && let Some(names) = known.get_mut(&*folded(name))
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_vec());
        }
    }

    /// Another name in the directory that some file systems take for this one.
    fn other(&self, directory: &[u8], name: &[u8]) -> Option<&[u8]> {
        let names = self.beside.get(directory)?.get(&*folded(name))?;
        names.iter().map(Vec::as_slice).find(|other| *other != name)
    }
}

/// A path's directories, from the root on, each with the name of the path's in it.
fn parts(path: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from;
        let rest = path.get(start..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|byte| *byte == b'/').map_or(path.len(), |at| start + at);
        from = end + 1;
        Some((&path[..start.saturating_sub(1)], &path[start..end]))
    })
}

/// The same for names that only case or composition tells apart. Bytes that are
/// no text fold as ASCII does.
fn folded(name: &[u8]) -> Cow<'_, [u8]> {
    if name.is_ascii() {
        if name.iter().any(u8::is_ascii_uppercase) {
            return Cow::Owned(name.to_ascii_lowercase());
        }
        return Cow::Borrowed(name);
    }
    let Ok(text) = std::str::from_utf8(name) else { return Cow::Owned(name.to_ascii_lowercase()) };
    let decomposer = DecomposingNormalizerBorrowed::new_nfd();
    let folded = UniCase::unicode(decomposer.normalize(text)).to_folded_case();
    Cow::Owned(decomposer.normalize(&folded).into_owned().into_bytes())
}

/// Whether the change puts a name where there was none.
pub(super) fn adds_a_name(change: &Change) -> bool {
    matches!(change.kind, ChangeKind::Added | ChangeKind::Renamed)
}

impl Rule for CaseCollision {
    fn id(&self) -> RuleId {
        RuleId::CaseCollision
    }

    fn judge(&self, facts: &Facts<'_>, _: &Settings, out: &mut Vec<Finding>) {
        // A directory is told of once, however many files come in it; and of two
        // that come together the second.
        let mut told: BTreeSet<Vec<u8>> = BTreeSet::new();
        for change in facts.changes.iter().filter(|change| adds_a_name(change)) {
            let collision = parts(&change.path).find_map(|(directory, name)| {
                Some((directory, name, facts.siblings.other(directory, name)?))
            });
            let Some((directory, name, other)) = collision else { continue };
            let whole = |name: &[u8]| {
                if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
            };
            let (own, other) = (whole(name), whole(other));
            if told.contains(&own) || told.contains(&other) {
                continue;
            }
            out.push(Finding {
                rule: self.id(),
                severity: Severity::Error,
                path: change.path.clone(),
                line: 0,
                message: format!(
                    "{} and {} are one name where case does not count (macOS, Windows): only one of them can be \
                     checked out there",
                    crate::fs::shown_bytes(&own),
                    crate::fs::shown_bytes(&other)
                ),
                fix: "give it another name (`git mv --force OLD NEW` changes case, too), or remove the other one"
                    .to_owned(),
                way_around: switch_off(self.id()),
                fingerprint: String::new(),
            });
            told.insert(own);
        }
    }
}
