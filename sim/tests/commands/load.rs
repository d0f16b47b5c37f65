//! `sim load` as its users run it, against gateways and against a server that answers as it is told.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Output,
    thread,
};

use rstest::rstest;
use serde_json::{Value, json};

use super::common::{Serve, json_of, sim};

fn load(url: &str, options: &[&str]) -> Output {
    sim(&[&["load", "--json", "--url", url], options].concat())
}

/// A server that gives each request the next of these statuses; 0 closes the connection instead.
fn scripted(statuses: &'static [u16]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let body = json!({"status": "created", "fingerprint": "f", "remediationRequestName": "rr-f"}).to_string();
            let body = if *status == 201 { body } else { "{}".to_owned() };
            if *status > 0 {
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes());
            }
        }
    });
    url
}

#[test]
fn every_signal_is_accounted_for_by_resource() {
    let directory = tempfile::tempdir().unwrap();
    let serve = Serve::start(&directory.path().join("kubeconfig"), &[]);
    let url = serve.1["gateways"][0]["api"].as_str().unwrap();
    let output = load(url, &["--signals", "20", "--resources", "2", "--prefix", "shop"]);
    let result = json_of(&output);
    assert_eq!(output.status.code(), Some(0), "{result}");
    assert_eq!((&result["signals"], &result["acknowledged"]), (&json!(20), &json!(20)));
    assert_eq!(result["statuses"], json!({ "201": 2, "202": 18 }));
    for resource in ["shop-0", "shop-1"] {
        let resource = &result["resources"][resource];
        assert_eq!((&resource["attempted"], &resource["acknowledged"]), (&json!(10), &json!(10)));
        assert_eq!(resource["remediation_requests"].as_array().unwrap().len(), 1, "{resource}");
        assert_eq!(resource["fingerprints"].as_array().unwrap().len(), 1, "{resource}");
    }
}

#[rstest]
#[case::server_errors_and_silence(&[503, 0, 500, 201], json!({"0": 1, "201": 1, "500": 1, "503": 1}), 1)]
#[case::a_client_error_is_final(&[400, 201], json!({"400": 1}), 0)]
#[case::too_many_requests_is_final(&[429, 201], json!({"429": 1}), 0)]
fn a_signal_is_sent_again_as_alertmanager_would(
    #[case] statuses: &'static [u16],
    #[case] seen: Value,
    #[case] acknowledged: usize,
) {
    let output = load(&scripted(statuses), &["--signals", "1"]);
    let result = json_of(&output);
    assert_eq!(result["statuses"], seen);
    assert_eq!(result["acknowledged"], json!(acknowledged));
    assert_eq!(output.status.code(), Some(if acknowledged == 1 { 0 } else { 1 }), "{result}");
}

#[test]
fn retries_end() {
    let output = load(&scripted(&[503, 503]), &["--signals", "1", "--retry-for", "0"]);
    assert_eq!(json_of(&output)["statuses"], json!({ "503": 1 }));
    assert_eq!(output.status.code(), Some(1));
}

#[rstest]
#[case::no_address(&["load"])]
#[case::no_such_token(&["load", "--url", "http://127.0.0.1:1", "--token-file", "/nowhere/token"])]
fn what_cannot_be_carried_out_is_a_usage_error(#[case] options: &[&str]) {
    let output = sim(options);
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.is_empty());
}
