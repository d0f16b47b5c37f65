//! The chart as helm renders it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// The namespace of the release in these tests; the release is called `gateway`.
pub(crate) const NAMESPACE: &str = "kubernaut-system";

/// Values with which the chart makes each object that it can make.
pub(crate) const EVERYTHING: &str = "
commonLabels: {team: a}
commonAnnotations: {note: b}
autoscaling: {enabled: true}
ingress: {enabled: true}
httpRoute: {enabled: true, parentRefs: [{name: edge}]}
certificate: {enabled: true, issuerRef: {name: internal}}
serviceMonitor: {enabled: true}
prometheusRule: {enabled: true}
dashboard: {enabled: true}";

pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chart")
}

/// What a YAML text says; nothing at all is null.
#[track_caller]
pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Helm 3, from `HELM` or the path.
pub(crate) struct Helm(PathBuf);

impl Helm {
    /// None, and a word about it, if there is none.
    pub(crate) fn find() -> Option<Self> {
        let helm = PathBuf::from(std::env::var_os("HELM").unwrap_or_else(|| "helm".into()));
        let version = Command::new(&helm).args(["version", "--short"]).output();
        if version.is_ok_and(|out| out.status.success()) {
            return Some(Self(helm));
        }
        crate::skip("helm not found (HELM=$(scripts/tools helm) builds it)");
        None
    }

    /// The objects of a release with `values` (YAML), or helm's complaint.
    pub(crate) fn try_render(&self, values: &str) -> Result<Release, String> {
        self.try_render_chart(&chart(), values)
    }

    pub(crate) fn try_render_chart(&self, chart: &Path, values: &str) -> Result<Release, String> {
        let mut child = Command::new(&self.0)
            .args(["template", "gateway"])
            .arg(chart)
            .args(["--namespace", NAMESPACE, "--values", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(values.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let objects = text.split("\n---\n").map(yaml).filter(|object| !object.is_null()).collect();
        Ok(Release(objects))
    }

    /// What helm tells whoever installs a release with `values` (YAML): helm itself wants a cluster for that, so a copy of
    /// the chart has it as an object.
    #[track_caller]
    pub(crate) fn notes(&self, values: &str) -> String {
        let copy = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-r").arg(chart().join(".")).arg(copy.path()).status().unwrap();
        assert!(copied.success());
        let object = r#"kind: Notes
metadata: {name: notes}
text: |
{{ include (print $.Template.BasePath "/NOTES.txt") . | indent 2 }}
"#;
        std::fs::write(copy.path().join("templates/notes.yaml"), object).unwrap();
        let release = self.try_render_chart(copy.path(), values).unwrap_or_else(|complaint| panic!("{complaint}"));
        release.named("Notes", "notes")["text"].as_str().unwrap().to_owned()
    }

    /// The objects of a release with `values` (YAML).
    #[track_caller]
    pub(crate) fn render(&self, values: &str) -> Release {
        self.try_render(values).unwrap_or_else(|complaint| panic!("{values}: {complaint}"))
    }

    /// Runs `helm lint --strict`.
    #[track_caller]
    pub(crate) fn lint(&self) {
        let output = Command::new(&self.0).args(["lint", "--strict"]).arg(chart()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The objects of a release.
pub(crate) struct Release(Vec<Value>);

impl Release {
    pub(crate) fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    pub(crate) fn objects(&self) -> &[Value] {
        &self.0
    }

    /// The one of `kind` called `name`.
    #[track_caller]
    pub(crate) fn named(&self, kind: &str, name: &str) -> &Value {
        let found: Vec<&Value> = self.all(kind).filter(|object| object["metadata"]["name"] == name).collect();
        let [object] = found[..] else { panic!("{} of {kind} {name}", found.len()) };
        object
    }

    /// The pod template of the Deployment.
    pub(crate) fn pod(&self) -> &Value {
        &self.named("Deployment", "gateway")["spec"]["template"]
    }

    /// The only container of the pod template.
    pub(crate) fn container(&self) -> &Value {
        assert_eq!(self.pod()["spec"]["containers"].as_array().unwrap().len(), 1);
        &self.pod()["spec"]["containers"][0]
    }

    /// What the gateway is given to read.
    pub(crate) fn config(&self) -> &str {
        self.named("ConfigMap", "gateway")["data"]["config.yaml"].as_str().unwrap()
    }
}
