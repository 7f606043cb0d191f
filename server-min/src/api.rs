//! Programs ask here: gRPC on a port of its own, for holders of a certificate of the internal authority.
//!
//! Who asks is the name in the certificate, and nothing else that comes with a request. A certificate opens the
//! connection only: what its holder may do stands in a policy, and without one it may do nothing.

mod caller;
mod client;
mod event;
mod file;
mod flow;
mod here;
mod hunt;
mod listen;
mod notebook;
mod query;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};
use troodon_proto::{VqlCollectorArgs, VqlResponse};

use crate::frontend::Callers;
use crate::limits;
use crate::services::Services;

pub use listen::{ApiError, Bound};

#[allow(
    missing_docs,
    clippy::pedantic,
    clippy::default_trait_access,
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    reason = "generated; the comments of the schema become its documentation"
)]
mod generated {
    tonic::include_proto!("proto");
}

pub(crate) use generated::api_client::ApiClient;
use generated::api_server::Api as Calls;
use generated::health_check_response::Status as Health;
use generated::{
    ApiClient as ClientRecord, ApiFlowRequest, ApiResponse, ArtifactCollectorArgs,
    ArtifactCollectorResponse, ClientMetadata, CreateDownloadRequest, CreateDownloadResponse,
    FlowDetails, GetClientRequest, GetHuntRequest, GetHuntResultsRequest, GetTableRequest,
    GetTableResponse, HealthCheckRequest, HealthCheckResponse, Hunt, HuntMutation,
    LabelClientsRequest, ListHuntsRequest, ListHuntsResponse, Notebooks, Nothing, PushEventRequest,
    SearchClientsRequest, SearchClientsResponse, SetClientMetadataRequest, StartFlowResponse,
};
pub(crate) use generated::{
    ApiFlowRequest as FlowWanted, ArtifactParameters, ArtifactSpec, GetTableRequest as TableWanted,
    NotebookCell, NotebookCellRequest, NotebookMetadata, VfsFileBuffer,
};
use here::Here;

/// What the API needs to know.
pub struct Settings {
    /// `API.bind_address`, `API.bind_port`; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Whose certificates open a connection.
    pub callers: Callers,
    /// PEM of the server's certificate.
    pub certificate: String,
    /// PEM of its key.
    pub key_pem: zeroize::Zeroizing<String>,
}

/// The calls.
struct Api {
    services: Services,
    queries: Arc<Semaphore>,
}

impl Api {
    fn new(services: Services) -> Self {
        Self { services, queries: Arc::new(Semaphore::new(limits::API_QUERIES)) }
    }
}

impl Api {
    /// Answers a call whose organisation stands in its metadata, on a thread that may block.
    async fn in_org<T: Send + 'static, A: Send + 'static>(
        &self,
        request: Request<T>,
        answer: impl FnOnce(&Here, T) -> Result<A, Status> + Send + 'static,
    ) -> Result<Response<A>, Status> {
        let org = caller::org_of(&request)?;
        let caller = caller::of(&request, &self.services, &org)?;
        let (services, message) = (self.services.clone(), request.into_inner());
        let work = move || answer(&Here::new(services, caller, &org)?, message);
        let answered = tokio::task::spawn_blocking(work).await;
        answered.map_err(|_| Status::internal("the server is ending"))?.map(Response::new)
    }

    /// A place among the queries that run at a time.
    fn turn(&self) -> Result<OwnedSemaphorePermit, Status> {
        let turn = Arc::clone(&self.queries).try_acquire_owned();
        turn.map_err(|_| Status::resource_exhausted("too many queries run already"))
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<VqlResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Calls for Api {
    type QueryStream = Answers;

    async fn query(&self, request: Request<VqlCollectorArgs>) -> Result<Response<Answers>, Status> {
        let caller = caller::of(&request, &self.services, &request.get_ref().org_id)?;
        let turn = self.turn()?;
        let answers = query::start(self.services.clone(), caller, request.into_inner(), turn);
        Ok(Response::new(answers.await?))
    }

    async fn vfs_get_buffer(
        &self,
        request: Request<VfsFileBuffer>,
    ) -> Result<Response<VfsFileBuffer>, Status> {
        let caller = caller::of(&request, &self.services, &request.get_ref().org_id)?;
        let (services, wanted) = (self.services.clone(), request.into_inner());
        let read = move || file::read(&services, caller, wanted);
        let part = tokio::task::spawn_blocking(read).await;
        part.map_err(|_| Status::internal("the server is ending"))?.map(Response::new)
    }

    async fn push_events(
        &self,
        request: Request<PushEventRequest>,
    ) -> Result<Response<Nothing>, Status> {
        let caller = caller::named(&request)?;
        let (services, sent) = (self.services.clone(), request.into_inner());
        let keep = move || event::keep(&services, caller, &sent);
        let kept = tokio::task::spawn_blocking(keep).await;
        kept.map_err(|_| Status::internal("the server is ending"))??;
        Ok(Response::new(Nothing {}))
    }

    async fn list_clients(
        &self,
        request: Request<SearchClientsRequest>,
    ) -> Result<Response<SearchClientsResponse>, Status> {
        self.in_org(request, client::list).await
    }

    async fn get_client(
        &self,
        request: Request<GetClientRequest>,
    ) -> Result<Response<ClientRecord>, Status> {
        self.in_org(request, |here, wanted| client::get(here, &wanted)).await
    }

    async fn label_clients(
        &self,
        request: Request<LabelClientsRequest>,
    ) -> Result<Response<ApiResponse>, Status> {
        self.in_org(request, |here, wanted| client::label(here, &wanted)).await
    }

    async fn get_client_metadata(
        &self,
        request: Request<GetClientRequest>,
    ) -> Result<Response<ClientMetadata>, Status> {
        self.in_org(request, |here, wanted| client::notes(here, &wanted)).await
    }

    async fn set_client_metadata(
        &self,
        request: Request<SetClientMetadataRequest>,
    ) -> Result<Response<Nothing>, Status> {
        self.in_org(request, client::note).await
    }

    async fn collect_artifact(
        &self,
        request: Request<ArtifactCollectorArgs>,
    ) -> Result<Response<ArtifactCollectorResponse>, Status> {
        self.in_org(request, flow::collect).await
    }

    async fn cancel_flow(
        &self,
        request: Request<ApiFlowRequest>,
    ) -> Result<Response<StartFlowResponse>, Status> {
        self.in_org(request, |here, wanted| flow::cancel(here, &wanted)).await
    }

    async fn get_flow_details(
        &self,
        request: Request<ApiFlowRequest>,
    ) -> Result<Response<FlowDetails>, Status> {
        self.in_org(request, |here, wanted| flow::details(here, &wanted)).await
    }

    async fn get_client_flows(
        &self,
        request: Request<GetTableRequest>,
    ) -> Result<Response<GetTableResponse>, Status> {
        self.in_org(request, |here, wanted| table::flows(here, &wanted)).await
    }

    async fn get_table(
        &self,
        request: Request<GetTableRequest>,
    ) -> Result<Response<GetTableResponse>, Status> {
        self.in_org(request, |here, wanted| table::read(here, &wanted)).await
    }

    async fn create_download_file(
        &self,
        request: Request<CreateDownloadRequest>,
    ) -> Result<Response<CreateDownloadResponse>, Status> {
        self.in_org(request, flow::download).await
    }

    async fn create_hunt(
        &self,
        request: Request<Hunt>,
    ) -> Result<Response<StartFlowResponse>, Status> {
        self.in_org(request, |here, wanted| hunt::create(here, &wanted)).await
    }

    async fn list_hunts(
        &self,
        request: Request<ListHuntsRequest>,
    ) -> Result<Response<ListHuntsResponse>, Status> {
        self.in_org(request, |here, wanted| hunt::list(here, &wanted)).await
    }

    async fn get_hunt_table(
        &self,
        request: Request<GetTableRequest>,
    ) -> Result<Response<GetTableResponse>, Status> {
        self.in_org(request, |here, wanted| hunt::table(here, &wanted)).await
    }

    async fn get_hunt(&self, request: Request<GetHuntRequest>) -> Result<Response<Hunt>, Status> {
        self.in_org(request, |here, wanted| hunt::get(here, &wanted)).await
    }

    async fn modify_hunt(
        &self,
        request: Request<HuntMutation>,
    ) -> Result<Response<Nothing>, Status> {
        self.in_org(request, |here, wanted| hunt::modify(here, &wanted)).await
    }

    async fn get_hunt_flows(
        &self,
        request: Request<GetTableRequest>,
    ) -> Result<Response<GetTableResponse>, Status> {
        self.in_org(request, |here, wanted| hunt::flows(here, &wanted)).await
    }

    async fn get_hunt_results(
        &self,
        request: Request<GetHuntResultsRequest>,
    ) -> Result<Response<GetTableResponse>, Status> {
        self.in_org(request, |here, wanted| hunt::results(here, &wanted)).await
    }

    async fn get_notebooks(
        &self,
        request: Request<NotebookCellRequest>,
    ) -> Result<Response<Notebooks>, Status> {
        self.in_org(request, |here, wanted| notebook::get(here, &wanted)).await
    }

    async fn new_notebook(
        &self,
        request: Request<NotebookMetadata>,
    ) -> Result<Response<NotebookMetadata>, Status> {
        self.in_org(request, notebook::create).await
    }

    async fn update_notebook(
        &self,
        request: Request<NotebookMetadata>,
    ) -> Result<Response<NotebookMetadata>, Status> {
        self.in_org(request, |here, wanted| notebook::update(here, &wanted)).await
    }

    async fn delete_notebook(
        &self,
        request: Request<NotebookMetadata>,
    ) -> Result<Response<Nothing>, Status> {
        self.in_org(request, |here, wanted| notebook::delete(here, &wanted)).await
    }

    async fn new_notebook_cell(
        &self,
        request: Request<NotebookCellRequest>,
    ) -> Result<Response<NotebookMetadata>, Status> {
        let turn = self.turn()?;
        self.in_org(request, move |here, wanted| notebook::add(here, &wanted, turn)).await
    }

    async fn get_notebook_cell(
        &self,
        request: Request<NotebookCellRequest>,
    ) -> Result<Response<NotebookCell>, Status> {
        self.in_org(request, |here, wanted| notebook::cell(here, &wanted)).await
    }

    async fn update_notebook_cell(
        &self,
        request: Request<NotebookCellRequest>,
    ) -> Result<Response<NotebookCell>, Status> {
        let turn = self.turn()?;
        self.in_org(request, move |here, wanted| notebook::edit(here, &wanted, turn)).await
    }

    async fn cancel_notebook_cell(
        &self,
        request: Request<NotebookCellRequest>,
    ) -> Result<Response<Nothing>, Status> {
        self.in_org(request, |here, wanted| notebook::cancel(here, &wanted)).await
    }

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        caller::anywhere(&request, &self.services)?;
        let works = self
            .services
            .orgs
            .root()
            .store
            .read_async(|db| Ok(db.execute_batch("SELECT 1")?))
            .await;
        let status = if works.is_ok() { Health::Serving } else { Health::NotServing };
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }
}
