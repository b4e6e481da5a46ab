//! The registry's fields as JSON.

use serde_json::{Map, Value, json};

use super::{names, show::put_path};
use crate::generated::kanban;

/// A repository with every field of the registry.
pub(super) fn as_json(repo: &kanban::Repo) -> Map<String, Value> {
    let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let mut object = Map::new();
    object.insert("id".into(), given(&repo.id));
    object.insert("name".into(), json!(repo.name));
    put_path(&mut object, "local_path", &repo.local_path);
    for (key, text) in [
        ("remote_url", &repo.remote_url),
        ("default_branch", &repo.default_branch),
        ("env_template", &repo.env_template),
        ("gitignore_profile", &repo.gitignore_profile),
        ("role", &repo.role),
    ] {
        object.insert(key.into(), given(text));
    }
    object.insert("status".into(), json!(names::status(repo.status())));
    object.insert("stage".into(), json!(names::stage(repo.stage())));
    object.insert("tags".into(), json!(repo.tags));
    object.insert("verify".into(), json!(repo.verify));
    object
}
