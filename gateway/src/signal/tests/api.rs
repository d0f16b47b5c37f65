//! The fake API server of a [`World`](super::world::World): metadata of objects by path, nodes in full, lists in pages.

use std::{collections::BTreeMap, future::pending, time::Duration};

use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::context::Context;

/// How the API answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Mood {
    /// As it should, 10 ms later.
    #[default]
    Well,
    /// With this HTTP status.
    Fails(u16),
    /// Never.
    Hangs,
}

#[derive(Default)]
pub(super) struct Api {
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// By path.
    pub(super) objects: BTreeMap<String, Value>,
    /// The paths of GETs, and those of lists after `LIST `, in the order of requests.
    pub(super) requests: Vec<String>,
    pub(super) mood: Mood,
    /// For requests that contain the text, or end with it if it ends with `$`, in place of the mood.
    pub(super) moods: Vec<(String, Mood)>,
}

impl Api {
    pub(super) async fn answer(&self, time: &Context, request: http::Request<Body>) -> http::Response<Body> {
        let path = request.uri().path().to_owned();
        assert_eq!(request.method(), http::Method::GET);
        let is_list = path.ends_with("/replicasets") || path == "/api/v1/nodes";
        let accept = request.headers().get("accept").map_or("", |accept| accept.to_str().unwrap());
        let metadata_only =
            accept.contains(if is_list { "as=PartialObjectMetadataList" } else { "as=PartialObjectMetadata" });
        assert_eq!(metadata_only, path != "/api/v1/nodes", "metadata only, but of nodes: {accept}");
        let (mood, answer) = {
            let mut state = self.state.lock();
            let asked = if is_list { format!("LIST {path}") } else { path.clone() };
            let of_its_own = state.moods.iter().find(|(text, _)| match text.strip_suffix('$') {
                Some(end) => asked.ends_with(end),
                None => asked.contains(text),
            });
            let mood = of_its_own.map_or(state.mood, |(_, mood)| *mood);
            state.requests.push(asked);
            let answer =
                if is_list { Some(state.page(&path, request.uri())) } else { state.objects.get(&path).cloned() };
            (mood, answer)
        };
        time.sleep(Duration::from_millis(10)).await;
        let (code, body) = match (mood, answer) {
            (Mood::Hangs, _) => pending().await,
            (Mood::Well, Some(answer)) => (200, answer),
            (Mood::Well, None) => (404, status(404, "NotFound")),
            (Mood::Fails(code), _) => (code, status(code, "Failed")),
        };
        http::Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
    }
}

impl State {
    /// The objects below `path` after the one that the query's `continue` names, as many as its `limit` says.
    fn page(&self, path: &str, uri: &http::Uri) -> Value {
        let query: BTreeMap<_, _> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect();
        let limit: usize = query["limit"].parse().unwrap();
        let after = query.get("continue").map_or("", |token| &**token);
        let prefix = format!("{path}/");
        let items: Vec<_> =
            self.objects.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)).collect();
        let rest = items.iter().filter(|(path, _)| path.as_str() > after);
        let page: Vec<_> = rest.clone().take(limit).collect();
        let token = page.last().filter(|_| rest.count() > limit).map(|(path, _)| path.as_str()).unwrap_or_default();
        let items: Vec<_> = page.iter().map(|(_, object)| object).collect();
        json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": {"continue": token, "resourceVersion": "1"}, "items": items,
        })
    }
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code})
}
