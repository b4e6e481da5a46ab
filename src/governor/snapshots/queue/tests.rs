use super::*;

fn queue() -> (tempfile::TempDir, Queue) {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::new(dir.path().join("wanted"));
    (dir, queue)
}

#[track_caller]
fn take(queue: &Queue) -> (String, String) {
    match queue.next(false, &Calm::default()) {
        Next::Take(id, wish) => (id, wish.trigger),
        Next::Prepare(id) => panic!("{id} is to be prepared"),
        Next::TidyUp | Next::End => panic!("nothing is to be taken"),
    }
}

#[test]
fn those_who_are_served_come_first_and_git_does_not_wait_for_them() {
    let (_dir, queue) = queue();
    let calm = Calm::default();
    let serving = calm.serve();
    queue.want("a", "post-commit", Duration::ZERO);
    queue.want("b", AWAITED, Duration::ZERO);
    queue.want("b", "post-commit", Duration::from_secs(3_600));
    assert_eq!(take(&queue), ("b".into(), AWAITED.into()));
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| {
            let next = queue.next(false, &calm);
            (matches!(next, Next::Take(id, _) if id == "a"), calm.missing(calm::QUIET))
        });
        // Long enough that it would have been taken.
        std::thread::sleep(calm::QUIET * 3);
        assert!(!taken.is_finished());
        drop(serving);
        assert_eq!(taken.join().unwrap(), (true, None));
    });
}

#[test]
fn where_it_is_never_calm_nothing_waits_for_ever() {
    let (_dir, queue) = queue();
    let calm = Calm::default();
    let _serving = calm.serve();
    let asked = Instant::now();
    queue.want("a", "post-commit", Duration::ZERO);
    assert!(matches!(queue.next(false, &calm), Next::Take(..)));
    assert!(asked.elapsed() >= calm::PATIENCE);
}

fn marks(dir: &tempfile::TempDir) -> usize {
    fs::read_dir(dir.path().join("wanted")).map_or(0, Iterator::count)
}

#[test]
fn of_a_repository_one_is_taken_at_a_time() {
    let (dir, queue) = queue();
    queue.want("a", "post-commit", Duration::ZERO);
    assert_eq!(take(&queue).0, "a");
    queue.want("a", "post-merge", Duration::ZERO);
    queue.want("b", "post-commit", Duration::ZERO);
    assert_eq!(take(&queue).0, "b");
    assert_eq!((queue.waiting(), marks(&dir)), (2, 2));
    queue.ended("a", Outcome::Taken);
    assert_eq!(take(&queue), ("a".into(), "post-merge".into()));
    queue.ended("a", Outcome::Taken);
    queue.ended("b", Outcome::Taken);
    assert_eq!((queue.waiting(), marks(&dir), queue.since_prune()), (0, 0, 3));
}

#[test]
fn somebodys_work_comes_before_what_nobody_waits_for() {
    let (_dir, queue) = queue();
    for number in 0..50 {
        queue.want(&format!("new {number}"), "added", Duration::ZERO);
    }
    queue.want("at work", "post-commit", Duration::ZERO);
    assert_eq!(take(&queue).0, "at work");
    assert_eq!(take(&queue).0, "new 0");
    // A commit in one of those makes it somebody's work.
    queue.want("new 40", "post-commit", Duration::ZERO);
    assert_eq!(take(&queue).0, "new 40");
    assert_eq!(take(&queue).0, "new 1");
}

#[test]
fn what_is_gone_is_not_taken_and_what_failed_is_told() {
    let (dir, queue) = queue();
    for id in ["gone", "failed", "later"] {
        queue.want(id, "post-commit", Duration::ZERO);
        assert_eq!(take(&queue).0, id);
    }
    queue.ended("gone", Outcome::Gone);
    queue.ended("failed", Outcome::Failed("too large".into()));
    queue.ended("later", Outcome::NotYet("the disk is full".into()));
    assert_eq!((queue.since_prune(), queue.waiting(), marks(&dir)), (0, 1, 1));
    assert_eq!(queue.failures().len(), 2);
    queue.forget("later");
    assert_eq!((queue.failures().len(), queue.waiting(), marks(&dir)), (1, 0, 0));
}

#[test]
fn few_are_prepared_the_latest_first() {
    let (_dir, queue) = queue();
    for number in 0..PREPARED + 50 {
        queue.granted_aside(&number.to_string(), Instant::now());
    }
    let prepared = || match queue.next(true, &Calm::default()) {
        Next::Prepare(id) => id,
        _ => panic!("something is to be prepared"),
    };
    let all: Vec<String> = (0..PREPARED).map(|_| prepared()).collect();
    assert_eq!((all[0].as_str(), all[PREPARED - 1].as_str()), ("149", "50"));
}
