use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::locked;

/// After how long somebody is asked again who did not answer.
const LATER: Duration = Duration::from_secs(60);

/// What one thread is to do aside, in the order of its keys: each thing once,
/// however often it is wanted, and again later where somebody did not answer.
pub(super) struct Errands<K, T> {
    state: Mutex<State<K, T>>,
    changed: Condvar,
}

struct State<K, T> {
    wanted: BTreeMap<K, Errand<T>>,
    /// As `wanted`: those that did not answer, and when they are to be asked again.
    silent: BTreeMap<K, Errand<T>>,
    again: Option<Instant>,
    ending: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errand<T> {
    /// Who it is about.
    pub about: T,
    /// There is more to it than usual.
    pub is_more: bool,
}

impl<K: Ord, T> State<K, T> {
    /// The newest word on whom it is about counts, and whether anybody wanted more.
    fn want(wanted: &mut BTreeMap<K, Errand<T>>, key: K, errand: Errand<T>) {
        let is_more = errand.is_more || wanted.get(&key).is_some_and(|known| known.is_more);
        wanted.insert(key, Errand { is_more, ..errand });
    }

    /// Wants what was put off, of which something newer may be known.
    fn want_again(&mut self) {
        for (key, errand) in std::mem::take(&mut self.silent) {
            self.wanted.entry(key).and_modify(|known| known.is_more |= errand.is_more).or_insert(errand);
        }
    }
}

impl<K: Ord, T> Default for Errands<K, T> {
    fn default() -> Self {
        let (wanted, silent) = (BTreeMap::new(), BTreeMap::new());
        Self {
            state: Mutex::new(State { wanted, silent, again: None, ending: false }),
            changed: Condvar::new(),
        }
    }
}

impl<K: Ord, T> Errands<K, T> {
    /// Has something done by and by.
    pub(super) fn want(&self, key: K, about: T, is_more: bool) {
        State::want(&mut locked(&self.state).wanted, key, Errand { about, is_more });
        self.changed.notify_all();
    }

    /// Has it done later: somebody did not answer.
    pub(super) fn postpone(&self, key: K, errand: Errand<T>) {
        let mut state = locked(&self.state);
        State::want(&mut state.silent, key, errand);
        state.again.get_or_insert_with(|| Instant::now() + LATER);
    }

    /// What is to be done next, once there is something; `None` at the end.
    pub(super) fn next(&self) -> Option<(K, Errand<T>)> {
        let mut state = locked(&self.state);
        while !state.ending {
            let now = Instant::now();
            if state.again.is_some_and(|again| again <= now) {
                state.again = None;
                state.want_again();
            }
            if let Some(next) = state.wanted.pop_first() {
                return Some(next);
            }
            state = match state.again {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(again) => {
                    let waited = self.changed.wait_timeout(state, again - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        None
    }

    /// Whether there is nothing to do now.
    pub(super) fn is_idle(&self) -> bool {
        locked(&self.state).wanted.is_empty()
    }

    /// Ends the thread after what it is at.
    pub(super) fn finish(&self) {
        locked(&self.state).ending = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_twice_is_done_once_as_it_was_wanted_last() {
        let errands = Errands::default();
        errands.want("b", 1, false);
        errands.want("a", 2, true);
        errands.want("a", 3, false);
        assert_eq!(errands.next(), Some(("a", Errand { about: 3, is_more: true })));
        assert_eq!(errands.next(), Some(("b", Errand { about: 1, is_more: false })));
        assert!(errands.is_idle());
        errands.want("c", 4, false);
        errands.finish();
        assert_eq!(errands.next(), None);
    }

    #[test]
    fn who_does_not_answer_holds_up_nobody_and_is_asked_again() {
        let errands = Errands::default();
        errands.want("dead", 1, true);
        errands.want("well", 2, false);
        let (key, errand) = errands.next().unwrap();
        errands.postpone(key, errand);
        assert_eq!(errands.next().unwrap().0, "well");
        assert!(errands.is_idle());
        locked(&errands.state).again = Some(Instant::now());
        errands.want("dead", 3, false);
        assert_eq!(errands.next(), Some(("dead", Errand { about: 3, is_more: true })));
    }
}
