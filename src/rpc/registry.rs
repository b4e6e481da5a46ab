use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    answer::{Answers, blocking, count, streaming, to_change},
    convert, found, registry_file,
};
use crate::{
    fs::{DryRun, RealWriter, Writer, bytes_of, path_from},
    generated::kanban::{
        AddRepoRequest, AddRepoResponse, CheckHooksRequest, CheckHooksResponse, CheckRegistryRequest,
        CheckRegistryResponse, ExportRegistryRequest, ExportRegistryResponse, GetRepoRequest,
        GetRepoResponse, ImportRegistryRequest, ImportRegistryResponse, InstallHooksRequest,
        InstallHooksResponse, ListRepoStatusesRequest, ListRepoStatusesResponse, ListReposRequest,
        ListReposResponse, RecognizeFoundRequest, RecognizeFoundResponse, RegisterFoundRequest,
        RegisterFoundResponse, RemoveRepoRequest, RemoveRepoResponse, RenameRepoRequest, RenameRepoResponse,
        UninstallHooksRequest, UninstallHooksResponse, UpdateRepoRequest, UpdateRepoResponse,
        repo_registry_server::RepoRegistry,
    },
    governor::{AddOptions, ChangeOptions, Error, Governor},
    registry::Repo,
};

pub(super) struct Service(Arc<Governor>);

impl Service {
    pub(super) fn new(governor: &Arc<Governor>) -> Self {
        Self(Arc::clone(governor))
    }
}

/// For what is not done to all of them by an oversight.
fn named(selectors: &[String], all: bool) -> Result<(), Error> {
    if selectors.is_empty() && !all {
        return Err(Error::bad_request("selectors", "name the repositories, or set `all`"));
    }
    Ok(())
}

fn wanted(governor: &Governor, selectors: &[String], all: bool) -> Result<Vec<Repo>, Error> {
    named(selectors, all)?;
    governor.select_all(selectors)
}

fn writer(dry_run: bool) -> Box<dyn Writer> {
    if dry_run { Box::new(DryRun::default()) } else { Box::new(RealWriter) }
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[tonic::async_trait]
impl RepoRegistry for Service {
    async fn list_repos(
        &self,
        request: Request<ListReposRequest>,
    ) -> Result<Response<ListReposResponse>, Status> {
        let governor = Arc::clone(&self.0);
        let (metadata, _, request) = request.into_parts();
        blocking(&metadata, move || {
            let (repos, view) = governor.select_all_seen(&request.selectors)?;
            Ok(ListReposResponse {
                repos: repos.into_iter().map(convert::repo).collect(),
                registry_version: view.document.version.clone(),
                registry_error: view.problem.map(|problem| problem.to_string()).unwrap_or_default(),
            })
        })
        .await
    }

    async fn get_repo(&self, request: Request<GetRepoRequest>) -> Result<Response<GetRepoResponse>, Status> {
        let governor = Arc::clone(&self.0);
        let (metadata, _, request) = request.into_parts();
        blocking(&metadata, move || {
            let (repo, view) = governor.select_seen(&request.selector)?;
            Ok(GetRepoResponse {
                repo: Some(convert::repo(repo)),
                registry_version: view.document.version.clone(),
            })
        })
        .await
    }

    async fn add_repo(&self, request: Request<AddRepoRequest>) -> Result<Response<AddRepoResponse>, Status> {
        let governor = to_change(&self.0)?;
        let (metadata, _, request) = request.into_parts();
        blocking(&metadata, move || {
            let added = governor.add_repo(&AddOptions {
                path: path_from(&request.path),
                name: given(request.name),
                skip_hooks: request.skip_hooks,
                dry_run: request.dry_run,
                base_version: given(request.base_version),
            })?;
            let changes = added.hooks.map(|hooks| hooks.changes).unwrap_or_default();
            Ok(AddRepoResponse {
                repo: Some(convert::repo(added.repo)),
                created: added.created,
                hook_changes: changes.into_iter().map(convert::hook_change).collect(),
                registry_version: added.version,
                warnings: added.warnings,
                moved_from: added.moved_from.as_deref().map(bytes_of).unwrap_or_default(),
            })
        })
        .await
    }

    type RegisterFoundStream = Answers<RegisterFoundResponse>;

    async fn register_found(
        &self,
        request: Request<RegisterFoundRequest>,
    ) -> Result<Response<Self::RegisterFoundStream>, Status> {
        Ok(found::register(to_change(&self.0)?, request.get_ref()))
    }

    async fn recognize_found(
        &self,
        request: Request<RecognizeFoundRequest>,
    ) -> Result<Response<RecognizeFoundResponse>, Status> {
        found::recognize(Arc::clone(&self.0), request).await
    }

    async fn remove_repo(
        &self,
        request: Request<RemoveRepoRequest>,
    ) -> Result<Response<RemoveRepoResponse>, Status> {
        let governor = to_change(&self.0)?;
        let (metadata, _, request) = request.into_parts();
        blocking(&metadata, move || {
            let base = given(request.base_version);
            let removed = governor.remove_repo(
                &request.selector,
                request.keep_hooks,
                request.dry_run,
                base.as_deref(),
            )?;
            let changes = removed.hooks.map(|hooks| hooks.changes).unwrap_or_default();
            Ok(RemoveRepoResponse {
                repo: Some(convert::repo(removed.repo)),
                hook_changes: changes.into_iter().map(convert::hook_change).collect(),
                registry_version: removed.version,
            })
        })
        .await
    }

    async fn update_repo(
        &self,
        request: Request<UpdateRepoRequest>,
    ) -> Result<Response<UpdateRepoResponse>, Status> {
        let governor = to_change(&self.0)?;
        let (metadata, _, request) = request.into_parts();
        blocking(&metadata, move || {
            named(&request.selectors, request.all)?;
            let fields = convert::fields(request.patch.unwrap_or_default())?;
            let options =
                ChangeOptions { dry_run: request.dry_run, base_version: given(request.base_version) };
            let changed = governor.change_repos(&request.selectors, fields, &options)?;
            Ok(UpdateRepoResponse {
                changes: changed.repos.into_iter().map(convert::repo_change).collect(),
                registry_version: changed.version,
                diff: changed.diff,
                warnings: changed.warnings,
            })
        })
        .await
    }

    async fn rename_repo(
        &self,
        request: Request<RenameRepoRequest>,
    ) -> Result<Response<RenameRepoResponse>, Status> {
        let governor = to_change(&self.0)?;
        let (metadata, _, request) = request.into_parts();
        blocking(&metadata, move || {
            let options =
                ChangeOptions { dry_run: request.dry_run, base_version: given(request.base_version) };
            let changed = governor.rename_repo(&request.selector, &request.new_name, &options)?;
            Ok(RenameRepoResponse {
                change: changed.repos.into_iter().next().map(convert::repo_change),
                registry_version: changed.version,
                diff: changed.diff,
                warnings: changed.warnings,
            })
        })
        .await
    }

    async fn import_registry(
        &self,
        request: Request<ImportRegistryRequest>,
    ) -> Result<Response<ImportRegistryResponse>, Status> {
        registry_file::import(to_change(&self.0)?, request).await
    }

    async fn check_registry(
        &self,
        request: Request<CheckRegistryRequest>,
    ) -> Result<Response<CheckRegistryResponse>, Status> {
        registry_file::check(Arc::clone(&self.0), request).await
    }

    type ExportRegistryStream = Answers<ExportRegistryResponse>;

    async fn export_registry(
        &self,
        request: Request<ExportRegistryRequest>,
    ) -> Result<Response<Self::ExportRegistryStream>, Status> {
        registry_file::export(Arc::clone(&self.0), request.into_inner())
    }

    type ListRepoStatusesStream = Answers<ListRepoStatusesResponse>;

    async fn list_repo_statuses(
        &self,
        request: Request<ListRepoStatusesRequest>,
    ) -> Result<Response<Self::ListRepoStatusesStream>, Status> {
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let repos = governor.select_all(&request.selectors)?;
            let total = count(&repos);
            governor.fleet(&repos, |state| {
                sink(ListRepoStatusesResponse { state: Some(convert::repo_state(state)), total })
            });
            Ok(())
        }))
    }

    type InstallHooksStream = Answers<InstallHooksResponse>;

    async fn install_hooks(
        &self,
        request: Request<InstallHooksRequest>,
    ) -> Result<Response<Self::InstallHooksStream>, Status> {
        let governor = to_change(&self.0)?;
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let repos = wanted(&governor, &request.selectors, request.all)?;
            let total = count(&repos);
            let writer = writer(request.dry_run);
            let mode = convert::wanted_mode(request.mode());
            for repo in repos {
                let hooks = convert::repo_hooks(&repo, governor.install_hooks(&repo, mode, &*writer));
                // The client's leaving does not leave a fleet half done.
                sink(InstallHooksResponse { hooks: Some(hooks), total });
            }
            Ok(())
        }))
    }

    type CheckHooksStream = Answers<CheckHooksResponse>;

    async fn check_hooks(
        &self,
        request: Request<CheckHooksRequest>,
    ) -> Result<Response<Self::CheckHooksStream>, Status> {
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let repos = wanted(&governor, &request.selectors, request.all)?;
            let total = count(&repos);
            for repo in repos {
                let hooks = convert::repo_hooks(&repo, governor.check_hooks(&repo));
                if !sink(CheckHooksResponse { hooks: Some(hooks), total }) {
                    break;
                }
            }
            Ok(())
        }))
    }

    type UninstallHooksStream = Answers<UninstallHooksResponse>;

    async fn uninstall_hooks(
        &self,
        request: Request<UninstallHooksRequest>,
    ) -> Result<Response<Self::UninstallHooksStream>, Status> {
        let governor = to_change(&self.0)?;
        let request = request.into_inner();
        Ok(streaming(move |sink| {
            let repos = wanted(&governor, &request.selectors, request.all)?;
            let total = count(&repos);
            let writer = writer(request.dry_run);
            for repo in repos {
                let hooks = convert::repo_hooks(&repo, governor.uninstall_hooks(&repo, &*writer));
                sink(UninstallHooksResponse { hooks: Some(hooks), total });
            }
            Ok(())
        }))
    }
}
