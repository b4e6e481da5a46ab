//! What shells are told, and what `man` shows.

use std::{collections::BTreeSet, fs, process::Command};

use crate::world::{Ran, World};

/// Completes a line in bash itself, with the script that kpmo prints; the last
/// word is the one that Tab is pressed in.
fn completed(world: &World, words: &[&str]) -> Vec<String> {
    const DRIVER: &str = r#"
        eval "$(kpmo completions bash)" || exit 9
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        spec=$(complete -p kpmo) || exit 8
        function=${spec##*-F }; function=${function%% *}
        "$function" kpmo "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = bash(world);
    let ran = Ran::of(bash.args(["-c", DRIVER, "bash"]).args(words)).fine();
    assert!(ran.stderr.is_empty(), "{ran:?}");
    ran.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn bash(world: &World) -> Command {
    let mut bash = world.command("bash");
    let path = std::env::var("PATH").unwrap();
    bash.env("PATH", format!("{}:{path}", world.home().join("bin").display())).current_dir(world.path("src"));
    bash
}

#[test]
fn bash_completes_commands_options_and_names_without_a_governor() {
    let files = [("a.txt", "one\n")];
    let world = World::new().repo("webshop", &files).repo("website", &files).repo("lib", &files).up();
    world.kpmo(["repo", "set", "lib", "--tag", "core"]).fine();
    world.kpmo(["repo", "rename", "lib", "my lib"]).fine();
    world.stop();

    assert_eq!(completed(&world, &["kpmo", "stat"]), ["status"]);
    assert_eq!(completed(&world, &["kpmo", "repo", "ren"]), ["rename"]);
    assert_eq!(completed(&world, &["kpmo", "repo", "set", "x", "--stage", "p"]), ["prod"]);
    assert!(completed(&world, &["kpmo", "repo", "set", "--no"]).contains(&"--no-verify".to_owned()));
    for command in [&["status"][..], &["repo", "show"], &["snapshots"], &["restore"], &["events", "--repo"]] {
        let words: Vec<&str> = ["kpmo"].iter().chain(command).chain(&["web"]).copied().collect();
        assert_eq!(completed(&world, &words), ["webshop", "website"], "{command:?}");
    }
    // As bash must have it on its line.
    assert_eq!(completed(&world, &["kpmo", "status", "my"]), ["my\\ lib"]);
    assert_eq!(completed(&world, &["kpmo", "status", "ta"]), ["tag:"]);
    // It has made three words of it.
    assert_eq!(completed(&world, &["kpmo", "status", "tag", ":", "c"]), ["core"]);
    assert_eq!(completed(&world, &["kpmo", "status", "./webs"]), ["./webshop/", "./website/"]);
    assert_eq!(completed(&world, &["kpmo", "status", "zzz"]), Vec::<String>::new());
    assert!(!world.is_running(), "completing starts no governor");

    // Of another home, where the line says so; of the last good registry, where it is broken.
    assert_eq!(completed(&world, &["kpmo", "--home", "/nowhere", "status", "web"]), Vec::<String>::new());
    let registry = world.home().join("config/repos.yml");
    fs::write(&registry, "repos: [\n").unwrap();
    assert_eq!(completed(&world, &["kpmo", "status", "web"]), ["webshop", "website"]);
    // A pipe that nobody writes to is not waited for.
    fs::remove_file(&registry).unwrap();
    assert!(Command::new("mkfifo").arg(&registry).status().unwrap().success());
    assert_eq!(completed(&world, &["kpmo", "status", "web"]), ["webshop", "website"]);
}

#[test]
fn every_shell_has_a_script_and_no_home_is_needed_for_it() {
    let world = World::new();
    for (shell, words) in [
        ("bash", "complete -o"),
        ("zsh", "#compdef kpmo"),
        ("fish", "complete --keep-order"),
        ("elvish", "edit:completion:arg-completer[kpmo]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let mut kpmo = world.command(world.home().join("bin/kpmo"));
        let ran = Ran::of(kpmo.args(["completions", shell]).env_remove("KPMO_HOME").env_remove("HOME"));
        ran.fine().says(words).says("KPMO_COMPLETE").hides("/tmp/");
    }
    world.kpmo(["completions", "tcsh"]).ended(2).says("bash, zsh, fish, elvish, powershell");
    assert!(!world.is_running());
}

/// Every command, by the words that call it, from what `--help` lists.
fn commands(world: &World, above: &[String], all: &mut BTreeSet<String>) {
    let ran = world.kpmo(above.iter().map(String::as_str).chain(["-h"])).fine();
    all.insert([&["kpmo".to_owned()], above].concat().join("-"));
    let Some((_, listed)) = ran.stdout.split_once("Commands:\n") else { return };
    for line in listed.lines().take_while(|line| line.starts_with("  ")) {
        let name = line.split_whitespace().next().unwrap_or("help");
        // Longer descriptions go on in lines that are indented more.
        if name != "help" && line.starts_with("  ") && !line.starts_with("   ") {
            commands(world, &[above, &[name.to_owned()]].concat(), all);
        }
    }
}

#[test]
fn every_command_has_a_page() {
    let world = World::new();
    let dir = world.path("share/man/man1");
    world.kpmo(["man", dir.to_str().unwrap()]).fine().says("pages to");
    let pages: BTreeSet<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".1").expect("section 1, and nothing else is left there").to_owned())
        .collect();
    let mut all = BTreeSet::new();
    commands(&world, &[], &mut all);
    assert!(all.len() > 30 && all.contains("kpmo-repo-rename"), "{all:?}");
    assert_eq!(pages, all);
    for name in &pages {
        let page = fs::read_to_string(dir.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1 ")), "{name}: {page}");
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"] {
            assert!(page.contains(section), "{name} has no {section}");
        }
    }
    let first = fs::read(dir.join("kpmo.1")).unwrap();
    assert_eq!(world.kpmo(["man"]).fine().stdout.as_bytes(), first);
    assert!(!world.is_running());
}
