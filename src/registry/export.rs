//! The registry in canonical form: every entry with every key, so that it can
//! be compared, or taken elsewhere. Both forms are a `repos.yml`.

use std::path::Path;

use serde_json::{Map, json};

use super::{
    Repo,
    edit::fields,
    render::{self, Value},
    rules::KEYS,
};

/// As YAML; what an entry does not say is `null`, or an empty list. Paths below
/// `home` are written as `~/…`.
pub fn as_yaml(repos: &[Repo], home: &Path) -> String {
    let mut text =
        String::from(if repos.is_empty() { "version: 1\nrepos: []\n" } else { "version: 1\nrepos:\n" });
    for repo in repos {
        for (at, (key, value)) in every_field(repo, home).into_iter().enumerate() {
            let lead = if at == 0 { "  - " } else { "    " };
            let pair = match value {
                Some(value) => render::pair(key, &value, "    ", "\n"),
                None => format!("{key}: null"),
            };
            text.extend([lead, &pair, "\n"]);
        }
    }
    text
}

/// As JSON, which is YAML, too.
pub fn as_json(repos: &[Repo], home: &Path) -> serde_json::Value {
    let value = |value| match value {
        Some(Value::Text(text)) => json!(text),
        Some(Value::List(items)) => json!(items),
        None => json!(null),
    };
    let entry = |repo| {
        let fields = every_field(repo, home).into_iter();
        fields.map(|(key, field)| (key.to_owned(), value(field))).collect::<Map<_, _>>()
    };
    json!({ "version": 1, "repos": repos.iter().map(entry).collect::<Vec<_>>() })
}

fn every_field(repo: &Repo, home: &Path) -> Vec<(&'static str, Option<Value>)> {
    let said = fields(repo, home, true);
    let value = |key: &str| {
        let given = said.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        given.or_else(|| matches!(key, "tags" | "verify").then(|| Value::List(Vec::new())))
    };
    KEYS.iter().map(|key| (*key, value(key))).collect()
}
