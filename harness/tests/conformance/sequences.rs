//! Random operations of several clients, as in `store_model`, on both servers.
//!
//! What a client sends depends on what it saw, which is numbered differently on each server: each has its own record.

use std::{cell::Cell, collections::BTreeMap, time::Duration};

use futures::future::join_all;
use http::Request;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::{Value, json};

use super::{
    compare::differences,
    exchange::{Call, Server},
    normal::Normaliser,
    object::{Object, merge_patch},
    operation::{Change, Kind, Operation, Selector, Stated, Which, operation},
    request::{Knowledge, is_refused, request, version_before, watch},
    servers,
};

/// How long an event that must come is waited for, and one that must not.
const TIMEOUT: Duration = Duration::from_secs(20);
const GRACE: Duration = Duration::from_millis(20);

/// A server with what its clients know.
struct Run<'a> {
    server: &'a Server,
    namespace: String,
    seen: BTreeMap<(usize, Which), Value>,
    /// The version of each write, and the one before the first.
    versions: Vec<String>,
    /// Versions and selections that watches are opened at in the end.
    watches: Vec<(Kind, String, Selector)>,
    normal: Normaliser,
}

impl Knowledge for Run<'_> {
    fn version(&self, by: usize, which: Which, stated: Stated) -> String {
        self.stated(by, which, stated, "resourceVersion", "1")
    }

    fn uid(&self, by: usize, which: Which, stated: Stated) -> String {
        self.stated(by, which, stated, "uid", "no-such-uid")
    }

    fn put(&self, by: usize, which: Which, change: Change) -> Value {
        let Some(seen) = self.seen.get(&(by, which)) else {
            return Object::draft(which.0, which.1).changed(change).json();
        };
        let mut object = seen.clone();
        json_patch::merge(&mut object, &merge_patch(which.0, change, ""));
        object
    }
}

impl<'a> Run<'a> {
    async fn new(server: &'a Server, namespace: &str) -> Self {
        let made = servers::make_namespace(server, namespace).await;
        Self {
            server,
            namespace: namespace.to_owned(),
            seen: BTreeMap::new(),
            versions: vec![version_of(&made).to_owned()],
            watches: Vec::new(),
            normal: Normaliser::default(),
        }
    }

    fn stated(&self, by: usize, which: Which, stated: Stated, key: &str, wrong: &str) -> String {
        match stated {
            Stated::Nothing => String::new(),
            Stated::Seen => {
                let seen = self.seen.get(&(by, which)).and_then(|object| object["metadata"][key].as_str());
                seen.unwrap_or_default().to_owned()
            }
            Stated::Wrong => wrong.to_owned(),
        }
    }

    /// The answer to an operation, normalised.
    async fn one(&mut self, operation: Operation) -> Value {
        if let Operation::Watch(_, kind, from, selector) = operation {
            let newest = self.versions.len() as u64 - 1;
            let version = self.versions[version_before(from, newest, 0) as usize].clone();
            if !is_refused(kind, selector) {
                self.watches.push((kind, version, selector));
            }
        }
        let Some((by, request)) = request(operation, self) else { return Value::Null };
        let answer = self.server.answer(&self.call(request)).await;
        self.learn(by, operation, &answer["body"]);
        self.normal.value(&answer)
    }

    fn call(&self, request: Request<Vec<u8>>) -> Call {
        let (head, body) = request.into_parts();
        let path = head.uri.to_string().replace("/namespaces/test/", &format!("/namespaces/{}/", self.namespace));
        let body = String::from_utf8_lossy(&body);
        let body = body.replace(r#""namespace":"test""#, &format!(r#""namespace":"{}""#, self.namespace));
        let header = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), header(value))).collect();
        Call { method: head.method.to_string(), path, headers, body: body.into_bytes(), user: String::new() }
    }

    /// What a client knows from now on.
    fn learn(&mut self, by: usize, operation: Operation, body: &Value) {
        let which = match operation {
            Operation::Create(_, which, _)
            | Operation::Get(_, which)
            | Operation::Update(_, which, ..)
            | Operation::Patch(_, which, ..)
            | Operation::PatchStatus(_, which, ..)
            | Operation::Delete(_, which, ..) => which,
            Operation::List(..) | Operation::Watch(..) | Operation::Wait => return,
        };
        let version = version_of(body);
        if body["kind"] == "Status" || version.is_empty() {
            return;
        }
        if !self.versions.iter().any(|known| known == version) {
            self.versions.push(version.to_owned());
        }
        self.seen.insert((by, which), body.clone());
    }

    /// What the watches show, `expected` events each.
    async fn watched(&mut self, expected: Option<&[usize]>) -> Vec<Vec<Value>> {
        let start = self.versions[0].clone();
        let all = [Kind::Lease, Kind::Ticket, Kind::Incident].map(|kind| (kind, start.clone(), Selector::All));
        let watches: Vec<_> = self.watches.drain(..).chain(all).collect();
        let streams = watches.into_iter().enumerate().map(|(number, (kind, version, selector))| {
            let call = self.call(watch(kind, &version, selector));
            let count = expected.map_or(0, |expected| expected[number]);
            let server = self.server;
            async move { server.events(&call, count, TIMEOUT, GRACE).await }
        });
        let shown = join_all(streams).await;
        // Only the deletions' versions are new, and in the same order on both.
        let mut normal = |events: Vec<Value>| events.iter().map(|event| self.normal.value(event)).collect();
        shown.into_iter().map(&mut normal).collect()
    }
}

fn version_of(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

/// The first difference.
async fn check(real: &Server, operations: &[Operation]) -> Result<(), String> {
    let (embedded, namespace) = (servers::embedded(), servers::new_namespace());
    let (mut ours, mut theirs) = (Run::new(&embedded, &namespace).await, Run::new(real, &namespace).await);
    for (number, operation) in operations.iter().enumerate() {
        let (our_answer, their_answer) = futures::join!(ours.one(*operation), theirs.one(*operation));
        let found = differences(&our_answer, &their_answer);
        if !found.is_empty() {
            return Err(format!("{number}: {operation:?}\n  {}", found.join("\n  ")));
        }
    }
    let shown = ours.watched(None).await;
    let counts: Vec<usize> = shown.iter().map(Vec::len).collect();
    let found = differences(&json!(shown), &json!(theirs.watched(Some(&counts)).await));
    if found.is_empty() { Ok(()) } else { Err(format!("watches\n  {}", found.join("\n  "))) }
}

#[test]
fn whatever_clients_do_a_real_server_answers_the_same() {
    let runtime = servers::runtime();
    let Some((real, _plane)) = runtime.block_on(servers::real()) else { return };
    let usual = ProptestConfig::default();
    let config = ProptestConfig { cases: usual.cases.div_ceil(4), max_shrink_iters: 200, ..usual };
    let (began, cases, sent) = (std::time::Instant::now(), config.cases, Cell::new(0_u32));
    let ran = TestRunner::new(config).run(&vec(operation(), 1..40), |operations| {
        sent.set(sent.get() + operations.len() as u32);
        runtime.block_on(check(&real, &operations)).map_err(TestCaseError::fail)
    });
    let rate = f64::from(sent.get()) / began.elapsed().as_secs_f64();
    println!("{cases} sequences, {} operations on each server, {rate:.0}/s", sent.get());
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}
