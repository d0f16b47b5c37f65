use std::{
    fs,
    os::unix::fs::symlink,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use super::*;

/// A gateway whose configuration is a file in a ConfigMap's volume.
struct Rig {
    folder: TempDir,
    context: Context,
    metrics: Metrics,
    applied: Arc<Mutex<Vec<Config>>>,
    tell: mpsc::Sender<()>,
}

impl Rig {
    fn start(text: &str) -> Self {
        let rig = Self::with_env(text, vec![]);
        rig.metrics.config_loaded(rig.context.now());
        rig
    }

    fn with_env(text: &str, env: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, text).unwrap();
        let (context, metrics) = (Context::system(), Metrics::new().unwrap());
        let applied = Arc::<Mutex<Vec<Config>>>::default();
        let pod = Identity { pod_name: "a".to_owned(), pod_namespace: "b".to_owned(), pod_uid: None };
        let takes = Arc::clone(&applied);
        let reload = Reload {
            is_followed: true,
            seen: look(Some(&file)),
            failure: None,
            running: Config::load(Some(&file), env.iter().cloned()).unwrap(),
            file: Some(file),
            env,
            identity: pod,
            context: context.clone(),
            metrics: metrics.clone(),
            audit: Recorder::disabled(),
            apply: Box::new(move |update| {
                takes.lock().unwrap().push(update.config.clone());
                Ok(())
            }),
        };
        let (tell, told) = mpsc::channel(1);
        context.spawn(reload.run(told));
        Self { folder, context, metrics, applied, tell }
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("config.yaml"), text).unwrap();
    }

    async fn pass(&self, time: Duration) {
        self.context.sleep(time).await;
    }

    /// The levels that were applied so far.
    fn levels(&self) -> Vec<String> {
        self.applied.lock().unwrap().iter().map(|config| config.logging.level.clone()).collect()
    }

    fn successful(&self) -> bool {
        self.metrics.config_last_reload_successful.get() == 1
    }
}

const DEBUG: &str = "logging: {level: debug}";
const IN_TIME: Duration = Duration::from_secs(12);

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_followed_and_one_that_stays_is_not() {
    let rig = Rig::start("logging: {level: info}");
    rig.pass(Duration::from_secs(300)).await;
    assert_eq!(rig.levels(), Vec::<String>::new());
    rig.write(DEBUG);
    rig.pass(IN_TIME).await;
    rig.pass(Duration::from_secs(300)).await;
    assert_eq!(rig.levels(), ["debug"]);
}

#[tokio::test(start_paused = true)]
async fn a_config_map_is_followed_when_its_symbolic_link_is_replaced() {
    let rig = Rig::start("");
    let path = |name: &str| rig.folder.path().join(name);
    for (version, level) in [("v1", "warn"), ("v2", "error")] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("config.yaml"), format!("logging: {{level: {level}}}")).unwrap();
        symlink(version, path("tmp")).unwrap();
        fs::rename(path("tmp"), path("..data")).unwrap();
        if version == "v1" {
            fs::remove_file(path("config.yaml")).unwrap();
            symlink("..data/config.yaml", path("config.yaml")).unwrap();
        }
        rig.pass(IN_TIME).await;
    }
    assert_eq!(rig.levels(), ["warn", "error"]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_keeps_the_old_configuration_until_there_is_a_good_one() {
    let rig = Rig::start(DEBUG);
    for bad in ["logging: {level: loud}", "a: [", "sever: {}"] {
        rig.write(bad);
        rig.pass(IN_TIME).await;
        assert!(!rig.successful(), "{bad}");
    }
    fs::remove_file(rig.folder.path().join("config.yaml")).unwrap();
    rig.pass(IN_TIME).await;
    assert!(!rig.successful(), "it is gone");
    assert_eq!(rig.levels(), Vec::<String>::new());
    rig.write("logging: {level: warn}");
    rig.pass(IN_TIME).await;
    assert!(rig.successful());
    assert_eq!(rig.levels(), ["warn"]);
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_want_of_another_file_is_in_effect_once_that_is_there() {
    let rig = Rig::start("");
    let (cert, key) = (rig.folder.path().join("tls.crt"), rig.folder.path().join("tls.key"));
    let tls = format!("{{certFile: {}, keyFile: {}}}", cert.display(), key.display());
    rig.write(&format!("{DEBUG}\nserver: {{tls: {tls}}}"));
    rig.pass(IN_TIME).await;
    assert!(!rig.successful() && rig.levels().is_empty());
    fs::write(&cert, "").unwrap();
    fs::write(&key, "").unwrap();
    rig.pass(IN_TIME).await;
    assert!(!rig.successful() && rig.levels().is_empty(), "nothing is in them with which it would start");
    let made = rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
    fs::write(cert, made.cert.pem()).unwrap();
    fs::write(key, made.signing_key.serialize_pem()).unwrap();
    rig.pass(IN_TIME).await;
    assert!(rig.successful());
    assert_eq!(rig.levels(), ["debug"]);
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_restart_stays_as_it_was_and_counts_as_no_failure() {
    let rig = Rig::start("");
    rig.write("lock: {duration: 40s}\nlogging: {level: debug}");
    rig.pass(IN_TIME).await;
    let applied = rig.applied.lock().unwrap().clone();
    let [config] = &applied[..] else { panic!("{applied:?}") };
    assert_eq!((config.lock.duration, config.logging.level.as_str()), (Duration::from_secs(30), "debug"));
    assert!(rig.successful());
}

#[tokio::test(start_paused = true)]
async fn the_environment_is_stronger_than_a_changed_file() {
    let rig = Rig::with_env("", vec![("GATEWAY__LOGGING__LEVEL".to_owned(), "error".to_owned())]);
    rig.write("logging: {level: debug}\nscope: {requireManagedLabel: false}");
    rig.pass(IN_TIME).await;
    assert_eq!(rig.levels(), ["error"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_loaded_in_pieces() {
    let rig = Rig::start("logging: {level: info}");
    rig.pass(CHECK_INTERVAL - Duration::from_millis(500)).await;
    // Seen empty, which would be valid, and written further within the second.
    rig.write("");
    rig.pass(Duration::from_secs(1)).await;
    rig.write(DEBUG);
    rig.pass(2 * IN_TIME).await;
    assert_eq!(rig.levels(), ["debug"]);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_told_to_loads_the_file_at_once() {
    let rig = Rig::start("");
    rig.write(DEBUG);
    rig.tell.send(()).await.unwrap();
    rig.pass(Duration::from_millis(1)).await;
    assert_eq!(rig.levels(), ["debug"]);
    rig.pass(2 * IN_TIME).await;
    assert_eq!(rig.levels(), ["debug"], "once");
}
