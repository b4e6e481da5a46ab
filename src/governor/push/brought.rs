//! Which commits each ref of a push brings: those that no ref before it has
//! brought already. All of them are found by one walk, whatever the number of refs.

use std::collections::HashMap;

use super::{Error, FARTHEST};
use crate::git::Objects;

pub(super) struct Brought<'a> {
    objects: &'a dyn Objects,
    /// Newest first.
    all: Vec<String>,
    is_cut_short: bool,
    /// Where in `all`; empty where one ref brings all of them.
    places: HashMap<String, usize>,
    taken: Vec<bool>,
}

impl<'a> Brought<'a> {
    pub(super) fn new(objects: &'a dyn Objects, all: Vec<String>, refs: usize) -> Self {
        let mut places = HashMap::new();
        if refs > 1 {
            places.extend(all.iter().enumerate().map(|(place, id)| (id.clone(), place)));
        }
        let (taken, is_cut_short) = (vec![false; all.len()], all.len() > FARTHEST);
        Self { objects, all, is_cut_short, places, taken }
    }

    /// Whether there is more than the walk came to.
    pub(super) fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    pub(super) fn all(&self) -> &[String] {
        &self.all
    }

    /// What the ref that leads to `tip` brings, newest first; `None`: the walk did not
    /// come as far as that.
    pub(super) fn by(&mut self, tip: &str) -> Result<Option<Vec<String>>, Error> {
        if self.places.is_empty() {
            return Ok(Some(std::mem::take(&mut self.all)));
        }
        let Some(&start) = self.places.get(tip) else {
            return Ok((!self.is_cut_short).then(Vec::new));
        };
        let (mut found, mut open) = (Vec::new(), vec![start]);
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut self.taken[place], true) {
                continue;
            }
            found.push(place);
            let parents = self.objects.commit(&self.all[place])?.parents;
            open.extend(parents.iter().filter_map(|parent| self.places.get(parent)));
        }
        found.sort_unstable();
        Ok(Some(found.into_iter().map(|place| self.all[place].clone()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{self, Git, Location};

    /// A history of `length` commits, oldest first, and a side line from the second.
    fn history(dir: &std::path::Path, length: usize) -> (Location, Vec<String>, String) {
        let repo = git2::Repository::init(dir).unwrap();
        let tree = repo.find_tree(repo.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let commit = |parent: Option<git2::Oid>, second: i64, message: &str| {
            let by = git2::Signature::new("a", "a@example.org", &git2::Time::new(second, 0)).unwrap();
            let parent = parent.map(|id| repo.find_commit(id).unwrap());
            let parents: Vec<_> = parent.iter().collect();
            repo.commit(None, &by, &by, message, &tree, &parents).unwrap()
        };
        let mut line: Vec<git2::Oid> = Vec::new();
        for second in 0..i64::try_from(length).unwrap() {
            line.push(commit(line.last().copied(), second, "line"));
        }
        let side = commit(Some(line[1]), 1000, "side");
        let ids = line.iter().map(ToString::to_string).collect();
        (Location::at(dir).unwrap(), ids, side.to_string())
    }

    #[test]
    fn each_commit_is_brought_by_one_ref() {
        let dir = tempfile::tempdir().unwrap();
        let (location, line, side) = history(dir.path(), 6);
        let objects = git::open(&Git::default(), &location).unwrap();
        let tips = [&*line[3], &*side, &*line[5], &*line[2]];
        let all = objects.new_commits(&tips, &[line[0].clone()], None, FARTHEST + 1).unwrap();
        let mut brought = Brought::new(&*objects, all, tips.len());
        let mut by = |tip: &str| brought.by(tip).unwrap().unwrap();
        assert_eq!(by(&line[3]), [&*line[3], &*line[2], &*line[1]]);
        assert_eq!(by(&side), [&*side]);
        assert_eq!(by(&line[5]), [&*line[5], &*line[4]]);
        assert_eq!(by(&line[2]), [""; 0]);
        // The other side has it.
        assert_eq!(by(&line[0]), [""; 0]);
    }

    #[test]
    fn what_the_walk_did_not_come_to_is_not_taken_for_known() {
        let dir = tempfile::tempdir().unwrap();
        let (location, line, side) = history(dir.path(), 3);
        let objects = git::open(&Git::default(), &location).unwrap();
        let mut all = vec![side.clone(), line[2].clone()];
        all.extend((0..FARTHEST).map(|n| format!("{n:040}")));
        let mut brought = Brought::new(&*objects, all, 2);
        assert!(brought.is_cut_short());
        assert_eq!(brought.by(&line[1]).unwrap(), None);
        assert_eq!(brought.by(&side).unwrap(), Some(vec![side]));
    }
}
