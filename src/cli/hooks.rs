use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::{HooksMode as Mode, InstallHooks, UninstallHooks},
    names,
    selectors::selectors,
    show::{print, print_json, put_path},
};
use crate::{
    fs::shown_bytes,
    generated::kanban::{
        CheckHooksRequest, HookAction, HookChange, HookEvent, HooksMode, HooksState, InstallHooksRequest,
        RepoHooks, UninstallHooksRequest, repo_registry_client::RepoRegistryClient,
    },
};

pub(super) fn install(context: &Context, options: &InstallHooks) -> Result<u8, Failure> {
    let selectors = selectors(&options.repos)?;
    let all = context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        let mut all = Vec::new();
        if options.check {
            let request = CheckHooksRequest { selectors, all: options.all };
            let mut answers = client.check_hooks(request).await?.into_inner();
            while let Some(answer) = answers.next().await {
                all.extend(answer?.hooks);
            }
        } else {
            let mode = match options.mode {
                None => HooksMode::Unspecified,
                Some(Mode::Links) => HooksMode::Links,
                Some(Mode::Config) => HooksMode::Config,
            };
            let request = InstallHooksRequest {
                selectors,
                all: options.all,
                dry_run: options.dry_run,
                mode: mode.into(),
            };
            let mut answers = client.install_hooks(request).await?.into_inner();
            while let Some(answer) = answers.next().await {
                all.extend(answer?.hooks);
            }
        }
        Ok::<_, Failure>(all)
    })?;
    show(context, &all);
    let fine =
        |hooks: &RepoHooks| hooks.error.is_empty() && (hooks.state() == HooksState::Ok || options.dry_run);
    Ok(if all.iter().all(fine) { FINE } else { FINDINGS })
}

pub(super) fn uninstall(context: &Context, options: &UninstallHooks) -> Result<u8, Failure> {
    let request = UninstallHooksRequest {
        selectors: selectors(&options.repos)?,
        all: options.all,
        dry_run: options.dry_run,
    };
    let all = context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        let mut answers = client.uninstall_hooks(request).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            all.extend(answer?.hooks);
        }
        Ok::<_, Failure>(all)
    })?;
    show(context, &all);
    Ok(if all.iter().all(|hooks| hooks.error.is_empty()) { FINE } else { FINDINGS })
}

/// One line about one hook's place; nothing if nothing was done there.
pub(super) fn describe(change: &HookChange) -> String {
    if change.action() == HookAction::Unchanged {
        return String::new();
    }
    let action = names::plain(change.action().as_str_name(), "HOOK_ACTION_");
    let detail = if change.detail.is_empty() { String::new() } else { format!(" ({})", change.detail) };
    format!("  {action:<10} {}{detail}\n", shown_bytes(&change.path))
}

fn show(context: &Context, all: &[RepoHooks]) {
    if context.json {
        let repos: Vec<_> = all.iter().map(as_json).collect();
        print_json(&json!({ "repos": repos }));
        return;
    }
    for hooks in all {
        if !hooks.error.is_empty() {
            print(&format!("{}: {}\n", hooks.repo_name, hooks.error));
            continue;
        }
        let state = names::hooks(hooks.state()).unwrap_or("unknown");
        let by = if hooks.mode() == HooksMode::Config { " (by the configuration)" } else { "" };
        let mut text = format!("{}: {state}{by}\n", hooks.repo_name);
        for change in &hooks.changes {
            text.push_str(&describe(change));
        }
        print(&text);
    }
}

fn as_json(hooks: &RepoHooks) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".into(), json!(hooks.repo_id));
    object.insert("name".into(), json!(hooks.repo_name));
    put_path(&mut object, "hooks_dir", &hooks.hooks_dir);
    object.insert("hooks".into(), json!(names::hooks(hooks.state())));
    let mode = hooks.mode();
    let mode = (mode != HooksMode::Unspecified).then(|| names::plain(mode.as_str_name(), "HOOKS_MODE_"));
    object.insert("mode".into(), json!(mode));
    let changes: Vec<Map<String, Value>> = hooks
        .changes
        .iter()
        .map(|change| {
            let mut object = Map::new();
            let event = change.event();
            let name =
                (event != HookEvent::Unspecified).then(|| names::plain(event.as_str_name(), "HOOK_EVENT_"));
            object.insert("event".into(), json!(name));
            put_path(&mut object, "path", &change.path);
            let action = names::plain(change.action().as_str_name(), "HOOK_ACTION_");
            object.insert("action".into(), json!(action));
            object.insert("detail".into(), json!(change.detail));
            object
        })
        .collect();
    object.insert("changes".into(), json!(changes));
    let error = (!hooks.error.is_empty()).then_some(&hooks.error);
    object.insert("error".into(), json!(error));
    object
}
