//! The binary as a process whose surroundings do not behave: a log that nobody reads, an environment that is no text.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::ffi::OsStrExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// For whatever should come at once, on a machine that is busy.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Killed when dropped.
pub(crate) struct Gateway(pub(crate) Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has its three listeners take whatever ports are free.
pub(crate) fn on_any_ports(command: &mut Command) -> &mut Command {
    command.envs(["LISTEN", "HEALTH", "METRICS"].map(|name| (format!("GATEWAY__SERVER__{name}_ADDR"), "127.0.0.1:0")))
}

/// Before a Kubernetes API that is not there.
pub(crate) fn command(folder: &std::path::Path) -> Command {
    let kubeconfig = folder.join("kubeconfig");
    let nowhere = "{apiVersion: v1, kind: Config, current-context: a, users: [{name: a, user: {}}], \
        clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}], contexts: [{name: a, context: {cluster: a, user: a}}]}";
    std::fs::write(&kubeconfig, nowhere).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.env_clear().env("KUBECONFIG", kubeconfig).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs([("POD_NAME", "gateway-0"), ("POD_NAMESPACE", "kubernaut-system"), ("GATEWAY__AUTH__MODE", "none")]);
    command
}

/// Status and body of an answer, `None` if there is none in time.
pub(crate) fn ask(address: SocketAddr, head: &str) -> Option<(u16, String)> {
    exchange(address, &format!("{head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
}

/// The first answer's status, and all answers, to requests of which the last closes the connection.
pub(crate) fn exchange(address: SocketAddr, requests: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(requests.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some((text.split(' ').nth(1)?.parse().ok()?, text))
}

/// Tries until `done`.
#[allow(clippy::disallowed_methods, reason = "a process of its own lives in real time")]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < TIMEOUT, "{what}: not in time");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_senders_nor_probes_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.env("GATEWAY__LOGGING__LEVEL", "trace");
    let mut gateway = Gateway(on_any_ports(&mut command).spawn().unwrap());
    // Its standard output is a pipe that nobody reads any further.
    let mut lines = BufReader::new(gateway.0.stdout.take().unwrap()).lines();
    let started = lines.find(|line| line.as_ref().unwrap().contains("gateway started")).unwrap().unwrap();
    let started: Value = serde_json::from_str(&started).unwrap();
    let [api, health, metrics] =
        ["signals", "health", "metrics"].map(|listener| started[listener].as_str().unwrap().parse().unwrap());
    until("listening", || ask(health, "GET /livez").is_some());
    let request = |connection: &str| {
        let head = "POST /api/v1/signals/prometheus HTTP/1.1\r\nhost: a\r\ncontent-type: application/json";
        format!("{head}\r\nconnection: {connection}\r\ncontent-length: 8\r\n\r\nnonsense")
    };
    let requests = request("keep-alive").repeat(199) + &request("close");
    until("more is logged than a pipe and a queue hold", || {
        assert_eq!(exchange(api, &requests).expect("an answer").0, 400);
        let (_, exposed) = ask(metrics, "GET /metrics").expect("an answer");
        let lost =
            exposed.lines().find_map(|l| l.strip_prefix("gateway_log_lines_lost_total{reason=\"slow_reader\"} "));
        lost.expect("the metric") != "0"
    });
    assert_eq!(ask(health, "GET /livez").expect("an answer").0, 200);
    assert!(Command::new("kill").arg(gateway.0.id().to_string()).status().unwrap().success());
    let mut ended = None;
    until("the end", || {
        ended = gateway.0.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success(), "{ended:?}");
}

#[test]
fn lines_for_people_have_no_colours_where_no_terminal_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.env("GATEWAY__LOGGING__FORMAT", "human");
    let mut gateway = Gateway(on_any_ports(&mut command).spawn().unwrap());
    let (mut output, mut read) = (gateway.0.stdout.take().unwrap(), Vec::new());
    let mut part = [0; 4096];
    while !String::from_utf8_lossy(&read).contains('\n') {
        let bytes = output.read(&mut part).unwrap();
        assert!(bytes > 0, "it ended");
        read.extend_from_slice(&part[..bytes]);
    }
    let text = String::from_utf8(read).unwrap();
    assert!(
        !text.contains('\u{1b}') && text.contains("WARN") | text.contains("ERROR") | text.contains("INFO"),
        "{text:?}"
    );
}

#[test]
fn an_environment_that_is_no_text_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let run = |variable: &[u8]| {
        let mut command = command(folder.path());
        command
            .env(OsStr::from_bytes(variable), OsStr::from_bytes(b"a\xff"))
            .env("GATEWAY__LOCK__WAIT_TIMEOUT", "nonsense");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for others in [&b"LESS"[..], b"\xff\xfe", b"GATEWAY_PORT"] {
        let (code, said) = run(others);
        assert!(code == Some(1) && said.contains("lock.waitTimeout"), "what is wrong is told: {said}");
    }
    for ours in ["POD_NAME", "GATEWAY__LOGGING__LEVEL"] {
        let (code, said) = run(ours.as_bytes());
        assert!(code == Some(1) && said.contains(&format!("{ours}: its value is not UTF-8")), "{said}");
    }
}

#[test]
fn the_limit_of_open_files_is_raised_as_far_as_the_process_may() {
    let folder = tempfile::tempdir().unwrap();
    let plain = command(folder.path());
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -S -n 256 && exec \"$0\""]).arg(plain.get_program());
    limited.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdout(Stdio::null()).stderr(Stdio::null());
    let gateway = Gateway(on_any_ports(&mut limited).spawn().unwrap());
    let limits = format!("/proc/{}/limits", gateway.0.id());
    until("the limit of open files", || {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let mut numbers = files.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        let (soft, hard) = (numbers.next().unwrap(), numbers.next().unwrap());
        soft == hard.min(65_536) && soft > 256
    });
}
