//! An etcd that is restored from a backup, with its API servers or under them.

use embedded_apiserver::{EmbeddedApi, Restore, Snapshot};
use harness::control_plane::{ControlPlane, available_for_tests};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    compare::differences,
    exchange::{Call, Server},
    normal::Normaliser,
    servers,
};

const NAMESPACE: &str = "restored";
const INCIDENTS: &str = "/apis/example.org/v1/namespaces/restored/incidents";

/// A server that can be restored, and restarted.
enum Restorable<'a> {
    /// With its newest backup.
    Embedded(EmbeddedApi, Snapshot),
    Real(&'a ControlPlane),
}

impl Restorable<'_> {
    fn back_up(&mut self) {
        match self {
            Self::Embedded(api, backup) => *backup = api.snapshot(),
            Self::Real(plane) => plane.back_up().unwrap(),
        }
    }

    /// With `live`, under API servers that go on; else they are started again afterwards.
    async fn restore(&self, live: bool) {
        match self {
            Self::Embedded(api, backup) if live => api.restore(backup, Restore::UnderLiveApi),
            Self::Embedded(api, backup) => api.restore(backup, Restore::Everything),
            Self::Real(plane) if live => {
                plane.restore().unwrap();
                plane.ready().await.unwrap();
            }
            Self::Real(plane) => {
                plane.apiserver().kill();
                plane.restore().unwrap();
                self.restart().await;
            }
        }
    }

    async fn restart(&self) {
        match self {
            Self::Embedded(api, _) => api.restart_api(),
            Self::Real(plane) => {
                plane.apiserver().restart().unwrap();
                plane.ready().await.unwrap();
            }
        }
    }
}

/// What a server is asked, and what it answered.
struct Talk<'a> {
    server: &'a Server,
    answers: Vec<(String, Value)>,
}

impl Talk<'_> {
    async fn ask(&mut self, call: Call) -> Value {
        let answer = self.server.answer(&call).await;
        self.answers.push((format!("{} {}", call.method, call.path), answer.clone()));
        answer["body"].clone()
    }

    async fn get(&mut self, path: &str) -> Value {
        self.ask(Call::get(format!("{INCIDENTS}{path}"))).await
    }

    async fn create(&mut self, name: &str) -> Value {
        self.ask(Call::send("POST", INCIDENTS, &servers::incident(name))).await
    }

    async fn replace(&mut self, object: &Value) -> Value {
        let path = format!("{INCIDENTS}/{}", object["metadata"]["name"].as_str().unwrap());
        self.ask(Call::send("PUT", path, object)).await
    }

    /// What GETs and lists say of all objects.
    async fn look(&mut self) {
        for path in ["/kept", "/changed", "/undone", "", "?resourceVersion=0"] {
            self.get(path).await;
        }
    }
}

/// One object is deleted, one changed and one created after a backup, to which etcd then goes back.
async fn go_back(mut state: Restorable<'_>, server: &Server, live: bool) -> Vec<(String, Value)> {
    servers::make_namespace(server, NAMESPACE).await;
    let mut talk = Talk { server, answers: Vec::new() };
    talk.create("kept").await;
    let old = talk.create("changed").await;
    state.back_up();
    talk.ask(Call::send("DELETE", format!("{INCIDENTS}/kept"), &json!({}))).await;
    let mut new = old.clone();
    new["spec"]["other"] = "new".into();
    let new = talk.replace(&new).await;
    talk.create("undone").await;
    talk.look().await;
    state.restore(live).await;
    talk.look().await;
    // In a version that is gone, and in the one that is back.
    talk.replace(&new).await;
    talk.replace(&old).await;
    talk.create("undone").await;
    talk.create("kept").await;
    for path in ["/kept", "/changed", "/undone"] {
        talk.get(path).await;
    }
    state.restart().await;
    talk.look().await;
    talk.get("?watch=1&timeoutSeconds=1&resourceVersion=1").await;
    talk.get("?resourceVersion=1000000000").await;
    talk.answers
}

#[rstest]
#[case::with_its_api_servers(false)]
#[case::under_live_api_servers(true)]
#[tokio::test]
async fn an_etcd_that_is_restored_from_a_backup_is_served_as_by_a_real_server(#[case] live: bool) {
    if !available_for_tests() {
        return;
    }
    let plane = ControlPlane::start().await.unwrap();
    let (api, real) = (servers::embedded_with(None), servers::server(&plane).await);
    let ours = go_back(Restorable::Embedded(api.clone(), api.snapshot()), &Server::Embedded(api), live).await;
    let theirs = go_back(Restorable::Real(&plane), &real, live).await;
    // Versions are given out again: which one comes when depends on what else a server writes.
    let (mut our_normal, mut their_normal) = (Normaliser::without_versions(), Normaliser::without_versions());
    let mut report = String::new();
    for (number, ((call, ours), (_, theirs))) in ours.iter().zip(&theirs).enumerate() {
        let found = differences(&our_normal.value(ours), &their_normal.value(theirs));
        if !found.is_empty() {
            report += &format!("  {}. {call}\n    {}\n", number + 1, found.join("\n    "));
        }
    }
    println!("{} requests to each server", ours.len());
    assert!(report.is_empty(), "{report}");
}
