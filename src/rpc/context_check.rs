use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    answer::{judging, status},
    convert,
};
use crate::{
    generated::kanban::{HookRequest, HookResponse, context_check_server::ContextCheck},
    governor::{Governor, HookCall},
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
        let call = HookCall::try_from(&request).map_err(status)?;
        let encoded = request.encode_to_vec();
        judging(|| self.0.hook(&call, &encoded).map(convert::judgement))
    }
}
