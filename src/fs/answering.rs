//! Looks at places that need not answer: whatever touches a dead network mount
//! waits for ever, and nothing can end that wait.
//!
//! So somebody else looks, on a thread of its own, and whoever wants to know waits
//! for a limited time. What did not answer is remembered until it does, and is not
//! looked at again before that: each dead mount costs one thread and one wait,
//! however many ask, and is asked again as soon as it lives.

use std::{
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::mounts::remote_mount;

/// How long to wait for a place that others wait behind.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A place does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

/// A look that has not come back.
struct Owed {
    by: u64,
    path: PathBuf,
    /// `path` is a mount point, and nothing beneath it can be expected to answer.
    is_mount: bool,
}

static OWED: Mutex<Vec<Owed>> = Mutex::new(Vec::new());

fn owed() -> MutexGuard<'static, Vec<Owed>> {
    OWED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_silent(path: &Path) -> bool {
    owed().iter().any(|it| if it.is_mount { path.starts_with(&it.path) } else { path == it.path })
}

/// Whoever looks; when that ends, however it does, nothing is owed any more.
struct Errand(u64);

impl Errand {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Relaxed))
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        owed().retain(|it| it.by != self.0);
    }
}

/// What `look` tells of a path (absolute); [`NoAnswer`] if that takes longer than
/// `limit`, or an earlier look at it has not come back. A panic of `look` is one
/// here.
pub fn within<T: Send + 'static>(
    path: &Path,
    limit: Duration,
    look: impl FnOnce(&Path) -> T + Send + 'static,
) -> Result<T, NoAnswer> {
    let look = Mutex::new(Some(look));
    let once = move |path: &PathBuf| {
        let look = look.lock().unwrap_or_else(PoisonError::into_inner).take();
        look.map(|look| look(path))
    };
    each(vec![path.to_path_buf()], limit, once).pop().and_then(Result::ok).flatten().ok_or(NoAnswer)
}

/// As [`within`], for many places one after the other, on as few threads as may
/// be; the answers are in their order. `limit` is for each of them.
pub fn each<P: AsRef<Path> + Send + Sync + 'static, T: Send + 'static>(
    places: Vec<P>,
    limit: Duration,
    look: impl Fn(&P) -> T + Send + Sync + 'static,
) -> Vec<Result<T, NoAnswer>> {
    let count = places.len();
    let shared = Arc::new((places, look));
    let mut answers = Vec::with_capacity(count);
    while answers.len() < count {
        let errand = Errand::new();
        let (id, first, own) = (errand.0, answers.len(), Arc::clone(&shared));
        let (tell, told) = mpsc::channel();
        let spawned = thread::Builder::new().name("look".into()).spawn(move || {
            let _errand = errand;
            let (places, look) = &*own;
            for place in &places[first..] {
                let answer = if is_silent(place.as_ref()) { Err(NoAnswer) } else { Ok(look(place)) };
                // Under the lock under which it is given up.
                let _owed = owed();
                if tell.send(answer).is_err() {
                    return;
                }
            }
        });
        let Ok(looking) = spawned else {
            answers.push(Err(NoAnswer));
            continue;
        };
        while answers.len() < count {
            match told.recv_timeout(limit) {
                Ok(answer) => answers.push(answer),
                Err(RecvTimeoutError::Timeout) => {
                    let path = shared.0[answers.len()].as_ref();
                    let mount = remote_mount(path);
                    let mut owed = owed();
                    if let Ok(answer) = told.try_recv() {
                        answers.push(answer);
                        continue;
                    }
                    let is_mount = mount.is_some();
                    owed.push(Owed { by: id, path: mount.unwrap_or_else(|| path.to_path_buf()), is_mount });
                    drop(told);
                    drop(owed);
                    answers.push(Err(NoAnswer));
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    if let Err(panic) = looking.join() {
                        resume_unwind(panic);
                    }
                    answers.push(Err(NoAnswer));
                    break;
                }
            }
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn what_does_not_answer_is_asked_again_only_when_it_has() {
        let path = Path::new("/one/that/hangs");
        let (free, held) = mpsc::channel::<()>();
        let silent = within(path, SHORT, move |_| held.recv().is_ok());
        assert_eq!(silent, Err(NoAnswer));
        // At once: nobody goes there.
        assert_eq!(within(path, LONG, |_| panic!("it was looked at")), Err::<(), _>(NoAnswer));
        assert_eq!(within(Path::new("/one/that"), LONG, |path| path.as_os_str().len()), Ok(9));
        free.send(()).unwrap();
        while within(path, LONG, |_| ()).is_err() {
            thread::yield_now();
        }
    }

    #[test]
    fn one_of_many_holds_up_none_of_the_others() {
        let places: Vec<PathBuf> = (0..9).map(|number| format!("/many/{number}").into()).collect();
        let (free, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let answers = each(places, Duration::from_millis(500), move |place| {
            if place.ends_with("3") {
                let _ = held.lock().unwrap().recv();
            }
            place.clone()
        });
        for (at, answer) in answers.into_iter().enumerate() {
            let expected = if at == 3 { Err(NoAnswer) } else { Ok(format!("/many/{at}").into()) };
            assert_eq!(answer, expected);
        }
        drop(free);
    }

    #[test]
    fn a_look_that_panics_is_no_silence() {
        let panicked =
            std::panic::catch_unwind(|| within(Path::new("/one/that/panics"), LONG, |_| panic!("so")));
        assert!(panicked.is_err());
        assert_eq!(within(Path::new("/one/that/panics"), LONG, |_| 1), Ok(1));
        assert!(each(Vec::<PathBuf>::new(), LONG, |_| ()).is_empty());
    }
}
