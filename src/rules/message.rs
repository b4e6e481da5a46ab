use std::sync::LazyLock;

use regex::Regex;

use super::{Facts, Finding, Rule, RuleId, Settings, Severity, switch_off};

/// Refuses commit messages without the demanded form or card. Off until a form
/// or a card is demanded.
///
/// What git words itself is left alone: merges, reverts, and what waits to be
/// squashed.
pub(super) struct Message;

impl Rule for Message {
    fn id(&self) -> RuleId {
        RuleId::Message
    }

    fn judge(&self, facts: &Facts<'_>, settings: &Settings, out: &mut Vec<Finding>) {
        let Some(message) = &facts.commit.message else { return };
        let subject = subject(message);
        // git itself makes no commit of it.
        if subject.is_empty() || is_gits_own(message, &subject, facts.merging) {
            return;
        }
        let settings = &settings.message;
        let mut find = |message: String, wanted: &str| {
            out.push(Finding {
                rule: RuleId::Message,
                severity: Severity::Error,
                path: Vec::new(),
                line: 0,
                message,
                fix: format!(
                    "{wanted}; `git commit --edit --file=\"$(git rev-parse --git-path COMMIT_EDITMSG)\"` \
                     goes on with what you wrote, `git commit --amend` rewords a commit that is there already"
                ),
                way_around: switch_off(RuleId::Message),
                fingerprint: String::new(),
            });
        };
        if let Some(pattern) = settings.pattern.as_ref().filter(|pattern| !pattern.matches(&subject)) {
            find(
                // Not quoted: whoever wrote it has it, and nobody knows what is in it.
                format!("the subject has not the form that is demanded here: {}", pattern.as_str()),
                "word the first line so that it matches",
            );
        }
        let length = subject.chars().count();
        if let Some(most) = settings.max_subject.filter(|most| length > *most as usize) {
            find(
                format!("the subject has {length} characters; {most} are the most that are wanted here"),
                "shorten the first line, and tell the rest after an empty one",
            );
        }
        if settings.card && cards(message).is_empty() {
            find(
                "the message names no card".to_owned(),
                "name one: `TASK-B06` in the first line, or a line `Card: TASK-B06` or `Closes: TASK-B06` at the end",
            );
        }
    }
}

/// The cards that a commit's message names, each once: in its subject, and in its
/// lines `Card:` and `Closes:`.
pub fn cards(message: &str) -> Vec<&str> {
    static CARD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bTASK-[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*\b").expect("it is tested"));
    let mut cards = Vec::new();
    let first = message.lines().position(|line| !line.trim().is_empty()).unwrap_or(0);
    let mut is_subject = true;
    for line in message.lines().skip(first) {
        is_subject &= !line.trim().is_empty();
        let names_one = line.split_once(':').is_some_and(|(key, _)| {
            let key = key.trim();
            key.eq_ignore_ascii_case("card") || key.eq_ignore_ascii_case("closes")
        });
        if is_subject || names_one {
            for card in CARD.find_iter(line).map(|found| found.as_str()) {
                if !cards.contains(&card) {
                    cards.push(card);
                }
            }
        }
    }
    cards
}

/// What begins a line that git leaves out of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentPrefix {
    /// This, from `core.commentString` or `core.commentChar`.
    Is(String),
    /// git chose one that no line of the message began with.
    Auto,
    /// Nothing is left out: the message was not edited.
    None,
}

/// What git makes of the text of a message file: without comments, and without
/// what stands below the scissors.
pub fn committed_message(text: &str, comment: &CommentPrefix) -> String {
    const SCISSORS: &str = "------------------------ >8 ------------------------";
    /// What git chooses from, in its order.
    const CHOICE: [&str; 10] = ["#", ";", "@", "!", "$", "%", "^", "&", "|", ":"];
    let prefix = match comment {
        CommentPrefix::Is(prefix) => Some(prefix.as_str()),
        // What git has written about the commit stands at the end, or above the
        // scissors' diff.
        CommentPrefix::Auto => {
            let cut = text.lines().find(|line| line.get(1..).is_some_and(|rest| rest.trim() == SCISSORS));
            let last = || text.lines().rfind(|line| !line.trim().is_empty());
            let line = cut.or_else(last).unwrap_or_default();
            CHOICE.into_iter().find(|choice| line.starts_with(choice))
        }
        CommentPrefix::None => None,
    };
    let is_comment = |line: &str| prefix.is_some_and(|prefix| line.starts_with(prefix));
    let is_cut = |line: &str| {
        prefix.and_then(|prefix| line.strip_prefix(prefix)).is_some_and(|words| words.trim() == SCISSORS)
    };
    let lines: Vec<&str> = text
        .lines()
        .take_while(|line| !is_cut(line))
        .filter(|line| !is_comment(line))
        .map(str::trim_end)
        .collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// The first paragraph in one line, as `git log --format=%s` has it.
fn subject(message: &str) -> String {
    let lines = message.lines().skip_while(|line| line.trim().is_empty());
    let lines: Vec<&str> = lines.map(str::trim).take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// Whether git worded it.
fn is_gits_own(message: &str, subject: &str, merging: bool) -> bool {
    let begins = |words: &[&str]| words.iter().any(|words| subject.starts_with(words));
    begins(&["fixup! ", "squash! ", "amend! "])
        || (merging && begins(&["Merge "]))
        || (begins(&["Revert \"", "Reapply \""]) && message.contains("\nThis reverts commit "))
}
