//! The chart beside a CRD and a release that are there already, on a real kube-apiserver of this test's own: others need theirs.

use std::{env, path::Path, process::Command};

use harness::{
    control_plane::{ControlPlane, available_for_tests},
    testing::skip,
};
use serde_json::Value;

use super::chart::text;

const CRD: &str = "customresourcedefinition/remediationrequests.kubernaut.ai";

struct Cluster {
    plane: ControlPlane,
    helm: std::ffi::OsString,
}

impl Cluster {
    async fn start() -> Option<Self> {
        // Says why, if there is none.
        if !available_for_tests() {
            return None;
        }
        let helm = env::var_os("HELM").unwrap_or_else(|| "helm".into());
        if !Command::new(&helm).arg("version").output().is_ok_and(|out| out.status.success()) {
            skip("helm not found (HELM=$(scripts/tools helm) builds it)");
            return None;
        }
        Some(Self { plane: ControlPlane::start().await.unwrap(), helm })
    }

    /// What helm writes, doing `action` with the chart in the namespace called as the release, its notes included.
    #[track_caller]
    fn helm(&self, action: &str, release: &str, options: &[&str]) -> String {
        text(&mut self.command(action, release, &[&["--namespace", release], options].concat()))
    }

    fn command(&self, action: &str, release: &str, options: &[&str]) -> Command {
        let mut command = Command::new(&self.helm);
        command.args([action, release]).args(options).env("KUBECONFIG", self.plane.kubeconfig("admin").unwrap());
        if action != "uninstall" {
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/deploy/chart"));
        }
        command
    }

    #[track_caller]
    fn kubectl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(self.plane.kubectl());
        text(command.args(arguments).arg("--kubeconfig").arg(self.plane.kubeconfig("admin").unwrap()))
    }

    fn apply_predecessors(&self) {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fleet/predecessor.yaml");
        self.kubectl(&["apply", "--filename", file]);
    }

    fn crd(&self) -> Value {
        serde_json::from_str(&self.kubectl(&["get", CRD, "--output", "json"])).unwrap()
    }
}

fn columns(crd: &Value) -> usize {
    crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_crd_that_is_there_is_left_alone_until_the_release_is_told_to_adopt_it() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply_predecessors();
    let predecessors = cluster.crd();
    let notes = cluster.helm("install", "one", &["--create-namespace", "--set", "rbac.roleName=one"]);
    assert!(notes.contains("was there already: it is left as it is"), "{notes}");
    assert!(!notes.contains("CANNOT USE IT"), "{notes}");
    let notes = cluster.helm("upgrade", "one", &["--set", "rbac.roleName=one"]);
    assert!(notes.contains("was there already"), "{notes}");
    assert_eq!(cluster.crd()["spec"], predecessors["spec"]);

    // Hooks wait for pods, and nothing runs any here.
    cluster.helm("uninstall", "one", &["--no-hooks"]);
    assert_eq!(cluster.crd()["metadata"]["uid"], predecessors["metadata"]["uid"]);

    cluster.helm("install", "one", &["--set", "rbac.roleName=one"]);
    let adopt = ["--set", "rbac.roleName=one,crd.adopt=true", "--take-ownership"];
    let notes = cluster.helm("upgrade", "one", &adopt);
    assert!(!notes.contains("was there already"), "{notes}");
    let adopted = cluster.crd();
    assert_eq!(adopted["metadata"]["uid"], predecessors["metadata"]["uid"], "with all RemediationRequests");
    assert_eq!(adopted["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    assert_ne!(columns(&adopted), columns(&predecessors));

    // From now on it is upgraded with the release, without being told to.
    let shorten = r#"[{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]"#;
    cluster.kubectl(&["patch", CRD, "--type", "json", "--patch", shorten]);
    let notes = cluster.helm("upgrade", "one", &["--set", "rbac.roleName=one"]);
    assert!(!notes.contains("was there already"), "{notes}");
    assert_eq!(cluster.crd()["metadata"]["labels"]["app.kubernetes.io/instance"], "one");

    // A second release leaves the first one's alone, and the first one's next release finds its own.
    let notes = cluster.helm("install", "two", &["--create-namespace", "--set", "rbac.roleName=two"]);
    assert!(notes.contains("was there already, of release one: it is left as it is"), "{notes}");
    cluster.helm("uninstall", "one", &["--no-hooks"]);
    let notes = cluster.helm("install", "one", &["--set", "rbac.roleName=one"]);
    assert!(!notes.contains("was there already"), "{notes}");
    assert_eq!(cluster.crd()["metadata"]["uid"], predecessors["metadata"]["uid"]);
}

#[tokio::test]
async fn a_crd_that_gateways_cannot_read_by_is_told_of() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.apply_predecessors();
    let without = r#"[{"op": "remove", "path": "/spec/versions/0/selectableFields"}]"#;
    cluster.kubectl(&["patch", CRD, "--type", "json", "--patch", without]);
    let notes = cluster.helm("install", "one", &["--create-namespace"]);
    assert!(notes.contains("CANNOT USE IT: .spec.signalFingerprint"), "{notes}");
}

#[tokio::test]
async fn a_second_release_in_a_namespace_is_refused_and_the_first_one_can_be_upgraded() {
    let Some(cluster) = Cluster::start().await else { return };
    let one = ["--create-namespace", "--set", "rbac.roleName=one"];
    cluster.helm("install", "one", &one);
    let second = |options| {
        let output = cluster.command("install", "two", &["--namespace", "one", "--set", options]).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (installed, complaint) = second("rbac.roleName=two");
    assert!(
        !installed && complaint.contains("the namespace one has the release one of this chart already"),
        "{complaint}"
    );
    cluster.helm("upgrade", "one", &one[1..]);
    cluster.kubectl(&["create", "namespace", "elsewhere"]);
    let (installed, complaint) = second("rbac.roleName=two,namespaceOverride=elsewhere");
    assert!(installed, "{complaint}");
}
