//! `repos.yml` as a whole: import, check, export, and many hands at once.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use kpmo::{
    client::{Connection, connect},
    fs::RealWriter,
    generated::kanban::{
        AddRepoRequest, CheckRegistryRequest, ExportRegistryRequest, ImportRegistryRequest, ListReposRequest,
        RegistryFormat, RegistryRule, RemoveRepoRequest, Severity, repo_registry_client::RepoRegistryClient,
    },
    registry::{self, Edit, FieldChange, Registry, RepoChange},
};
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::world::World;

const FLEET: &str = include_str!("fixtures/predecessor.yml");

/// A world with the predecessor's file in it, and one repository that exists.
fn fleet() -> (World, String) {
    let world = World::new();
    for dir in ["kanban-pmo", "projects/Nemo"] {
        world.init_in_home(dir).write("a.txt", "one\n").git(["add", "."]).fine();
    }
    world.init_in_home("kanban-pmo").git(["commit", "-qm", "first"]).fine();
    fs::create_dir(world.user().join("ollama-local")).unwrap();
    let file = world.path("old.yml");
    fs::write(&file, FLEET).unwrap();
    world.kpmo(["governor", "start"]).fine();
    (world, file.to_str().unwrap().to_owned())
}

fn names(repos: &Value) -> Vec<&str> {
    repos.as_array().unwrap().iter().map(|repo| repo["name"].as_str().unwrap()).collect()
}

fn finding<'a>(report: &'a Value, repo: &str, rule: &str) -> &'a Value {
    let all = report["findings"].as_array().unwrap();
    all.iter()
        .find(|found| found["repo"] == repo && found["rule"] == rule)
        .unwrap_or_else(|| panic!("no {rule} of {repo} in {report:#}"))
}

#[test]
fn the_predecessors_registry_is_taken_over_in_one_edit() {
    let (world, file) = fleet();
    let dry = world.json(["registry", "import", &file, "--dry-run"]);
    assert_eq!(names(&dry["added"]).len(), 24);
    assert!(!world.home().join("config/repos.yml").exists(), "a dry run writes nothing");
    let diff = dry["diff"].as_str().unwrap();
    assert!(diff.contains("+  - id: ") && diff.contains("+    name: Calendar_frontend-\n"), "{diff}");
    assert!(world.events("registry-imported").is_empty() && world.events("repo-added").is_empty());

    let report = world.json(["registry", "import", &file]);
    assert_eq!((names(&report["added"]).len(), &report["skipped"]), (24, &Value::Array(Vec::new())));
    assert_eq!((&report["dry_run"], &report["diff"]), (&false.into(), &Value::Null));
    let doubled = report["findings"].as_array().unwrap();
    let doubled = doubled.iter().filter(|found| found["rule"] == "duplicate-key");
    assert_eq!(doubled.count(), 3, "{report:#}");
    let missing = finding(&report, "ai-gateway", "missing-path");
    let line = FLEET.lines().position(|line| line.ends_with("projects/ai-gateway")).unwrap() + 1;
    assert_eq!((&missing["line"], &missing["severity"]), (&line.into(), &"warn".into()));
    assert_eq!(missing["path"], file.as_str());
    let plain = finding(&report, "ollama-local", "not-a-repository");
    assert!(plain["message"].as_str().unwrap().ends_with("/u/ollama-local is no git repository"), "{plain}");
    let of_real = report["findings"].as_array().unwrap().iter().filter(|found| found["repo"] == "kanban-pmo");
    assert_eq!(of_real.count(), 0);

    // All of it is there, with ids, and with what the old words mean.
    let listed = world.json(["repo", "list"]);
    assert_eq!(names(&listed["repos"]), names(&report["added"]));
    let by_name = |name: &str| {
        let repos = listed["repos"].as_array().unwrap();
        repos.iter().find(|repo| repo["name"] == name).unwrap().clone()
    };
    let legacy = by_name("football-telemetry");
    assert_eq!((&legacy["stage"], &legacy["default_branch"]), (&"dev".into(), &Value::Null));
    assert_eq!(legacy["tags"], serde_json::json!(["legacy"]));
    let local = by_name("ollama-telemetry");
    assert_eq!((&local["status"], &local["remote_url"]), (&"active".into(), &Value::Null));
    assert_eq!(local["tags"], serde_json::json!(["local-only"]));
    assert!(by_name("timetrakr")["local_path"].as_str().unwrap().ends_with("/u/projects/timetrakr"));
    assert!(world.registry().contains("local_path: ~/projects/timetrakr\n"));

    let imported = world.events("registry-imported");
    assert_eq!(imported.len(), 1);
    let added = world.events("repo-added");
    assert_eq!(added.len(), 24);
    let ids: BTreeSet<&str> = added.iter().map(|event| event["repo"].as_str().unwrap()).collect();
    assert!(ids.contains(by_name("kanban-pmo")["id"].as_str().unwrap()) && ids.len() == 24);
    world.kpmo(["ledger", "verify"]).fine();

    // Again adds nothing, writes nothing, records nothing.
    let before = world.registry();
    let again = world.json(["registry", "import", &file]);
    assert_eq!((names(&again["added"]).len(), names(&again["skipped"]).len()), (0, 24));
    assert_eq!(again["skipped"][0]["reason"], "registered already");
    assert_eq!(world.registry(), before);
    assert_eq!(world.events("registry-imported").len(), 1);
    world.kpmo(["registry", "import", &file]).fine().says("imported 0 repositories; 24 repositories left");
    world.kpmo(["status", "kanban-pmo"]).fine().says("kanban-pmo");
}

#[test]
fn what_is_registered_is_left_and_hands_work_beside_it() {
    let (world, file) = fleet();
    world.kpmo(["repo", "add", world.user().join("kanban-pmo").to_str().unwrap(), "--name", "pmo"]).fine();
    let own = "\n  # mine\n  - {name: Nemo, local_path: /srv/nemo}   # not theirs\n";
    fs::write(world.home().join("config/repos.yml"), world.registry() + own).unwrap();
    let id = world.json(["repo", "show", "Nemo"])["repos"][0]["id"].as_str().unwrap().to_owned();
    let before = world.registry();

    let dry = world.kpmo(["registry", "import", &file, "--dry-run"]).fine();
    assert!(dry.stdout.starts_with("--- ") && dry.stdout.contains("\n+    name: TermuxHub\n"), "{dry:?}");
    assert!(dry.stderr.contains("would import 22 repositories; 2 repositories would be left"), "{dry:?}");
    assert_eq!(world.registry(), before);

    let report = world.json(["registry", "import", &file]);
    assert_eq!(names(&report["added"]).len(), 22);
    let reasons: Vec<_> =
        report["skipped"].as_array().unwrap().iter().map(|left| left["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        ["its path is registered already, as `pmo`", "the name is taken by the repository at /srv/nemo"]
    );
    let after = world.registry();
    assert!(after.starts_with(&before), "{after}");
    assert_eq!(world.json(["repo", "show", "Nemo"])["repos"][0]["id"], id.as_str());
}

#[test]
fn what_cannot_be_imported_whole_is_not_imported() {
    let (world, file) = fleet();
    world.kpmo(["governor", "start"]).fine();
    fs::write(
        &file,
        FLEET.replace("~/projects/Nemo", "projects/Nemo").replace("env_stage: dev", "env_stage: live"),
    )
    .unwrap();
    let ran = world.kpmo(["registry", "import", &file]).ended(1);
    let said = ran.says("old.yml:75:17: `local_path` must be absolute, or begin with `~/`\n        local_path: projects/Nemo\n                    ^");
    assert!(said.stderr.matches("`env_stage` must be one of").count() > 5, "{said:?}");
    assert!(!world.home().join("config/repos.yml").exists());

    world.kpmo(["registry", "import", "no/such.yml"]).ended(2).says("no/such.yml");
    // Over a broken registry nothing is written either.
    fs::write(&file, FLEET).unwrap();
    fs::write(world.home().join("config/repos.yml"), "version: 1\nrepos: [\n").unwrap();
    world.kpmo(["registry", "import", &file]).ended(1).says("config/repos.yml:");
    assert_eq!(world.registry(), "version: 1\nrepos: [\n");
    assert!(world.events("repo-added").is_empty());
}

#[test]
fn a_file_is_checked_without_a_governor() {
    let world = World::new();
    world.init_in_home("real");
    let file = world.path("r.yml");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        world.kpmo(["registry", "check", file.to_str().unwrap()])
    };
    check("version: 1\nrepos:\n  - {name: real, local_path: ~/real}\n")
        .fine()
        .says("1 repository, all in order");
    check("version: 1\nrepos:\n  - {name: a, local_path: ~/a}\n")
        .fine()
        .says(":3:27: warning: ")
        .says("/u/a does not exist: clone it there, or take the entry out")
        .says("1 repository, 1 warning");
    std::os::unix::fs::symlink("real", world.user().join("link")).unwrap();
    check(
        "version: 1\nrepos:\n  - {name: real, local_path: ~/real}\n  - {name: other, local_path: ~/link}\n",
    )
    .fine()
    .says("/u/link is the repository that `real` is: take one of the two entries out");
    let ran =
        check("version: 1\nrepos:\n  - name: a\n    local_path: a\n    stage: proud\n    colour: red\n");
    ran.ended(1)
        .says("r.yml:4:17: `local_path` must be absolute, or begin with `~/`\n        local_path: a\n                    ^\n")
        .says("r.yml:5:12: `stage` must be one of `dev`, `staging`, `prod`: did you mean `prod`?\n")
        .says("r.yml:6:5: unknown key `colour`: known are")
        .says("3 errors\n");
    let report = world.json(["registry", "check", file.to_str().unwrap()]);
    let found = &report["findings"][1];
    for (key, value) in [
        ("rule", Value::from("bad-value")),
        ("severity", "error".into()),
        ("repo", "a".into()),
        ("path", file.to_str().unwrap().into()),
        ("line", 5.into()),
        ("column", 12.into()),
        ("message", "`stage` must be one of `dev`, `staging`, `prod`".into()),
        ("fix", "did you mean `prod`?".into()),
    ] {
        assert_eq!(found[key], value, "{report:#}");
    }
    assert!(report["findings"][0]["fix"].as_str().unwrap().starts_with("edit line 4 of "));
    // Without a file: this home's own, which may not be there yet.
    world.kpmo(["registry", "check"]).fine().says("0 repositories, all in order");
    world.kpmo(["registry", "check", "no/such.yml"]).ended(2).says("no/such.yml");
    check(FLEET).ended(1).says("kpmo registry import FILE");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/repos.yml");
    world.kpmo(["registry", "check", sample.to_str().unwrap()]).fine().says("24 repositories, 24 warnings");
    assert!(!world.is_running() && world.pid().is_none(), "nobody was started for this");
}

#[test]
fn what_is_exported_is_the_same_registry() {
    let (world, file) = fleet();
    world.kpmo(["registry", "import", &file]).fine();
    let home = world.user();
    let mine = registry::parse(world.registry().as_bytes(), &home).unwrap().repos;
    for format in ["yaml", "json"] {
        let text = world.kpmo(["registry", "export", "--format", format]).fine().stdout;
        assert_eq!(registry::parse(text.as_bytes(), &home).unwrap().repos, mine, "{format}");
        let keys = "id name local_path remote_url default_branch env_template gitignore_profile status stage role tags verify";
        for key in keys.split(' ') {
            let key = if format == "json" { format!("\"{key}\":") } else { format!(" {key}:") };
            assert_eq!(text.matches(&key).count(), 24, "{key}");
        }
    }
    let out = world.path("out.yml");
    let to = |more: &[&str]| {
        let args = ["registry", "export", out.to_str().unwrap()];
        world.kpmo(args.iter().chain(more).collect::<Vec<_>>())
    };
    to(&[]).fine().says("out.yml");
    let written = fs::read(&out).unwrap();
    fs::write(&out, "mine").unwrap();
    to(&[]).ended(2).says("is there already; --force replaces it");
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    to(&["--force"]).fine();
    assert_eq!(fs::read(&out).unwrap(), written);
    // Of a broken registry the last good state is exported, and that is said.
    fs::write(world.home().join("config/repos.yml"), "version: 1\nrepos: [\n").unwrap();
    let text = world.kpmo(["registry", "export"]).fine().says("the last good registry is exported").stdout;
    assert_eq!(text.as_bytes(), written);
}

/// Calls as another client would make them.
struct Client {
    runtime: tokio::runtime::Runtime,
    stub: RepoRegistryClient<Connection>,
}

impl Client {
    fn new(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(connect(&world.socket(), Duration::from_secs(20))).unwrap();
        Self { runtime, stub: RepoRegistryClient::new(connection) }
    }

    fn version(&mut self) -> String {
        let listed = self.runtime.block_on(self.stub.list_repos(ListReposRequest::default()));
        listed.unwrap().into_inner().registry_version
    }

    fn import(&mut self, content: &str, base: &str) -> Result<usize, Status> {
        let request = ImportRegistryRequest {
            content: content.into(),
            file: b"old.yml".to_vec(),
            dry_run: false,
            base_version: base.into(),
        };
        Ok(self.runtime.block_on(self.stub.import_registry(request))?.into_inner().added.len())
    }
}

#[track_caller]
fn is_stale<T: std::fmt::Debug>(answer: Result<T, Status>, current: &str) {
    let status = answer.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (status.code(), info.reason.as_str(), info.domain.as_str()),
        (Code::Aborted, "STALE_VERSION", "kpmo")
    );
    assert_eq!(info.metadata["current"], current);
}

#[test]
fn who_has_not_seen_the_last_change_is_told_so() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    world.init("lib", &[], &[("a.txt", "one\n")]);
    let mut client = Client::new(&world);
    let seen = client.version();
    world.edit_registry("repos:\n", "repos:\n  # by hand\n");
    let text = world.registry();
    let current = client.version();
    assert_ne!(seen, current);

    let add = |base: &str| AddRepoRequest {
        path: world.path("src/lib").into_os_string().into_encoded_bytes(),
        base_version: base.into(),
        ..AddRepoRequest::default()
    };
    let remove = |base: &str| RemoveRepoRequest {
        selector: "app".into(),
        base_version: base.into(),
        ..RemoveRepoRequest::default()
    };
    let old = "repos:\n  old: {local_path: /srv/old}\n";
    is_stale(client.runtime.block_on(client.stub.add_repo(add(&seen))), &current);
    is_stale(client.runtime.block_on(client.stub.remove_repo(remove(&seen))), &current);
    is_stale(client.import(old, &seen), &current);
    assert_eq!(world.registry(), text, "nothing was written");
    assert_eq!(world.status("app")["hooks"], "ok", "nothing else was done either");

    client.runtime.block_on(client.stub.add_repo(add(&current))).unwrap();
    let now = client.version();
    is_stale(client.import(old, &current), &now);
    assert_eq!(client.import(old, &now).unwrap(), 1);
    let now = client.version();
    client.runtime.block_on(client.stub.remove_repo(remove(&now))).unwrap();
    assert!(world.registry().contains("  # by hand\n"));
}

#[test]
fn other_clients_check_and_export_too() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    let mut client = Client::new(&world);
    let check = |client: &mut Client| {
        client.runtime.block_on(client.stub.check_registry(CheckRegistryRequest {})).unwrap().into_inner()
    };
    let fine = check(&mut client);
    assert_eq!((fine.findings.len(), fine.repos), (0, 1));
    let good = world.registry();
    fs::write(world.home().join("config/repos.yml"), format!("{good}    stage: prd\n")).unwrap();
    let broken = check(&mut client).findings.remove(0);
    assert_eq!((broken.rule(), broken.severity()), (RegistryRule::BadValue, Severity::Error));
    assert_eq!((broken.repo_name.as_str(), broken.fix.as_str()), ("app", "did you mean `prod`?"));
    assert_eq!((broken.snippet.as_str(), broken.caret), ("    stage: prd", 11));

    let mut export = |format: RegistryFormat| {
        client.runtime.block_on(async {
            let request = ExportRegistryRequest { format: format.into() };
            client.stub.export_registry(request).await?.into_inner().message().await
        })
    };
    let first = export(RegistryFormat::Json).unwrap().unwrap();
    assert!(first.registry_error.contains("repos.yml:"), "{first:?}");
    let value: Value = serde_json::from_slice(&first.chunk).unwrap();
    assert_eq!(value["repos"][0]["name"], "app");
    assert_eq!(export(RegistryFormat::Unspecified).unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn many_writers_in_several_processes_lose_nothing() {
    const EACH: usize = 5;
    let world = World::new().repo("app", &[("a.txt", "one\n")]).up();
    for worker in 0..3 {
        for at in 0..EACH {
            world.init(&format!("cli{worker}-{at}"), &[], &[]);
        }
    }
    world.edit_registry("repos:\n", "repos: # ours\n  # stays\n");
    // This process edits as a governor does: by the lock, and by no other word.
    let open = || {
        let lock = world.home().join("state/repos.lock");
        Registry::open(world.home().join("config/repos.yml"), lock, world.user())
    };
    let (done, registry) = (AtomicBool::new(false), open());
    std::thread::scope(|scope| {
        let mut writers = Vec::new();
        for worker in 0..3 {
            let world = &world;
            writers.push(scope.spawn(move || {
                for at in 0..EACH {
                    let name = format!("cli{worker}-{at}");
                    world.kpmo(["repo", "add", &name, "--no-hooks"]).fine();
                }
            }));
        }
        for worker in 0..2 {
            let registry = open();
            writers.push(scope.spawn(move || {
                for at in 0..EACH * 2 {
                    let name = format!("direct{worker}-{at}");
                    let repo = registry::Repo {
                        local_path: format!("/srv/{name}").into(),
                        name: name.clone(),
                        ..registry::Repo::default()
                    };
                    registry.edit(&RealWriter, None, &Edit::Add(vec![repo])).unwrap();
                    let tag = |name: &str| RepoChange {
                        name: name.into(),
                        fields: vec![FieldChange::AddTags(vec![format!("t{worker}-{at}")])],
                    };
                    let both = Edit::Change(vec![tag("app"), tag(&name)]);
                    registry.edit(&RealWriter, None, &both).unwrap();
                }
            }));
        }
        let (done, registry, world) = (&done, &registry, &world);
        let reader = scope.spawn(move || {
            let mut looks = 0;
            while !done.load(Ordering::Acquire) {
                let view = registry.view();
                assert!(view.problem.is_none(), "{:?}", view.problem);
                let text = fs::read(world.home().join("config/repos.yml")).unwrap();
                assert!(registry::parse(&text, &world.user()).is_ok(), "read half written");
                looks += 1;
            }
            looks
        });
        let ends: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Release);
        assert!(reader.join().unwrap() > 0);
        for end in ends {
            end.unwrap();
        }
    });
    let text = world.registry();
    assert!(text.contains("repos: # ours\n  # stays\n"), "{text}");
    let listed = world.json(["repo", "list"]);
    let mut found: Vec<&str> = names(&listed["repos"]);
    found.sort_unstable();
    let cli = (0..3).flat_map(|worker| (0..EACH).map(move |at| format!("cli{worker}-{at}")));
    let direct = (0..2).flat_map(|worker| (0..EACH * 2).map(move |at| format!("direct{worker}-{at}")));
    let mut wanted: Vec<String> = cli.chain(direct).chain(["app".to_owned()]).collect();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    let repos = listed["repos"].as_array().unwrap();
    let ids: BTreeSet<&str> = repos.iter().map(|repo| repo["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), wanted.len(), "everybody has an id of their own");
    let app = repos.iter().find(|repo| repo["name"] == "app").unwrap();
    let tags: BTreeSet<&str> =
        app["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    assert_eq!(tags.len(), 2 * 2 * EACH);
    world.kpmo(["governor", "status"]).fine();
}

#[test]
fn status_tells_what_is_wrong_and_shows_the_last_good_registry() {
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("web", &[("a.txt", "one\n")]).up();
    let good = world.registry();
    world.edit_registry("    name: web\n", "    name: app\n");
    let ran = world.kpmo(["status"]).fine();
    let line = good.lines().position(|line| line == "    name: web").unwrap() + 1;
    let first = good.lines().position(|line| line == "    name: app").unwrap() + 1;
    let place = format!("config/repos.yml:{line}:11: the name `app` is on line {first} already\n");
    let ran = ran.says(&place).says("        name: app\n              ^\n").says("web");
    assert!(ran.stdout.contains("web") && ran.stdout.contains("app"), "{ran:?}");
    assert_eq!(names(&world.json(["status"])["repos"]), ["app", "web"]);
    // Mended, it is in force at once.
    fs::write(world.home().join("config/repos.yml"), good.replace("    name: web\n", "    name: site\n"))
        .unwrap();
    let ran = world.kpmo(["status"]).fine().says("site").hides("warning");
    assert!(!ran.stdout.contains("web "), "{ran:?}");
}
