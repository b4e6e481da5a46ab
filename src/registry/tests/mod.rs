mod changing;
mod editing;
mod hands;
mod live;
mod messages;
mod predecessor;
mod reading;
mod roundtrip;

use std::path::Path;

use super::{Document, Edit, FieldChange, Repo, RepoChange, check, edit, opinion, parse, splice};

const HOME: &str = "/home/dev";
const ID: &str = "0193e4e0-7a10-7000-8000-000000000001";

fn home() -> &'static Path {
    Path::new(HOME)
}

fn read(text: &str) -> Document {
    match parse(text.as_bytes(), home()) {
        Ok(document) => document,
        Err(problems) => {
            panic!("{}\n{text}", problems.listed.iter().map(ToString::to_string).collect::<String>())
        }
    }
}

/// The text after an edit, checked as the real thing checks it.
fn edited(text: &str, change: &Edit) -> String {
    try_edited(text, change).unwrap()
}

/// The same, or why the text cannot be changed so.
fn try_edited(text: &str, change: &Edit) -> Result<String, String> {
    let old = check::read(text.as_bytes(), home()).unwrap();
    let wanted = edit::applied(&old.document, change).unwrap();
    let mark = &text[..text.len() - old.text.len()];
    let body = splice::edited(&old, &wanted, change, home())?;
    let new = format!("{mark}{body}");
    let found = parse(new.as_bytes(), home()).map(|document| document.repos);
    let wanted = Ok(wanted);
    if found != wanted {
        return Err(format!("read as {found:?}, wanted {wanted:?}: {change:?}\n{text}\n=>\n{new}"));
    }
    let second = opinion::repos(&body, home());
    if second.as_ref().ok() != wanted.as_ref().ok() {
        return Err(format!("second reading: {second:?}, wanted {wanted:?}: {change:?}\n{text}\n=>\n{new}"));
    }
    Ok(new)
}

fn repo(name: &str, path: &str) -> Repo {
    Repo { name: name.into(), local_path: path.into(), ..Repo::default() }
}

fn add(name: &str, path: &str) -> Edit {
    Edit::Add(vec![repo(name, path)])
}

fn remove(name: &str) -> Edit {
    Edit::Remove { name: name.into() }
}

fn assign(name: &str) -> Edit {
    Edit::AssignIds([(name.to_owned(), ID.to_owned())].into())
}

fn change(name: &str, fields: Vec<FieldChange>) -> Edit {
    Edit::Change(vec![RepoChange { name: name.into(), fields }])
}
