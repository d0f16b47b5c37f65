//! Random Roles and Bindings, and what both servers say may be done.

use std::{cell::Cell, time::Duration};

use futures::future::join_all;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{select, subsequence},
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::{Value, json};

use super::{
    exchange::{Call, Server},
    servers,
};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const GROUP: &str = "rbac.authorization.k8s.io";

/// A subject, by its number: a user, a group, a service account.
const SUBJECTS: usize = 3;
const NAMES: [&str; 2] = ["a", "b"];

/// A rule for resources, or for paths.
#[derive(Clone, Debug)]
enum Rule {
    On { groups: Vec<&'static str>, resources: Vec<&'static str>, names: Vec<&'static str>, verbs: Vec<&'static str> },
    Paths { paths: Vec<&'static str>, verbs: Vec<&'static str> },
}

/// A ClusterRole if `home` is none.
#[derive(Clone, Debug)]
struct Role {
    home: Option<usize>,
    rules: Vec<Rule>,
}

/// Of one of the roles (or of none, if there are fewer) to some of the subjects.
#[derive(Clone, Debug)]
struct Binding {
    home: Option<usize>,
    role: usize,
    subjects: Vec<usize>,
    /// The service account says its namespace.
    says_namespace: bool,
}

/// A question about a subject.
#[derive(Clone, Debug)]
enum Question {
    On {
        group: &'static str,
        resource: &'static str,
        subresource: &'static str,
        name: &'static str,
        verb: &'static str,
        home: Option<usize>,
    },
    Path {
        path: &'static str,
        verb: &'static str,
    },
}

#[derive(Clone, Debug)]
struct Scenario {
    roles: Vec<Role>,
    bindings: Vec<Binding>,
    questions: Vec<(usize, Question)>,
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(of, 1..=of.len().min(3))
}

fn rule() -> impl Strategy<Value = Rule> {
    const VERBS: &[&str] = &["*", "get", "list", "create", "patch"];
    let on = (
        some(&["", "*", "coordination.k8s.io", "kubernaut.ai"]),
        some(&["*", "leases", "remediationrequests", "remediationrequests/status", "*/status", "pods/*"]),
        prop_oneof![3 => Just(Vec::new()), 1 => some(&["one", "two"])],
        some(VERBS),
    );
    let on = on.prop_map(|(groups, resources, names, verbs)| Rule::On { groups, resources, names, verbs });
    let paths = (some(&["*", "/healthz", "/api/v1/signals/*", "/api/*"]), some(&["*", "get", "post"]));
    prop_oneof![3 => on, 1 => paths.prop_map(|(paths, verbs)| Rule::Paths { paths, verbs })]
}

/// The cluster, or one of the namespaces: the first one often.
fn home() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![3 => Just(None), 3 => Just(Some(0)), 1 => Just(Some(1))]
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let role = (home(), vec(rule(), 0..4)).prop_map(|(home, rules)| {
        let is_path = |rule: &Rule| matches!(rule, Rule::Paths { .. });
        // Roles in a namespace may not name paths.
        Role { home, rules: rules.into_iter().filter(|rule| home.is_none() || !is_path(rule)).collect() }
    });
    let binding = (home(), 0..4_usize, subsequence(vec![0, 1, 2], 1..=SUBJECTS), any::<bool>());
    let binding =
        binding.prop_map(|(home, role, subjects, says_namespace)| Binding { home, role, subjects, says_namespace });
    let on = (
        select(vec![
            ("coordination.k8s.io", "leases"),
            ("kubernaut.ai", "remediationrequests"),
            ("", "pods"),
            ("", "leases"),
            ("kubernaut.ai", "*"),
        ]),
        select(vec!["", "", "status", "status", "scale", "*"]),
        select(vec!["", "one", "three"]),
        select(vec!["get", "get", "list", "list", "create", "patch", "escalate", "*"]),
        home(),
    );
    let on = on.prop_map(|((group, resource), subresource, name, verb, home)| Question::On {
        group,
        resource,
        subresource,
        name,
        verb,
        home,
    });
    let path = (select(vec!["/healthz", "/api/v1/signals/prometheus", "/api", "/"]), select(vec!["get", "post"]));
    let question = prop_oneof![4 => on, 1 => path.prop_map(|(path, verb)| Question::Path { path, verb })];
    (vec(role, 2..5), vec(binding, 1..8), vec((0..SUBJECTS, question), 30))
        .prop_map(|(roles, bindings, questions)| Scenario { roles, bindings, questions })
}

/// The names of one run, which no other run uses.
struct Names {
    prefix: String,
}

impl Names {
    fn namespace(&self, home: usize) -> String {
        format!("{}-{}", self.prefix, NAMES[home])
    }

    fn role(&self, number: usize) -> String {
        format!("{}-role-{number}", self.prefix)
    }

    fn subject(&self, number: usize, says_namespace: bool) -> Value {
        let prefix = &self.prefix;
        match number {
            0 => json!({"kind": "User", "name": format!("{prefix}-user"), "apiGroup": GROUP}),
            1 => json!({"kind": "Group", "name": format!("{prefix}-group"), "apiGroup": GROUP}),
            _ if says_namespace => json!({"kind": "ServiceAccount", "name": "account", "namespace": self.namespace(0)}),
            _ => json!({"kind": "ServiceAccount", "name": "account"}),
        }
    }

    /// Whom a review asks about.
    fn asked(&self, number: usize) -> Value {
        let prefix = &self.prefix;
        match number {
            0 => json!({"user": format!("{prefix}-user")}),
            1 => json!({"user": format!("{prefix}-other"), "groups": [format!("{prefix}-group")]}),
            _ => json!({"user": format!("system:serviceaccount:{}:account", self.namespace(0))}),
        }
    }
}

/// The path of a collection of the cluster, or of a namespace.
fn collection(plural: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("{RBAC}/namespaces/{namespace}/{plural}"),
        None => format!("{RBAC}/cluster{plural}"),
    }
}

/// All objects, in the order of their creation: where, and what.
fn objects(scenario: &Scenario, names: &Names) -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    for (number, role) in scenario.roles.iter().enumerate() {
        let rules: Vec<Value> = role.rules.iter().map(rule_json).collect();
        let namespace = role.home.map(|home| names.namespace(home));
        let role = json!({"metadata": {"name": names.role(number)}, "rules": rules});
        objects.push((collection("roles", namespace.as_deref()), role));
    }
    for (number, binding) in scenario.bindings.iter().enumerate() {
        let namespace = binding.home.map(|home| names.namespace(home));
        let of_cluster = scenario.roles.get(binding.role).is_none_or(|role| role.home.is_none());
        // In the cluster, only ClusterRoles may be bound, whether they exist or not.
        let kind = if of_cluster || namespace.is_none() { "ClusterRole" } else { "Role" };
        let says = binding.says_namespace || namespace.is_none();
        let subjects: Vec<Value> = binding.subjects.iter().map(|subject| names.subject(*subject, says)).collect();
        let binding = json!({
            "metadata": {"name": format!("{}-{number}", names.prefix)}, "subjects": subjects,
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": names.role(binding.role)},
        });
        objects.push((collection("rolebindings", namespace.as_deref()), binding));
    }
    // The last of each resource: when it is heeded, all are.
    let namespace = names.namespace(0);
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["mark"]}]);
    for (namespace, kind) in [(None, "ClusterRole"), (Some(namespace.as_str()), "Role")] {
        let name = format!("{}-last", names.prefix);
        objects.push((collection("roles", namespace), json!({"metadata": {"name": name}, "rules": all})));
        let subject = json!({"kind": "User", "name": format!("{name}-{kind}"), "apiGroup": GROUP});
        let role = json!({"apiGroup": GROUP, "kind": kind, "name": name});
        let binding = json!({"metadata": {"name": name}, "subjects": [subject], "roleRef": role});
        objects.push((collection("rolebindings", namespace), binding));
    }
    objects
}

fn rule_json(rule: &Rule) -> Value {
    match rule {
        Rule::On { groups, resources, names, verbs } => {
            json!({"apiGroups": groups, "resources": resources, "resourceNames": names, "verbs": verbs})
        }
        Rule::Paths { paths, verbs } => json!({"nonResourceURLs": paths, "verbs": verbs}),
    }
}

async fn review(server: &Server, mut who: Value, question: &Question, names: &Names) -> Value {
    match question {
        Question::On { group, resource, subresource, name, verb, home } => {
            let namespace = home.map_or_else(String::new, |home| names.namespace(home));
            who["resourceAttributes"] = json!({
                "group": group, "resource": resource, "subresource": subresource, "name": name, "verb": verb,
                "namespace": namespace,
            });
        }
        Question::Path { path, verb } => who["nonResourceAttributes"] = json!({"path": path, "verb": verb}),
    }
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    server.expect(&Call::send("POST", path, &json!({"spec": who}))).await["status"].clone()
}

/// Whether, and why. A server with several reasons gives any, or all in any order.
fn comparable(status: &Value) -> (bool, String) {
    let reason = status["reason"].as_str().unwrap_or_default();
    if status["allowed"] == true {
        return (true, reason.split(" by ").next().unwrap_or_default().to_owned());
    }
    let mut missing: Vec<&str> = reason.trim_start_matches("RBAC: ").trim_matches(['[', ']']).split(", ").collect();
    missing.sort_unstable();
    missing.dedup();
    (false, missing.join(", "))
}

/// The answers to all questions.
async fn answers(server: &Server, scenario: &Scenario, names: &Names) -> Vec<(bool, String)> {
    for home in 0..NAMES.len() {
        servers::make_namespace(server, &names.namespace(home)).await;
    }
    let objects = objects(scenario, names);
    for (path, object) in &objects {
        server.expect(&Call::send("POST", path, object)).await;
    }
    for kind in ["ClusterRole", "Role"] {
        let who = json!({"user": format!("{}-last-{kind}", names.prefix)});
        let mark = Question::On { group: "", resource: "pods", subresource: "", name: "", verb: "mark", home: Some(0) };
        for tries in 1.. {
            if review(server, who.clone(), &mark, names).await["allowed"] == true {
                break;
            }
            assert!(tries < 6_000, "{kind} is not heeded");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let asked = scenario.questions.iter().map(|(who, question)| review(server, names.asked(*who), question, names));
    let told = join_all(asked).await.iter().map(comparable).collect();
    for (path, object) in objects.iter().filter(|(path, _)| path.contains("/cluster")) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        server.expect(&Call { method: "DELETE".to_owned(), ..Call::get(format!("{path}/{name}")) }).await;
    }
    told
}

async fn check(real: &Server, scenario: &Scenario) -> Result<usize, String> {
    let names = Names { prefix: servers::new_namespace() };
    let embedded = servers::embedded();
    let (ours, theirs) = futures::join!(answers(&embedded, scenario, &names), answers(real, scenario, &names));
    for ((ours, theirs), question) in ours.iter().zip(&theirs).zip(&scenario.questions) {
        if ours != theirs {
            return Err(format!("{question:?}\n  embedded {ours:?}\n  real     {theirs:?}"));
        }
    }
    Ok(theirs.iter().filter(|(allowed, _)| *allowed).count())
}

#[test]
fn whatever_roles_say_a_real_server_allows_the_same() {
    let runtime = servers::runtime();
    let Some((real, _plane)) = runtime.block_on(servers::real()) else { return };
    let usual = ProptestConfig::default();
    let config = ProptestConfig { cases: usual.cases.div_ceil(8), max_shrink_iters: 200, ..usual };
    let (began, cases) = (std::time::Instant::now(), config.cases);
    let (asked, allowed) = (Cell::new(0), Cell::new(0));
    let ran = TestRunner::new(config).run(&scenario(), |scenario| {
        asked.set(asked.get() + scenario.questions.len());
        let yes = runtime.block_on(check(&real, &scenario)).map_err(TestCaseError::fail)?;
        allowed.set(allowed.get() + yes);
        Ok(())
    });
    let (asked, allowed) = (asked.get(), allowed.get());
    println!("{cases} sets of roles, {asked} reviews on each server, {allowed} allowed, {:.1?}", began.elapsed());
    if let Err(failure) = ran {
        panic!("{failure}");
    }
    assert!(allowed * 50 > asked, "hardly anything is allowed: the cases say nothing");
}
