use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Error, Governor};
use crate::ledger::{EventDraft, EventKind, EventRecord};

/// Longest name of a card or an actor, in bytes.
const NAME_MAX: usize = 200;
/// Most attributes of an event.
const ATTRIBUTES_MAX: usize = 64;
/// Most bytes that an event's attributes have together.
const ATTRIBUTES_BYTES: usize = 16 << 10;

/// An event as a client gives it.
#[derive(Debug, Clone)]
pub struct Emission {
    /// Chosen by the client, or none.
    pub event_id: Option<Uuid>,
    /// One of the card kinds.
    pub kind: EventKind,
    /// Selector of the repository; may be empty.
    pub repo: String,
    /// The card; may be empty for a commit.
    pub card: String,
    /// Who emits it; empty: "client".
    pub actor: String,
    /// What else is to be kept.
    pub attributes: BTreeMap<String, String>,
}

impl Governor {
    /// Records a client's event; it is on disk when this returns. Blocks.
    pub fn emit(&self, emission: Emission) -> Result<EventRecord, Error> {
        let Emission { event_id, kind, repo, card, actor, attributes } = emission;
        if !kind.is_card() {
            return Err(Error::bad_request("kind", format!("{kind} is the governor's own to record")));
        }
        let named = |field: &'static str, name: &str| {
            if name.len() > NAME_MAX || name.chars().any(char::is_control) {
                let limits = format!("must have at most {NAME_MAX} bytes and no control characters");
                return Err(Error::bad_request(field, limits));
            }
            Ok(())
        };
        named("card", &card)?;
        named("actor", &actor)?;
        if card.is_empty() && kind != EventKind::Commit {
            return Err(Error::bad_request("card", "names the card that the event is about"));
        }
        let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if attributes.len() > ATTRIBUTES_MAX || bytes > ATTRIBUTES_BYTES {
            let limits = format!("at most {ATTRIBUTES_MAX} of them, {ATTRIBUTES_BYTES} bytes together");
            return Err(Error::bad_request("attributes", limits));
        }
        let mut draft = EventDraft::new(kind, if actor.is_empty() { "client".to_owned() } else { actor });
        if let Some(id) = event_id {
            draft.event_id = id;
        }
        if !repo.is_empty() {
            draft.repo_id = self.select(&repo)?.id;
        }
        draft.card = (!card.is_empty()).then_some(card);
        draft.attributes = attributes;
        Ok(self.ledger.append(draft)?)
    }
}
