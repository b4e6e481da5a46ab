use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

fn learned(argv0: &str, named: Option<&str>, guard: Option<&str>) -> Option<Invocation> {
    learn(OsStr::new(argv0), named.map(OsString::from), guard.map(OsStr::new))
}

fn top() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let top = root.path().canonicalize().unwrap();
    (root, top)
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn chained_hook(argv0: &Path, name: &str, cwd: &Path) -> Option<PathBuf> {
    let mut found = chained_hooks(argv0, name, cwd);
    assert!(found.len() < 2, "{found:?}");
    found.pop()
}

fn called() -> Invocation {
    learned("/nonexistent/pre-push", None, None).unwrap()
}

fn run(hook: &Path, args: &[&str], stdin: Option<&[u8]>) -> i32 {
    run_chained(hook, args, stdin, &called()).unwrap()
}

#[test]
fn the_event_is_the_name_it_is_called_by() {
    for (argv0, name, renamed) in [
        (".git/hooks/pre-commit", "pre-commit", false),
        ("/r/.git/hooks/post-rewrite", "post-rewrite", false),
        ("pre-push.legacy", "pre-push", true),
        (".git/hooks/pre-commit.old", "pre-commit", true),
        (".git/hooks/pre-commit.kpmo", "pre-commit", true),
        (".git/hooks/update.1.bak", "update", true),
    ] {
        let learned = learned(argv0, None, None).unwrap();
        assert_eq!((&*learned.name, learned.chains), (name, !renamed), "{argv0}");
        assert!(!learned.nested);
        assert_eq!(learned.path, Path::new(argv0));
    }
    for argv0 in ["kpmo-hook", "/home/bin/kpmo-hook", "pre-commit-x", ".pre-commit", "", "/", "precommit"] {
        assert_eq!(learned(argv0, None, None), None, "{argv0}");
    }
}

#[test]
fn a_shim_says_what_it_was_called() {
    let learned_as = learned("/home/bin/kpmo-hook", Some(".git/hooks/post-merge"), None).unwrap();
    assert_eq!((&*learned_as.name, &*learned_as.path), ("post-merge", Path::new(".git/hooks/post-merge")));
    assert_eq!(learned(".git/hooks/pre-push", Some(""), None).unwrap().name, "pre-push");
}

#[test]
fn a_renamed_link_within_the_chain_does_nothing() {
    let nested = |argv0, guard| learned(argv0, None, Some(guard)).unwrap().nested;
    assert!(nested("/r/hooks.kpmo/pre-commit.legacy", "1:pre-commit:/r/hooks"));
    assert!(!nested("/r/hooks.kpmo/pre-commit.legacy", "1:pre-push:/r/hooks"));
    assert!(!nested("/r/hooks/pre-commit", "1:pre-commit:/r/hooks"), "a hook may call git");
}

#[test]
fn from_the_third_depth_on_the_same_hook_does_nothing() {
    let (_root, top) = top();
    let dir = top.join("a:b/hooks");
    fs::create_dir_all(&dir).unwrap();
    let hook = dir.join("post-commit");
    let mut guard = None;
    for depth in 0..5_u32 {
        let this = learn(hook.as_os_str(), None, guard.as_deref()).unwrap();
        assert_eq!(this.nested, depth >= 3, "depth {depth}");
        guard = Some(this.guard());
    }
    assert_eq!(guard.as_deref().and_then(OsStr::to_str), Some(&*format!("5:post-commit:{}", dir.display())));
    // Another event or another repository begins anew.
    let other = |path: &Path| learn(path.as_os_str(), None, guard.as_deref()).unwrap();
    assert!(!other(&dir.join("pre-commit")).nested);
    assert!(!other(&top.join("post-commit")).nested);
    // The same directory by another way is the same directory.
    symlink(&dir, top.join("link")).unwrap();
    assert!(other(&top.join("link/post-commit")).nested);
}

#[test]
fn a_guard_that_makes_no_sense_is_no_guard() {
    for guard in ["", "x", "1:pre-commit", ":pre-commit:/r", "-1:pre-commit:/r", "99999999999:pre-commit:/r"]
    {
        assert!(!learned("/r/pre-commit.legacy", None, Some(guard)).unwrap().nested, "{guard}");
    }
}

#[test]
fn the_hook_kept_aside_is_found_if_git_would_run_it() {
    let (_root, top) = top();
    let aside = top.join(".git/hooks.kpmo");
    fs::create_dir_all(top.join(".git/hooks")).unwrap();
    let found = |name: &str| chained_hook(&Path::new(".git/hooks").join(name), name, &top);
    assert_eq!(found("pre-commit"), None);

    script(&aside.join("pre-commit"), "");
    assert_eq!(found("pre-commit"), Some(aside.join("pre-commit")));
    let chained = |argv0| learned(argv0, None, None).unwrap().chained(&top).pop();
    assert_eq!(chained(".git/hooks/pre-commit"), Some(aside.join("pre-commit")));
    assert_eq!(chained(".git/hooks/pre-commit.legacy"), None, "whoever calls it so stands in front");
    let absolute = top.join(".git/hooks/pre-commit");
    assert_eq!(chained_hook(&absolute, "pre-commit", Path::new("/")), Some(aside.join("pre-commit")));

    fs::set_permissions(aside.join("pre-commit"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(found("pre-commit"), None, "not executable");
    symlink("nowhere", aside.join("pre-push")).unwrap();
    assert_eq!(found("pre-push"), None, "a dead link");
    fs::create_dir(aside.join("update")).unwrap();
    assert_eq!(found("update"), None, "a directory");
    script(&top.join("tool"), "");
    symlink("../../tool", aside.join("post-merge")).unwrap();
    assert_eq!(found("post-merge"), Some(aside.join("post-merge")));
}

#[test]
fn a_hooks_directory_reached_by_a_link_has_its_sibling_where_it_is() {
    let (_root, top) = top();
    script(&top.join("real/hooks.kpmo/pre-commit"), "");
    fs::create_dir(top.join("real/hooks")).unwrap();
    symlink("real/hooks", top.join("link")).unwrap();
    let found = chained_hook(Path::new("link/pre-commit"), "pre-commit", &top);
    assert_eq!(found, Some(top.join("real/hooks.kpmo/pre-commit")));
}

#[test]
fn before_a_hooks_path_the_chain_says_where_to_look() {
    let (_root, top) = top();
    let own = top.join(".git/kpmo");
    fs::create_dir_all(own.join("hooks")).unwrap();
    let argv0 = own.join("hooks/pre-commit");
    let odd = OsStr::from_bytes(b"odd\n\xff");
    script(&top.join("work").join(odd).join("pre-commit"), "");
    let found = |cwd: &str| chained_hook(&argv0, "pre-commit", &top.join(cwd));

    assert_eq!(found("work"), None, "no chain");
    fs::write(own.join("chain"), odd.as_bytes()).unwrap();
    assert_eq!(found("work"), Some(top.join("work").join(odd).join("pre-commit")));
    assert_eq!(found("elsewhere"), None);
    fs::write(own.join("chain"), top.join("work").join(odd).as_os_str().as_bytes()).unwrap();
    assert!(found("elsewhere").is_some(), "an absolute one is the same from everywhere");
    fs::write(own.join("chain"), "").unwrap();
    script(&top.join("work/pre-commit"), "");
    assert_eq!(found("work"), None, "an empty one is not the working directory");
    fs::write(own.join("chain"), "/dev/null").unwrap();
    assert_eq!(found("work"), None);
}

#[test]
fn our_own_program_is_never_chained_and_its_chain_is_followed() {
    let (_root, top) = top();
    let this = env::current_exe().unwrap();
    for dir in ["a/hooks", "a/hooks.kpmo", "b/kpmo/hooks"] {
        fs::create_dir_all(top.join(dir)).unwrap();
    }
    symlink(&this, top.join("a/hooks/pre-commit")).unwrap();
    fs::write(top.join("b/kpmo/chain"), top.join("a/hooks").as_os_str().as_bytes()).unwrap();
    let found = || chained_hook(&top.join("b/kpmo/hooks/pre-commit"), "pre-commit", &top);
    assert_eq!(found(), None);
    script(&top.join("a/hooks.kpmo/pre-commit"), "");
    assert_eq!(found(), Some(top.join("a/hooks.kpmo/pre-commit")));
    // Two that point at each other end.
    fs::write(top.join("b/kpmo/chain"), top.join("b/kpmo/hooks").as_os_str().as_bytes()).unwrap();
    symlink(&this, top.join("b/kpmo/hooks/pre-commit")).unwrap();
    assert_eq!(found(), None);
}

#[test]
fn a_chained_hook_gets_arguments_input_and_environment() {
    let (_root, top) = top();
    let hook = top.join("hook");
    let text = format!(
        "#!/bin/sh\n{{ echo \"$0|$1|$2|$KPMO_HOOK_CHAIN|${{KPMO_HOOK_AS-unset}}\"; cat; }} > '{}'\n",
        top.join("said").display()
    );
    script(&hook, &text);
    assert_eq!(run(&hook, &["a b", ""], Some(b"refs\n")), 0);
    let said = fs::read_to_string(top.join("said")).unwrap();
    assert_eq!(said, format!("{}|a b||1:pre-push:/nonexistent|unset\nrefs\n", hook.display()));
}

#[test]
fn a_hook_without_an_interpreter_line_is_run_by_the_shell() {
    let (_root, top) = top();
    let hook = top.join("hook");
    script(&hook, "read line\nexit \"$line\"\n");
    assert_eq!(run(&hook, &[], Some(b"7\n")), 7);
}

#[test]
fn a_hook_that_leaves_its_input_unread_is_no_error() {
    let (_root, top) = top();
    let hook = top.join("hook");
    let much = vec![b'x'; 1 << 20];
    script(&hook, "#!/bin/sh\nexit 4\n");
    assert_eq!(run(&hook, &[], Some(&much)), 4);
    // One that leaves a process behind which holds the input open.
    script(&hook, "#!/bin/sh\nsleep 60 <&0 >/dev/null 2>&1 &\necho $! > \"${0%/*}/pid\"\nexit 5\n");
    assert_eq!(run(&hook, &[], Some(&much)), 5);
    let pid = fs::read_to_string(top.join("pid")).unwrap();
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success(), "it was still there");
}

#[test]
fn deaths_and_refusals_are_told_apart() {
    let (_root, top) = top();
    let hook = top.join("hook");
    script(&hook, "#!/bin/sh\nkill -TERM $$\n");
    assert_eq!(run(&hook, &[], None), 128 + 15);
    script(&hook, "#!/nonexistent/interpreter\n");
    assert!(run_chained::<&str>(&hook, &[], None, &called()).is_err());
    assert_eq!(replace_process::<&str>(&hook, &[], &called()), 126);
}

/// Not a test of its own: what the next one starts, to be replaced.
#[test]
fn becomes_the_hook_named_in_the_environment() {
    if let Some(hook) = env::var_os("KPMO_TEST_BECOME") {
        let status = replace_process(Path::new(&hook), &["a b"], &called());
        panic!("still here: {status}");
    }
}

#[test]
fn a_hook_that_is_passed_through_takes_the_process_over() {
    let (_root, top) = top();
    let hook = top.join("hook");
    // Without an interpreter line, so that both ways are tried.
    script(&hook, "read line\necho \"$PPID $1 $line $KPMO_HOOK_CHAIN\" > \"${0%/*}/said\"\nexit 9\n");
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "hook::chain::tests::becomes_the_hook_named_in_the_environment",
            "--test-threads=1",
        ])
        .env("KPMO_TEST_BECOME", &hook)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"input\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    let said = fs::read_to_string(top.join("said")).unwrap();
    assert_eq!(said, format!("{} a b input 1:pre-push:/nonexistent\n", std::process::id()));
}

#[test]
fn what_a_tool_put_into_kpmos_own_directory_does_not_hide_what_was_before() {
    let (_root, top) = top();
    let own = top.join(".git/kpmo/hooks");
    fs::create_dir_all(&own).unwrap();
    fs::write(top.join(".git/kpmo/chain"), "tools").unwrap();
    let (kept, before) = (top.join(".git/kpmo/hooks.kpmo/pre-commit"), top.join("tools/pre-commit"));
    script(&before, "");
    let found = || chained_hooks(&own.join("pre-commit"), "pre-commit", &top);
    assert_eq!(found(), [&*before]);
    script(&kept, "");
    assert_eq!(found(), [&*kept, &*before]);
    // One hook under two names runs once.
    fs::remove_file(&kept).unwrap();
    fs::hard_link(&before, &kept).unwrap();
    assert_eq!(found(), [&*kept]);
    // Where kpmo's own is kept, the chain ends.
    fs::remove_file(&kept).unwrap();
    symlink(env::current_exe().unwrap(), &kept).unwrap();
    assert!(found().is_empty());
}
