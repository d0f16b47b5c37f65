//! What an operator gets when the configuration is right, and is told when it is not.

use std::{io::Write as _, path::Path, time::Duration};

use gateway::config::{AuthMode, Config, Error, Identity};
use rstest::rstest;

fn env<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (String, String)> + 'a {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

/// A file of its own for each test, gone at its end.
fn written(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn load(text: &str) -> Result<Config, Error> {
    Config::load(Some(written(text).path()), std::iter::empty())
}

#[test]
fn the_documented_example_shows_the_defaults() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/config.example.yaml");
    assert_eq!(Config::load(Some(&example), std::iter::empty()).unwrap(), Config::default());
}

#[test]
fn the_documented_example_has_every_key_that_is_not_optional() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/config.example.yaml");
    let example: serde_json::Value = serde_saphyr::from_str(&std::fs::read_to_string(example).unwrap()).unwrap();
    let mut expected = serde_json::to_value(Config::default()).unwrap();
    expected["server"].as_object_mut().unwrap().remove("tls");
    expected["datastorage"].as_object_mut().unwrap().remove("url");
    assert_eq!(keys(&example), keys(&expected));
}

fn keys(value: &serde_json::Value) -> Vec<String> {
    let Some(section) = value.as_object() else { return vec![String::new()] };
    let mut all: Vec<String> = section
        .iter()
        .flat_map(|(key, value)| keys(value).into_iter().map(move |rest| format!("{key}.{rest}")))
        .collect();
    all.sort();
    all
}

#[test]
fn no_file_and_no_variables_give_the_defaults() {
    assert_eq!(Config::load(None, std::iter::empty()).unwrap(), Config::default());
    assert_eq!(load("# nothing\n\n").unwrap(), Config::default());
}

#[test]
fn the_environment_overrides_the_file_and_reaches_optional_keys() {
    let file = written("server: {maxBodyBytes: 5000, readTimeout: 7s}\nscope:\n");
    let variables = [
        ("GATEWAY__SERVER__MAX_BODY_BYTES", "6000"),
        ("GATEWAY__SCOPE__REQUIRE_MANAGED_LABEL", "false"),
        ("GATEWAY__DATASTORAGE__URL", "http://datastorage:8080"),
        ("GATEWAY__AUTH__MODE", "none"),
        ("GATEWAY__LOCK__WAIT_TIMEOUT", "250ms"),
        ("GATEWAY__DATASTORAGE__BUFFER__BATCH_SIZE", "7"),
        ("GATEWAY_PORT", "tcp://10.0.0.1:8080"),
        ("PATH", "/bin"),
    ];
    let (cert, key) = (written(""), written(""));
    let tls = [
        ("GATEWAY__SERVER__TLS__CERT_FILE", cert.path().to_str().unwrap()),
        ("GATEWAY__SERVER__TLS__KEY_FILE", key.path().to_str().unwrap()),
    ];
    let config = Config::load(Some(file.path()), env(&variables).chain(env(&tls))).unwrap();
    assert_eq!(config.server.max_body_bytes, 6000);
    assert_eq!(config.server.read_timeout, Duration::from_secs(7));
    assert!(!config.scope.require_managed_label);
    assert_eq!(config.datastorage.url.unwrap().as_str(), "http://datastorage:8080/");
    assert_eq!(config.auth.mode, AuthMode::None);
    assert_eq!(config.lock.wait_timeout, Duration::from_millis(250));
    assert_eq!(config.datastorage.buffer.batch_size, 7);
    assert_eq!(config.server.tls.unwrap().cert_file, cert.path());
}

#[rstest]
#[case::unknown_key("server: {listenAddress: x}", "server.listenAddress: unknown field")]
#[case::unknown_section("sever: {}", "sever: unknown field")]
#[case::wrong_type("server: {maxBodyBytes: many}", "server.maxBodyBytes: `many` is not a whole number")]
#[case::secret_number(
    "tracing: {headers: {x-api-key: 8675309}}",
    "tracing.headers.x-api-key: it is not text: put it into quotes"
)]
#[case::bad_address("server: {listenAddr: localhost}", "server.listenAddr: ")]
#[case::bad_duration("lock: {waitTimeout: 5}", "lock.waitTimeout: ")]
#[case::duration_without_unit("lock: {waitTimeout: \"5\"}", "lock.waitTimeout: `5` is not a valid duration")]
#[case::bad_mode("auth: {mode: basic}", "auth.mode: unknown variant")]
#[case::incomplete_tls("server: {tls: {certFile: a}}", "server.tls: missing field `keyFile`")]
#[case::bad_url("datastorage: {url: nowhere}", "datastorage.url: ")]
#[case::twice("auth: {mode: none}\nauth: {mode: none}", "auth")]
#[case::no_mapping("- a", "it is not a mapping")]
#[case::no_yaml("a: [", "not usable")]
#[case::zero("server: {maxConcurrentRequests: 0}", "server.maxConcurrentRequests: 0 is not between 1 and")]
#[case::no_connections("server: {maxConnections: 0}", "server.maxConnections: ")]
#[case::no_connections_of_a_peer("server: {maxConnectionsPerPeer: 0}", "server.maxConnectionsPerPeer: ")]
#[case::no_room_for_a_body(
    "server: {maxBufferedBytes: 2097151}",
    "server.maxBufferedBytes: 2097151 is not between 2097152"
)]
#[case::no_reviews("auth: {maxReviewsPerSecond: 0}", "auth.maxReviewsPerSecond: 0 is not between 1 and")]
#[case::no_body("server: {maxBodyBytes: 0}", "server.maxBodyBytes: ")]
#[case::no_time("server: {readTimeout: 0s}", "server.readTimeout: ")]
#[case::late_answer(
    "server: {writeTimeout: 15s}",
    "server.kubernetesRequestTimeout: 15s is not less than server.writeTimeout"
)]
#[case::long_queue("server: {maxQueueWait: 15s}", "server.maxQueueWait: ")]
#[case::short_drain("server: {drainTimeout: 5s}", "server.drainTimeout")]
#[case::same_address(
    "server: {healthAddr: \"0.0.0.0:8080\"}",
    "server.healthAddr: 0.0.0.0:8080 is already used by server.listenAddr"
)]
#[case::same_port("server: {metricsAddr: \"127.0.0.1:8080\"}", "server.metricsAddr: ")]
#[case::no_tls_file("server: {tls: {certFile: /nowhere, keyFile: /nowhere}}", "server.tls.certFile: there is no file")]
#[case::no_key_file("server: {tls: {certFile: /nowhere, keyFile: /nowhere}}", "server.tls.keyFile: there is no file")]
#[case::url_scheme("datastorage: {url: \"ftp://host\"}", "datastorage.url: `ftp://host/` is not an http")]
#[case::url_query("datastorage: {url: \"http://host?a=b\"}", "datastorage.url: ")]
#[case::no_buffer("datastorage: {buffer: {bufferSize: 0}}", "datastorage.buffer.bufferSize: ")]
#[case::large_batch("datastorage: {buffer: {batchSize: 20000}}", "datastorage.buffer.batchSize: 20000 is more than")]
#[case::no_interval("datastorage: {buffer: {flushInterval: 0ms}}", "datastorage.buffer.flushInterval: ")]
#[case::retries("datastorage: {buffer: {maxRetries: 11}}", "datastorage.buffer.maxRetries: ")]
#[case::no_attempt("processing: {retry: {maxAttempts: 0}}", "processing.retry.maxAttempts: ")]
#[case::backoff("processing: {retry: {initialBackoff: 6s}}", "processing.retry.initialBackoff: 6s is more than")]
#[case::lock_fraction("lock: {duration: 20500ms}", "lock.duration: 20.5s is not a whole number of seconds")]
#[case::lock_zero("lock: {duration: 0s}", "lock.duration: ")]
#[case::lock_too_short("lock: {duration: 11s}", "lock.duration: 11s is not more than view.attemptTimeout")]
#[case::wait_timeout(
    "lock: {waitTimeout: 15s}",
    "lock.waitTimeout: 15s is not less than server.kubernetesRequestTimeout"
)]
#[case::lock_backoff("lock: {initialBackoff: 2s}", "lock.initialBackoff: ")]
#[case::lock_no_backoff("lock: {initialBackoff: 0s}", "lock.initialBackoff: ")]
#[case::collect("lock: {collectInterval: 1ms}", "lock.collectInterval: ")]
#[case::freshness("view: {freshness: 30s}", "view.freshness: 30s is not more than the sum of view.probeInterval")]
#[case::watch("view: {watchTimeout: 1500ms}", "view.watchTimeout: ")]
#[case::attempt("view: {attemptTimeout: 16s}", "view.attemptTimeout: 16s is more than")]
#[case::catch_up("view: {catchUp: 10s}", "view.catchUp: ")]
#[case::commit_batch("commit: {maxBatch: 0}", "commit.maxBatch: ")]
#[case::commit_queue("commit: {maxQueue: 0}", "commit.maxQueue: ")]
#[case::linger("commit: {minLinger: 2s}", "commit.minLinger: ")]
#[case::scope_cache("scope: {cacheSize: 0}", "scope.cacheSize: ")]
#[case::auth_cache("auth: {cacheSize: 0}", "auth.cacheSize: ")]
#[case::auth_ttl("auth: {cacheTtl: 1h}", "auth.cacheTtl: ")]
#[case::filter("logging: {level: loud}", "logging.level: ")]
#[case::format("logging: {format: xml}", "logging.format: ")]
fn a_bad_configuration_is_an_error_that_names_its_key(#[case] text: &str, #[case] expected: &str) {
    let error = load(text).expect_err(text).to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn all_bad_values_are_reported_at_once() {
    let text = "auth: {mode: basic, cacheSize: 0}\nserver: {maxBodyBytes: many, readTimeout: 5, port: 80}\n\
                signal: {ignore: [severity, 'a=\"b\"', '=x']}\nlock: {duration: 11s}";
    let file = written(text);
    let variables = [("GATEWAY__SCOPE__CACHE_SIZE", "0"), ("GATEWAY__NO_SUCH_KEY", "x")];
    let Err(Error::Invalid(problems)) = Config::load(Some(file.path()), env(&variables)) else {
        panic!("it was taken")
    };
    let mut keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    keys.sort_unstable();
    let all = [
        "GATEWAY__NO_SUCH_KEY",
        "auth.cacheSize",
        "auth.mode",
        "lock.duration",
        "scope.cacheSize",
        "server.maxBodyBytes",
        "server.port",
        "server.readTimeout",
        "signal.ignore[0]",
        "signal.ignore[2]",
    ];
    assert_eq!(keys, all);
}

#[rstest]
#[case::range("auth: {cacheSize: 0}", "auth: {cacheSize: 1000}")]
#[case::type_of_a_value("server: {readTimeout: 5}", "server: {readTimeout: 30s}")]
#[case::element_of_a_list("signal: {ignore: [severity]}", r#"severity="none""#)]
#[case::missing("server: {tls: {certFile: a}}", "server: {tls: {keyFile: /etc/gateway-tls/tls.key}}")]
#[case::misspelt("server: {listenAddress: x}", "server: {listenAddr: 0.0.0.0:8080}")]
#[case::no_default("datastorage: {url: nowhere}", "datastorage: {url: http://datastorage:8080}")]
#[case::the_other_one_of_two("server: {writeTimeout: 15s}", "server: {writeTimeout: 30s}")]
#[case::mapping("signal: {targets: {vm: {version: v1, kind: VM}}}", "plural")]
fn each_problem_shows_a_value_that_would_do(#[case] text: &str, #[case] example: &str) {
    let Err(Error::Invalid(problems)) = load(text) else { panic!("it was taken") };
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.hint.as_ref().is_some_and(|hint| hint.contains(example)), "{problem}");
}

#[test]
fn what_only_follows_from_a_value_that_cannot_be_read_is_not_reported() {
    let error = load("server: {writeTimeout: fast, kubernetesRequestTimeout: 30s, drainTimeout: 60s}");
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("server.writeTimeout: `fast` is not a valid duration"), "{error}");
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[test]
fn no_error_shows_the_password_of_an_address() {
    let error = load("datastorage: {url: \"ftp://me:hunter2@host\"}").unwrap_err().to_string();
    assert!(error.contains("`ftp://***:***@host/` is not an http or https address"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let error = Config::load(Some(Path::new("/nowhere/config.yaml")), std::iter::empty()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the configuration file /nowhere/config.yaml"), "{error}");
}

#[rstest]
#[case::misspelt("GATEWAY__SERVER__LISTEN_ADRR", "x", "did you mean GATEWAY__SERVER__LISTEN_ADDR?")]
#[case::section("GATEWAY__SERVER", "x", "GATEWAY__SERVER: unknown configuration variable")]
#[case::bad_value(
    "GATEWAY__LOCK__DURATION",
    "long",
    "lock.duration: `long` is not a valid duration such as `500ms`, `30s` or `2m` (set by GATEWAY__LOCK__DURATION)"
)]
#[case::no_number("GATEWAY__SERVER__MAX_CONNECTIONS", "-1", "server.maxConnections: ")]
#[case::no_boolean("GATEWAY__SCOPE__REQUIRE_MANAGED_LABEL", "maybe", "scope.requireManagedLabel: ")]
fn a_bad_variable_is_an_error_that_names_it(#[case] name: &str, #[case] value: &str, #[case] expected: &str) {
    let error = Config::load(None, env(&[(name, value)])).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn two_listeners_may_share_port_zero() {
    let variables = [("GATEWAY__SERVER__LISTEN_ADDR", "127.0.0.1:0"), ("GATEWAY__SERVER__HEALTH_ADDR", "127.0.0.1:0")];
    assert!(Config::load(None, env(&variables)).is_ok());
}

#[rstest]
#[case::complete(&[("POD_NAME", "gateway-0"), ("POD_NAMESPACE", "kubernaut"), ("POD_UID", "u-1")], None)]
#[case::without_uid(&[("POD_NAME", "gateway-0.x"), ("POD_NAMESPACE", "kubernaut"), ("POD_UID", "")], None)]
#[case::no_name(&[("POD_NAMESPACE", "kubernaut")], Some("POD_NAME: it is not set"))]
#[case::empty_namespace(&[("POD_NAME", "gateway-0"), ("POD_NAMESPACE", "")], Some("fieldPath: metadata.namespace"))]
#[case::bad_name(&[("POD_NAME", "Gateway_0"), ("POD_NAMESPACE", "a")], Some("POD_NAME: `Gateway_0` is not an RFC 1123 name"))]
#[case::dotted_namespace(&[("POD_NAME", "a"), ("POD_NAMESPACE", "a.b")], Some("POD_NAMESPACE: `a.b`"))]
#[case::dash(&[("POD_NAME", "a-"), ("POD_NAMESPACE", "a")], Some("POD_NAME: "))]
fn a_replica_without_identity_does_not_start(#[case] variables: &[(&str, &str)], #[case] problem: Option<&str>) {
    match (Identity::load(env(variables)), problem) {
        (Ok(identity), None) => assert_eq!(identity.pod_uid.is_some(), variables[2].1 == "u-1"),
        (Err(error), Some(problem)) => assert!(error.to_string().contains(problem), "{error}"),
        (result, _) => panic!("{result:?}"),
    }
}

#[test]
fn a_configuration_file_without_end_is_not_read_to_it() {
    for endless in ["/dev/zero", "/dev/urandom"] {
        let error = Config::load(Some(Path::new(endless)), std::iter::empty()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot read the configuration file {endless}: ")), "{error}");
    }
    let error = load(&"# a comment\n".repeat(100_000)).unwrap_err().to_string();
    assert!(error.contains("it has more than 1048576 bytes"), "{error}");
}
