use std::{
    io::{self, BufRead, BufReader, Read, Write},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::run::Group;

/// How long one object may take.
pub(super) const ONE_OBJECT: Duration = Duration::from_secs(30);

/// Size of an object in bytes, and where it was asked for its content; `None`:
/// there is no such object.
type Answer = io::Result<Option<(u64, Vec<u8>)>>;

/// A running `git cat-file --batch-command`, on a thread of its own so that
/// nobody waits for it longer than [`ONE_OBJECT`].
pub(super) struct Batch {
    ask: mpsc::Sender<Question>,
    answers: mpsc::Receiver<Answer>,
    group: Arc<Group>,
}

struct Question {
    verb: &'static str,
    id: String,
}

impl Batch {
    /// `command` has its arguments.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        let (ask, questions) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let group = Arc::new(Group::default());
        let own = Arc::clone(&group);
        thread::Builder::new().name("git".into()).spawn(move || {
            if let Err(error) = serve(&mut command, &own, &questions, &answer) {
                let _ = answer.send(Err(error));
            }
        })?;
        Ok(Self { ask, answers, group })
    }

    /// `verb` is `info` or `contents`. After an error it is of no more use.
    pub(super) fn exchange(&self, verb: &'static str, id: &str) -> Answer {
        // What has ended has left its error among the answers.
        let _ = self.ask.send(Question { verb, id: id.to_owned() });
        match self.answers.recv_timeout(ONE_OBJECT) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Its thread reaps it.
        self.group.kill();
    }
}

fn serve(
    command: &mut Command,
    group: &Group,
    questions: &mpsc::Receiver<Question>,
    answers: &mpsc::Sender<Answer>,
) -> io::Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = group.start(command)?;
    if let (Some(mut ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) {
        let mut answer = BufReader::new(answer);
        for Question { verb, id } in questions {
            let answered = exchange(&mut ask, &mut answer, verb, &id);
            let is_over = answered.is_err();
            if answers.send(answered).is_err() || is_over {
                break;
            }
        }
    }
    group.kill();
    group.reap(&mut child)?;
    Ok(())
}

fn exchange(ask: &mut ChildStdin, answer: &mut BufReader<ChildStdout>, verb: &str, id: &str) -> Answer {
    writeln!(ask, "{verb} {id}")?;
    ask.flush()?;
    let mut header = String::new();
    if answer.read_line(&mut header)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "git ended"));
    }
    let mut words = header.trim_end().split(' ').skip(1);
    let size = match (words.next(), words.next()) {
        (Some("missing"), None) => return Ok(None),
        (Some(_kind), Some(size)) => size.parse().map_err(|_| strange(&header))?,
        _ => return Err(strange(&header)),
    };
    let mut content = Vec::new();
    if verb == "contents" {
        answer.take(size).read_to_end(&mut content)?;
        let mut newline = [0];
        answer.read_exact(&mut newline)?;
    }
    Ok(Some((size, content)))
}

fn strange(header: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("git answered `{}`", header.trim_end()))
}
