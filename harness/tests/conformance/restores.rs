//! An etcd that is restored from a backup, with its API servers or under them.

use embedded_apiserver::{Restore, Snapshot};
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
    Embedded(Option<Snapshot>),
    Real(&'a ControlPlane),
}

impl Restorable<'_> {
    fn back_up(&mut self, server: &Server) {
        match (self, server) {
            (Self::Embedded(snapshot), Server::Embedded(api)) => *snapshot = Some(api.snapshot()),
            (Self::Real(plane), _) => plane.back_up().unwrap(),
            _ => unreachable!(),
        }
    }

    /// With `live`, under API servers that go on; else they are started again afterwards.
    async fn restore(&self, server: &Server, live: bool) {
        match (self, server) {
            (Self::Embedded(Some(snapshot)), Server::Embedded(api)) => {
                api.restore(snapshot, if live { Restore::UnderLiveApi } else { Restore::Everything });
            }
            (Self::Real(plane), _) => {
                if !live {
                    plane.apiserver().kill();
                }
                plane.restore().unwrap();
                if !live {
                    plane.apiserver().restart().unwrap();
                }
                plane.ready().await.unwrap();
            }
            _ => unreachable!(),
        }
    }

    async fn restart(&self, server: &Server) {
        match (self, server) {
            (Self::Embedded(_), Server::Embedded(api)) => api.restart_api(),
            (Self::Real(plane), _) => {
                plane.apiserver().kill();
                plane.apiserver().restart().unwrap();
                plane.ready().await.unwrap();
            }
            _ => unreachable!(),
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
        self.ask(Call::send("POST", INCIDENTS, &incident(name))).await
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

fn incident(name: &str) -> Value {
    json!({"apiVersion": "example.org/v1", "kind": "Incident", "metadata": {"name": name}, "spec": {"key": "a"}})
}

/// One object is deleted, one changed and one created after a backup, to which etcd then goes back.
async fn go_back(mut state: Restorable<'_>, server: &Server, live: bool) -> Vec<(String, Value)> {
    servers::make_namespace(server, NAMESPACE).await;
    let mut talk = Talk { server, answers: Vec::new() };
    talk.create("kept").await;
    let old = talk.create("changed").await;
    state.back_up(server);
    talk.ask(Call::send("DELETE", format!("{INCIDENTS}/kept"), &json!({}))).await;
    let mut new = old.clone();
    new["spec"]["other"] = "new".into();
    let new = talk.replace(&new).await;
    talk.create("undone").await;
    talk.look().await;
    state.restore(server, live).await;
    talk.look().await;
    // In a version that is gone, and in the one that is back.
    talk.replace(&new).await;
    talk.replace(&old).await;
    talk.create("undone").await;
    talk.create("kept").await;
    for path in ["/kept", "/changed", "/undone"] {
        talk.get(path).await;
    }
    state.restart(server).await;
    talk.look().await;
    talk.get("?watch=1&timeoutSeconds=1&resourceVersion=1").await;
    talk.get("?resourceVersion=1000000000").await;
    talk.answers
}

/// Versions are given out again: which one comes when depends on what else a server writes.
fn versionless(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match key.as_str() {
                "resourceVersion" => (key.clone(), "<some>".into()),
                _ => (key.clone(), versionless(value)),
            })
            .collect(),
        Value::Array(items) => items.iter().map(versionless).collect(),
        other => other.clone(),
    }
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
    let (embedded, real) = (servers::embedded(), servers::server(&plane).await);
    let ours = go_back(Restorable::Embedded(None), &embedded, live).await;
    let theirs = go_back(Restorable::Real(&plane), &real, live).await;
    let (mut our_normal, mut their_normal) = (Normaliser::default(), Normaliser::default());
    let mut report = String::new();
    for (number, ((call, ours), (_, theirs))) in ours.iter().zip(&theirs).enumerate() {
        let found = differences(&our_normal.value(&versionless(ours)), &their_normal.value(&versionless(theirs)));
        if !found.is_empty() {
            report += &format!("  {}. {call}\n    {}\n", number + 1, found.join("\n    "));
        }
    }
    println!("{} requests to each server", ours.len());
    assert!(report.is_empty(), "{report}");
}
