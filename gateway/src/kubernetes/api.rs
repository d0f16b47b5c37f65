//! Requests of [`kube::Api`] that tell the API server which trace they belong to.
//!
//! kube's client hands each request to a task of its own before any layer sees it, so a layer cannot know for whom it is. This
//! builds the same requests with the same builder, and adds the header before.

use http::Request;
use http_body_util::BodyExt as _;
use kube::{
    Client, Error, Result,
    api::{DeleteParams, GetParams, ListParams, ObjectList, Patch, PatchParams, PostParams, Preconditions},
    client::Body,
    core::{PartialObjectMeta, Request as Builder, Status, request},
};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::trace::Scope;

/// As [`kube::Api`], for the requests that signals wait for.
pub struct Api<K> {
    client: Client,
    builder: Builder,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<K: kube::Resource> From<kube::Api<K>> for Api<K> {
    fn from(api: kube::Api<K>) -> Self {
        let builder = Builder::new(api.resource_url());
        Self { client: api.into_client(), builder, kind: std::marker::PhantomData }
    }
}

#[allow(missing_docs, reason = "as kube's own")]
#[allow(clippy::missing_errors_doc, reason = "as kube's own")]
impl<K: DeserializeOwned> Api<K> {
    pub async fn get(&self, name: &str) -> Result<K> {
        self.read("get", self.builder.get(name, &GetParams::default())).await
    }

    pub async fn get_opt(&self, name: &str) -> Result<Option<K>> {
        match self.get(name).await {
            Err(Error::Api(status)) if status.is_not_found() => Ok(None),
            found => found.map(Some),
        }
    }

    pub async fn get_metadata(&self, name: &str) -> Result<PartialObjectMeta<K>> {
        self.read("get_metadata", self.builder.get_metadata(name, &GetParams::default())).await
    }

    pub async fn list(&self, params: &ListParams) -> Result<ObjectList<K>>
    where
        K: Clone,
    {
        self.read("list", self.builder.list(params)).await
    }

    pub async fn list_metadata(&self, params: &ListParams) -> Result<ObjectList<PartialObjectMeta<K>>>
    where
        K: Clone,
    {
        self.read("list_metadata", self.builder.list_metadata(params)).await
    }

    /// `K` may read less of what was created than was sent.
    pub async fn create(&self, object: &impl Serialize) -> Result<K> {
        let bytes = serde_json::to_vec(object).map_err(Error::SerdeError)?;
        self.read("create", self.builder.create(&PostParams::default(), bytes)).await
    }

    pub async fn replace(&self, name: &str, object: &K) -> Result<K>
    where
        K: Serialize,
    {
        let bytes = serde_json::to_vec(object).map_err(Error::SerdeError)?;
        self.read("replace", self.builder.replace(name, &PostParams::default(), bytes)).await
    }

    pub async fn patch<P: Serialize + std::fmt::Debug>(&self, name: &str, patch: &Patch<P>) -> Result<K> {
        self.read("patch", self.builder.patch(name, &PatchParams::default(), patch)).await
    }

    /// Deletes exactly this version.
    pub async fn delete(&self, name: &str, version: &Preconditions) -> Result<()> {
        let params = DeleteParams::default().preconditions(version.clone());
        let _: IgnoredAny = self.read("delete", self.builder.delete(name, &params)).await?;
        Ok(())
    }

    async fn read<T: DeserializeOwned>(
        &self,
        verb: &'static str,
        request: std::result::Result<Request<Vec<u8>>, request::Error>,
    ) -> Result<T> {
        let mut request = request.map_err(Error::BuildRequest)?;
        request.extensions_mut().insert(verb);
        let scope = Scope::current();
        scope.inject(request.headers_mut());
        scope.note(|notes| match scope.api_server() {
            Some(server) => {
                let base = server.to_string();
                notes.text("url.full", format!("{}{}", base.trim_end_matches('/'), request.uri()));
                notes.text("server.address", server.host().unwrap_or_default().to_owned());
                let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
                notes.int("server.port", port);
            }
            None => notes.text("url.path", request.uri().path().to_owned()),
        });
        let response = self.client.send(request.map(Body::from)).await?;
        let code = response.status();
        scope.note(|notes| notes.int("http.response.status_code", code.as_u16()));
        let bytes = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8(bytes.into()).map_err(Error::FromUtf8)?;
        if !code.is_client_error() && !code.is_server_error() {
            return serde_json::from_str(&text).map_err(Error::SerdeError);
        }
        let status = serde_json::from_str::<Status>(&text).unwrap_or_else(|_| {
            // A proxy's, or that of a path which does not exist.
            Status::failure(text.trim(), "Failed to parse error data").with_code(code.as_u16())
        });
        Err(Error::Api(status.boxed()))
    }
}
