use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    answer::{Answers, judging, status, streaming},
    convert,
    service::understand,
    snapshots,
};
use crate::{
    fs::bytes_of,
    generated::kanban::{
        self as proto, CheckDone, CheckFindings, CheckRequest, CheckResponse, HookRequest, HookResponse,
        check_response::Event, context_check_server::ContextCheck,
    },
    governor::{CheckScope, CheckStep, Error, Governor, HookCall},
};

pub(super) struct Service(Arc<Governor>);

impl Service {
    pub(super) fn new(governor: &Arc<Governor>) -> Self {
        Self(Arc::clone(governor))
    }
}

#[tonic::async_trait]
impl ContextCheck for Service {
    async fn hook(&self, request: Request<HookRequest>) -> Result<Response<HookResponse>, Status> {
        let request = request.into_inner();
        if !request.hook_version.is_empty() {
            understand("kpmo-hook", "hook_version", &request.hook_version).map_err(status)?;
        }
        let call = HookCall::try_from(&request).map_err(status)?;
        let encoded = request.encode_to_vec();
        judging(|| self.0.hook(&call, &encoded).map(convert::judgement))
    }

    type CheckStream = Answers<CheckResponse>;

    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<Self::CheckStream>, Status> {
        let governor = Arc::clone(&self.0);
        let request = request.into_inner();
        let scope = match request.scope() {
            proto::CheckScope::Unspecified | proto::CheckScope::Staged => CheckScope::Staged,
            proto::CheckScope::AllFiles => CheckScope::AllFiles,
            proto::CheckScope::Range if request.range.is_empty() => {
                return Err(status(Error::bad_request("range", "is missing")));
            }
            proto::CheckScope::Range => CheckScope::Range(request.range.clone()),
        };
        Ok(streaming(move |sink| {
            let all = governor.checked(&request.selectors, request.all)?;
            let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
            for checked in &all {
                let about = |event| CheckResponse {
                    repo_id: checked.id.clone(),
                    repo_name: checked.name.clone(),
                    repo_path: bytes_of(&checked.path),
                    total,
                    event: Some(event),
                };
                let is_over = std::cell::Cell::new(false);
                governor.check(checked, &scope, &|step| {
                    let event = match step {
                        CheckStep::Findings(found) => Event::Findings(CheckFindings {
                            findings: found.into_iter().map(convert::finding).collect(),
                        }),
                        CheckStep::Done { commits, files } => {
                            Event::Done(CheckDone { commits: commits as u64, files: files as u64 })
                        }
                        CheckStep::Failed(error) => Event::Failed(snapshots::failure(error)),
                    };
                    let is_heard = sink(about(event));
                    is_over.set(!is_heard);
                    is_heard
                });
                if is_over.get() {
                    break;
                }
            }
            Ok(())
        }))
    }
}
