use serde_json::json;
use tokio_stream::StreamExt;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::{Down, Force},
    governor,
    show::{counted, note, print, print_json, progress},
};
use crate::generated::kanban::{
    HookAction, HookChange, UninstallHooksRequest, repo_registry_client::RepoRegistryClient,
};

pub(super) fn run(context: &Context, options: &Down) -> Result<u8, Failure> {
    let request = UninstallHooksRequest { selectors: Vec::new(), all: true, dry_run: options.dry_run };
    let (mut done, mut failed) = (0, 0_u64);
    context.block_on(async {
        let mut client = RepoRegistryClient::new(context.governor().await?);
        let mut answers = client.uninstall_hooks(request).await?.into_inner();
        let bar = progress(Some(0), "taking hooks away");
        while let Some(answer) = answers.next().await {
            let answer = answer?;
            bar.set_length(u64::from(answer.total));
            bar.inc(1);
            let hooks = answer.hooks.unwrap_or_default();
            let is_done =
                |change: &HookChange| matches!(change.action(), HookAction::Removed | HookAction::Restored);
            if hooks.error.is_empty() {
                done += u64::from(hooks.changes.iter().any(is_done));
            } else {
                failed += 1;
                bar.suspend(|| note(&format!("kpmo: warning: {}: {}", hooks.repo_name, hooks.error)));
            }
        }
        bar.finish_and_clear();
        Ok::<_, Failure>(())
    })?;
    if !options.dry_run {
        governor::stop(context, Force { force: false })?;
    }
    if context.json {
        print_json(&json!({ "dry_run": options.dry_run, "uninstalled": done, "failed": failed }));
    } else {
        let what = match (done, options.dry_run) {
            (0, _) => "no repository had hooks of this home's".to_owned(),
            (done, true) => {
                format!("hooks would be taken out of {}", counted(done, "repository", "repositories"))
            }
            (done, false) => {
                format!("hooks were taken out of {}", counted(done, "repository", "repositories"))
            }
        };
        print(&format!(
            "{what}; registry, ledger and settings stay in {} and {}\n",
            context.home.config.display(),
            context.home.state.display()
        ));
    }
    Ok(if failed == 0 { FINE } else { FINDINGS })
}
