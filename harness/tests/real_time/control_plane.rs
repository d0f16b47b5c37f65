//! The real control plane that other tests stand on: who may do what, what survives, what is left.

use std::{fs, path::Path, time::Duration};

use harness::control_plane::{ControlPlane, available_for_tests, for_tests};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

async fn namespace(admin: &Client) -> String {
    let namespace: Namespace = object(json!({"metadata": {"generateName": "test-"}}));
    Api::all(admin.clone()).create(&PostParams::default(), &namespace).await.unwrap().name_any()
}

fn code<T: std::fmt::Debug>(result: kube::Result<T>) -> u16 {
    match result {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_user_may_do_what_a_role_says_and_nothing_else() {
    let Some(plane) = for_tests().await else { return };
    let (admin, user) = (plane.admin().await.unwrap(), plane.client("nobody").await.unwrap());
    let namespace = namespace(&admin).await;
    let leases: Api<Lease> = Api::namespaced(user.clone(), &namespace);
    assert_eq!(code(leases.list(&ListParams::default()).await), 403);

    let rules = json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list"]}]);
    let role: Role = object(json!({"metadata": {"name": "lists-leases"}, "rules": rules}));
    Api::namespaced(admin.clone(), &namespace).create(&PostParams::default(), &role).await.unwrap();
    let binding: RoleBinding = object(json!({
        "metadata": {"name": "lists-leases"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "lists-leases"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
    }));
    Api::namespaced(admin.clone(), &namespace).create(&PostParams::default(), &binding).await.unwrap();
    // The authorizer learns of it by a watch.
    let mut listed = leases.list(&ListParams::default()).await;
    for _ in 0..1_200 {
        if listed.is_ok() {
            break;
        }
        #[allow(clippy::disallowed_methods, reason = "a real server")]
        tokio::time::sleep(Duration::from_millis(50)).await;
        listed = leases.list(&ListParams::default()).await;
    }
    assert!(listed.unwrap().items.is_empty());
    let lease: Lease = object(json!({"metadata": {"name": "gw-lock-a"}}));
    assert_eq!(code(leases.create(&PostParams::default(), &lease).await), 403);
    assert_eq!(code(Api::<Namespace>::all(user).list(&ListParams::default()).await), 403);
    assert!(plane.client("stranger").await.is_err());
}

#[tokio::test]
async fn a_server_that_another_authority_vouches_for_is_not_trusted() {
    let Some(plane) = for_tests().await else { return };
    let mut file = Kubeconfig::read_from(plane.kubeconfig("admin").unwrap()).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    let path = plane.directory().join("stranger.crt");
    fs::write(&path, stranger).unwrap();
    let cluster = file.clusters[0].cluster.as_mut().unwrap();
    cluster.certificate_authority = Some(path.to_string_lossy().into_owned());
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    let error = Client::try_from(config).unwrap().apiserver_version().await.unwrap_err();
    assert!(format!("{error:?}").to_lowercase().contains("certificate"), "{error:?}");
}

#[tokio::test]
async fn what_was_written_survives_the_end_of_both_programs() {
    if !available_for_tests() {
        return;
    }
    // One of its own: others must not feel it.
    let plane = ControlPlane::start().await.unwrap();
    let admin = plane.admin().await.unwrap();
    let namespace = namespace(&admin).await;
    let maps: Api<ConfigMap> = Api::namespaced(admin, &namespace);
    maps.create(&PostParams::default(), &object(json!({"metadata": {"name": "kept"}}))).await.unwrap();

    plane.apiserver().kill();
    plane.etcd().restart().unwrap();
    assert!(maps.get("kept").await.is_err(), "nobody serves it");
    plane.apiserver().restart().unwrap();
    plane.ready().await.unwrap();
    assert_eq!(maps.get("kept").await.unwrap().name_any(), "kept");

    let (directory, pids) = (plane.directory().to_owned(), [plane.apiserver().pid(), plane.etcd().pid()]);
    drop(plane);
    assert!(!directory.exists());
    for pid in pids.map(Option::unwrap) {
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}

#[tokio::test]
async fn two_at_once_know_nothing_of_each_other() {
    let Some(shared) = for_tests().await else { return };
    let other = ControlPlane::start().await.unwrap();
    let made = namespace(&other.admin().await.unwrap()).await;
    let namespaces: Api<Namespace> = Api::all(shared.admin().await.unwrap());
    assert!(namespaces.get_opt(&made).await.unwrap().is_none());
}
