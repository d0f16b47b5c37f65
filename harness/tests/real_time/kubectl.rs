//! Real kubectl binaries against the embedded API on a socket.
//!
//! `KUBECTL` names one or more of them, separated as in PATH; without it, the one in PATH is used. With none at all the
//! test says so and passes.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use embedded_apiserver::{EmbeddedApi, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};

/// How long a watch may take to show what has happened.
const WATCH_TIMEOUT: Duration = Duration::from_secs(60);

const CONFIG_MAP: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "team"}, "data": {"a": "1", "b": "2"}}"#;

const DEPLOYMENT: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "team"},
    "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [
            {"name": "app", "image": "app:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "proxy", "image": "proxy:1"}]}}}}"#;

const REQUEST: &str = r#"{"apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest",
    "metadata": {"name": "rr-one", "namespace": "team", "labels": {"tier": "a"}},
    "spec": {"signalName": "HighMemory", "severity": "critical"}}"#;

fn remediation_requests() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "remediationrequests.kubernaut.ai"},
        "spec": {"group": "kubernaut.ai", "scope": "Namespaced",
            "names": {"plural": "remediationrequests", "singular": "remediationrequest",
                "kind": "RemediationRequest", "listKind": "RemediationRequestList", "shortNames": ["rr"]},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    {"name": "Phase", "type": "string", "jsonPath": ".status.overallPhase"},
                    {"name": "Alert", "type": "string", "jsonPath": ".spec.signalName"},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    {"name": "Severity", "type": "string", "priority": 1, "jsonPath": ".spec.severity"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["signalName"], "properties": {
                            "signalName": {"type": "string", "maxLength": 253},
                            "severity": {"type": "string", "minLength": 1}},
                        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "spec is immutable"}]},
                    "status": {"type": "object", "properties": {"overallPhase": {"type": "string"}}}}}}}]}})
}

fn lease() -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "gw-lock-abc", "namespace": "team"}, "spec": {"holderIdentity": "gateway-0"}})
}

/// The embedded API on a thread and a runtime of its own, until dropped.
struct Served {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Served {
    fn start() -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (port, bound) = mpsc::channel();
        let serve = async move {
            let epoch = "2026-01-01T00:00:00Z".parse().expect("a time");
            let api = EmbeddedApi::new(Options { crds: vec![remediation_requests()], epoch, ..Options::default() });
            api.seed(lease());
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            port.send(listener.local_addr().expect("bound").port()).expect("the test waits");
            api.serve(listener, async { drop(stopped.await) }).await;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let thread = thread::spawn(move || runtime.block_on(serve));
        Self { port: bound.recv().expect("bound"), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(thread::JoinHandle::join);
    }
}

/// One kubectl with a home of its own, so that neither configuration nor discovery cache are anybody else's.
struct Kubectl {
    binary: PathBuf,
    home: TempDir,
}

impl Kubectl {
    fn new(binary: &Path, port: u16) -> Self {
        let home = tempfile::tempdir().expect("a writable temporary directory");
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "", "namespace": "team"}}]});
        fs::write(home.path().join("config"), config.to_string()).expect("a writable temporary directory");
        Self { binary: binary.to_owned(), home }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env("HOME", self.home.path()).env("KUBECONFIG", self.home.path().join("config"));
        command.stdin(Stdio::null());
        command
    }

    /// Standard output and error, and whether it succeeded.
    fn run(&self, arguments: &[&str]) -> (String, bool) {
        let output = self.command(arguments).output().expect("kubectl runs");
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&text).into_owned(), output.status.success())
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str], expected: &[&str]) -> String {
        let (text, succeeded) = self.run(arguments);
        assert!(succeeded, "kubectl {arguments:?} failed: {text}");
        // Columns are as wide as their widest cell.
        let squeezed: String = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        for part in expected {
            assert!(squeezed.contains(part), "kubectl {arguments:?} does not say {part:?}: {text}");
        }
        text
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], expected: &str) {
        let (text, succeeded) = self.run(arguments);
        assert!(!succeeded && text.contains(expected), "kubectl {arguments:?} should fail with {expected:?}: {text}");
    }

    /// `kubectl apply` of a manifest with some text replaced.
    #[track_caller]
    fn applies(&self, manifest: &str, change: (&str, &str), options: &[&str], expected: &str) {
        let file = self.manifest(manifest, change);
        self.succeeds(&[&["apply", "-f", &file], options].concat(), &[expected]);
    }

    fn manifest(&self, manifest: &str, (from, to): (&str, &str)) -> String {
        assert!(manifest.contains(from), "{from} is in the manifest");
        let file = self.home.path().join("manifest.json");
        fs::write(&file, manifest.replace(from, to)).expect("a writable temporary directory");
        file.to_string_lossy().into_owned()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.succeeds(&[arguments, &["-o", "json"]].concat(), &[]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn minor_version(&self) -> u32 {
        let (text, _) = self.run(&["version", "--client", "-o", "json"]);
        let version: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        // Only gitVersion is always there: the other fields depend on how it was built.
        let minor = version["clientVersion"]["gitVersion"].as_str().and_then(|text| text.split('.').nth(1));
        minor.and_then(|minor| minor.parse().ok()).unwrap_or_else(|| panic!("not a version: {text}"))
    }
}

fn binaries() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("KUBECTL") {
        return env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).collect();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join("kubectl")).find(|file| file.is_file()).into_iter().collect()
}

/// Past the capture of a passing test's output: whether anything was tested should be seen.
fn say(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

fn with_each_kubectl(test: impl Fn(&Kubectl)) {
    let binaries = binaries();
    if binaries.is_empty() {
        harness::testing::skip("no kubectl found (apt install kubernetes-client)");
    }
    for binary in binaries {
        let served = Served::start();
        let kubectl = Kubectl::new(&binary, served.port);
        say(&format!("with {} 1.{}", binary.display(), kubectl.minor_version()));
        test(&kubectl);
    }
}

const UNCHANGED: (&str, &str) = ("", "");
const NO_VALIDATION: &[&str] = &["--validate=false"];

#[test]
fn kubectl_finds_out_what_there_is() {
    with_each_kubectl(|kubectl| {
        kubectl.succeeds(&["version"], &["v1.36.3"]);
        kubectl.succeeds(
            &["api-resources"],
            &[
                "remediationrequests rr kubernaut.ai/v1alpha1 true RemediationRequest",
                "leases coordination.k8s.io/v1 true Lease",
            ],
        );
        kubectl.succeeds(&["api-versions"], &["kubernaut.ai/v1alpha1", "apps/v1"]);
    });
}

#[test]
fn kubectl_gets_and_describes() {
    with_each_kubectl(|kubectl| {
        kubectl.applies(REQUEST, UNCHANGED, NO_VALIDATION, "remediationrequest.kubernaut.ai/rr-one created");
        kubectl.applies(DEPLOYMENT, UNCHANGED, NO_VALIDATION, "deployment.apps/web created");
        kubectl.succeeds(
            &["get", "rr,leases", "-A", "-o", "wide"],
            &[
                "NAMESPACE NAME PHASE ALERT AGE SEVERITY\nteam remediationrequest.kubernaut.ai/rr-one HighMemory",
                "s critical",
                "NAMESPACE NAME HOLDER AGE\nteam lease.coordination.k8s.io/gw-lock-abc gateway-0",
            ],
        );
        kubectl.succeeds(&["get", "deploy"], &["NAME READY UP-TO-DATE AVAILABLE AGE\nweb 0/2 0 0"]);
        kubectl.succeeds(&["get", "pods"], &["No resources found in team namespace"]);
        kubectl.succeeds(&["get", "rr", "rr-one", "-o", "yaml"], &["signalName: HighMemory"]);
        kubectl.succeeds(&["get", "rr", "-l", "tier=a", "-o", "name"], &["remediationrequest.kubernaut.ai/rr-one"]);
        kubectl.succeeds(&["describe", "rr", "rr-one"], &["Name: rr-one", "Signal Name: HighMemory"]);
        kubectl.succeeds(&["describe", "leases"], &["Holder Identity: gateway-0"]);
        kubectl.succeeds(&["describe", "deployment", "web"], &["Name: web", "Image: app:1"]);
        kubectl.fails(&["get", "rr", "missing"], r#"remediationrequests.kubernaut.ai "missing" not found"#);
    });
}

#[test]
fn kubectl_applies_creates_changes_and_sees_that_nothing_changed() {
    with_each_kubectl(|kubectl| {
        let applies = |manifest, change, expected| kubectl.applies(manifest, change, NO_VALIDATION, expected);
        applies(CONFIG_MAP, UNCHANGED, "configmap/settings created");
        applies(CONFIG_MAP, UNCHANGED, "configmap/settings unchanged");
        applies(CONFIG_MAP, (r#", "b": "2""#, ""), "configmap/settings configured");
        assert_eq!(kubectl.json(&["get", "cm", "settings"])["data"], json!({"a": "1"}));

        applies(REQUEST, UNCHANGED, "rr-one created");
        applies(REQUEST, UNCHANGED, "rr-one unchanged");
        applies(REQUEST, (r#""tier": "a""#, r#""tier": "b""#), "rr-one configured");
        let changed = kubectl.manifest(REQUEST, ("critical", "warning"));
        kubectl.fails(&["apply", "--validate=false", "-f", &changed], "spec is immutable");

        applies(DEPLOYMENT, UNCHANGED, "deployment.apps/web created");
        applies(DEPLOYMENT, UNCHANGED, "deployment.apps/web unchanged");
        kubectl.succeeds(&["set", "image", "deployment/web", "proxy=proxy:2"], &["image updated"]);
        applies(DEPLOYMENT, (r#"{"name": "A", "value": "1"}, "#, ""), "deployment.apps/web configured");
        let containers = &kubectl.json(&["get", "deploy", "web"])["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers[0]["env"], json!([{"name": "B", "value": "2"}]));
        assert_eq!(containers[1]["image"], "proxy:1");
        // Older ones validate with an OpenAPI v2 document in protobuf, which is not offered.
        if kubectl.minor_version() >= 30 {
            kubectl.applies(DEPLOYMENT, ("\"replicas\": 2", "\"replicas\": 3"), &[], "deployment.apps/web configured");
            kubectl.applies(REQUEST, ("\"tier\": \"a\"", "\"tier\": \"c\""), &[], "rr-one configured");
        }
    });
}

#[test]
fn kubectl_applies_on_the_server_side() {
    with_each_kubectl(|kubectl| {
        let mine = ["--server-side", "--validate=false", "--field-manager=mine"];
        kubectl.applies(REQUEST, UNCHANGED, &mine, "rr-one serverside-applied");
        kubectl.applies(REQUEST, UNCHANGED, &mine, "rr-one serverside-applied");
        let other = kubectl.manifest(REQUEST, (r#""tier": "a""#, r#""tier": "b""#));
        let apply = ["apply", "-f", &other, "--server-side", "--validate=false", "--field-manager=other"];
        kubectl.fails(&apply, ".metadata.labels.tier");
        kubectl.succeeds(&[&apply[..], &["--force-conflicts"]].concat(), &["rr-one serverside-applied"]);
        assert_eq!(kubectl.json(&["get", "rr", "rr-one"])["metadata"]["labels"]["tier"], "b");
    });
}

#[test]
fn kubectl_labels_patches_and_deletes() {
    with_each_kubectl(|kubectl| {
        kubectl.applies(REQUEST, UNCHANGED, NO_VALIDATION, "rr-one created");
        kubectl.succeeds(&["label", "rr", "rr-one", "seen=yes"], &["rr-one labeled"]);
        kubectl.succeeds(&["annotate", "lease", "gw-lock-abc", "a=b"], &["gw-lock-abc annotate"]);
        let patch = r#"[{"op": "remove", "path": "/metadata/labels/seen"}]"#;
        kubectl.succeeds(&["patch", "rr", "rr-one", "--type=json", "-p", patch], &["rr-one patched"]);
        kubectl.succeeds(&["delete", "rr", "rr-one"], &[r#"remediationrequest.kubernaut.ai "rr-one" deleted"#]);
        kubectl.fails(&["get", "rr", "rr-one"], "not found");
        kubectl.succeeds(&["delete", "leases", "--all"], &[r#""gw-lock-abc" deleted"#]);
    });
}

#[test]
fn kubectl_watches() {
    with_each_kubectl(|kubectl| {
        kubectl.applies(REQUEST, UNCHANGED, NO_VALIDATION, "rr-one created");
        let mut watch = kubectl.command(&["get", "rr", "-w"]).stdout(Stdio::piped()).spawn().expect("kubectl runs");
        let lines = BufReader::new(watch.stdout.take().expect("piped")).lines();
        let (sender, receiver) = mpsc::channel();
        let reader = thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let next = |what: &str| receiver.recv_timeout(WATCH_TIMEOUT).unwrap_or_else(|_| panic!("{what} does not come"));
        assert!(next("the heading").starts_with("NAME"));
        assert!(next("what is there").starts_with("rr-one"));
        kubectl.applies(REQUEST, ("rr-one", "rr-two"), NO_VALIDATION, "rr-two created");
        assert!(next("what is new").starts_with("rr-two"));
        watch.kill().expect("still running");
        watch.wait().expect("ends");
        drop(reader.join());
    });
}
