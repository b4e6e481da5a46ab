//! Hooks of kpmo's predecessor: `context-check` and `dev-snapshot`, scripts that
//! ask a local service by curl. kpmo's own hook does what they did, so they are
//! archived and not chained.
//!
//! The rule: a hook is the predecessor's if
//!
//! - it is a link whose target's file name is `context-check` or `dev-snapshot`,
//!   with or without `.sh` (whether or not that file is still there); or
//! - it is a script of at most 64 KiB in which every line is blank, a comment,
//!   `set -…`, `exit`, or a call of a program of such a name, and one at least is
//!   a call. A call may have `exec`, `nohup` or a shell in front, `[ -x … ] &&`
//!   before it, and behind it plain arguments, redirections to `/dev/null`,
//!   `|| true`, `|| exit` and `&`.
//!
//! Anything else is somebody's own hook, whatever it also calls: it is chained.

use std::{
    fs::{self, File, Metadata},
    io::Read as _,
    path::Path,
    sync::LazyLock,
};

use regex::Regex;

const NAMES: [&str; 4] = ["context-check", "context-check.sh", "dev-snapshot", "dev-snapshot.sh"];
const SIZE_LIMIT: u64 = 64 * 1024;

/// A line that does nothing by itself.
static IDLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^\s*(?:#.*|set\s+[-+][A-Za-z]+(?:\s+pipefail)?|exit(?:\s+(?:0|\$\?|"\$\?"))?)?\s*;?\s*$"#)
        .expect("the pattern is tested")
});

/// A line that is a call, less what stands around the program's path.
static CALL: LazyLock<Regex> = LazyLock::new(|| {
    // What may be asked to find out where the program is.
    let asked = r#"\$\((?:git\s+rev-parse\s+--[a-z-]+|dirname\s+(?:--\s+)?(?:\$0|"\$0"))\)"#;
    let bare = format!(r#"(?:{asked}|[^\s"'`;|&<>(){{}}])*"#);
    let quoted = format!(r#"(?:{asked}|[^"`;|&<>()])*"#);
    let name = r"(?:context-check|dev-snapshot)(?:\.sh)?";
    // The name is the whole path, or its last part.
    let program = format!(
        r#"(?:{name}|{bare}/{name}|"{name}"|"{quoted}/{name}"|'{name}'|'[^']*/{name}'|"{quoted}"/{name})"#
    );
    let guard = format!(r"(?:(?:\[|test)\s+-[efx]\s+{program}(?:\s+\])?\s*(?:&&|\|\|\s*exit\s+0\s*;)\s*)?");
    let shell = r"(?:(?:/usr)?(?:/bin/)?(?:env\s+)?(?:sh|bash|dash|zsh)\s+(?:-[eux]+\s+)?)?";
    let argument = r#"(?:"\$[@*0-9]"|\$[@*0-9]|"[\w./:=@+-]*"|'[\w./:=@+-]*'|[\w./:=@+-]+)"#;
    let silent = r"(?:[12]?>>?\s*/dev/null|&>\s*/dev/null|2>&1|</dev/null)";
    let or = r"(?:\|\|\s*(?:true|:|exit(?:\s+(?:[01]|\$\?))?))";
    Regex::new(&format!(
        r"^\s*{guard}(?:exec\s+)?(?:nohup\s+)?{shell}{program}(?:\s+{argument})*(?:\s*{silent})*\s*{or}?\s*&?\s*;?\s*$"
    ))
    .expect("the pattern is tested")
});

/// Whether the hook at `path`, which `found` describes, is the predecessor's. One
/// that can't be read is not known to be.
pub(super) fn is_retired(path: &Path, found: &Metadata) -> bool {
    if found.is_symlink() {
        return fs::read_link(path).is_ok_and(|target| {
            target.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
        });
    }
    if !found.is_file() || found.len() > SIZE_LIMIT {
        return false;
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(SIZE_LIMIT).read_to_string(&mut text));
    read.is_ok() && calls_nothing_else(&text)
}

fn calls_nothing_else(script: &str) -> bool {
    let mut calls = 0;
    for line in script.lines() {
        if CALL.is_match(line) {
            calls += 1;
        } else if !IDLE.is_match(line) {
            return false;
        }
    }
    calls > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_calls_nothing_but_the_predecessors_is_known() {
        for script in [
            "#!/bin/sh\nexec /opt/pmp/hooks/context-check.sh \"$@\"\n",
            "#!/usr/bin/env bash\n# installed by persist-memory-probe\nset -euo pipefail\n\n\"$HOME/pmp/hooks/context-check.sh\" pre-commit \"$@\" || exit 1\nexit 0\n",
            "#!/bin/sh\r\nbash ~/probe/hooks/dev-snapshot.sh post-commit >/dev/null 2>&1 &\r\n",
            "context-check",
            "context-check $1\n",
            "#!/bin/sh\n\"$(git rev-parse --show-toplevel)/tools/context-check.sh\" \"$1\"\n",
            "#!/bin/sh\n\"$(dirname \"$0\")/dev-snapshot.sh\" || true\n",
            "#!/bin/sh\n$(dirname $0)/dev-snapshot.sh || true\n",
            "#!/bin/sh\n[ -x /opt/context-check.sh ] && /opt/context-check.sh --staged\n",
            "#!/bin/sh\n/opt/context-check.sh\nnohup '/opt/my tools/dev-snapshot.sh' > /dev/null 2>&1 &\n",
        ] {
            assert!(calls_nothing_else(script), "{script:?}");
        }
    }

    #[test]
    fn a_hook_that_does_anything_else_is_somebodys_own() {
        for script in [
            "",
            "#!/bin/sh\n# context-check.sh was here\n",
            "#!/bin/sh\n/opt/context-check.sh && npm test\n",
            "#!/bin/sh\n/opt/context-check.sh\nnpm test\n",
            "#!/bin/sh\n/opt/context-check.sh; rm -rf /tmp/x\n",
            "#!/bin/sh\n/opt/context-check.sh | tee log\n",
            "#!/bin/sh\n/opt/context-check.sh > log\n",
            "#!/bin/sh\n/opt/context-check.sh $(npm test)\n",
            "#!/bin/sh\n/opt/context-check.sh `npm test`\n",
            "#!/bin/sh\n$(npm test)/context-check.sh\n",
            "#!/bin/sh\n/opt/my-context-check.sh\n",
            "#!/bin/sh\n/opt/context-check.sh.bak\n",
            "#!/bin/sh\n/opt/context-check.sh/run\n",
            "#!/bin/sh\necho /opt/context-check.sh\n",
            "#!/bin/sh\necho context-check.sh\n",
            "#!/bin/sh\nset -- a; npm test\ncontext-check.sh\n",
            "#!/bin/sh\ncontext-check.sh # and\\\nnpm test\n",
            "#!/bin/sh\nPATH=/x context-check.sh\n",
            "#!/bin/sh\ncurl -s http://localhost:4000/context-check\n",
            "#!/bin/sh\n/opt/tool /opt/context-check.sh\n",
        ] {
            assert!(!calls_nothing_else(script), "{script:?}");
        }
    }
}
