mod editing;
mod live;
mod reading;
mod roundtrip;

use std::path::Path;

use super::{Document, Edit, Repo, check, edit, opinion, parse, splice};

const HOME: &str = "/home/dev";
const ID: &str = "0193e4e0-7a10-7000-8000-000000000001";

fn home() -> &'static Path {
    Path::new(HOME)
}

fn read(text: &str) -> Document {
    match parse(text.as_bytes(), home()) {
        Ok(document) => document,
        Err(problems) => panic!("{}\n{text}", problems.iter().map(ToString::to_string).collect::<String>()),
    }
}

/// The text after an edit, checked as the real thing checks it.
fn edited(text: &str, change: &Edit) -> String {
    let old = check::read(text.as_bytes(), home()).unwrap();
    let wanted = edit::applied(&old.document, change, home()).unwrap();
    let mark = &text[..text.len() - old.text.len()];
    let body = splice::edited(&old, &wanted, change, home()).unwrap();
    let new = format!("{mark}{body}");
    let found = parse(new.as_bytes(), home());
    assert_eq!(found.map(|document| document.repos), Ok(wanted.clone()), "{change:?}\n{text}\n=>\n{new}");
    assert_eq!(opinion::repos(&body, home()), Ok(wanted), "{text}\n=>\n{new}");
    new
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
