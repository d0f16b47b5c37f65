use super::*;

#[cfg(target_os = "linux")]
#[test]
fn a_process_of_its_own_tells_of_itself() {
    let metrics = Metrics::new().unwrap();
    let text = |metrics: &Metrics| String::from_utf8(metrics.render().unwrap()).unwrap();
    assert!(!text(&metrics).contains("process_"));
    metrics.add_process().unwrap();
    for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"] {
        assert!(text(&metrics).lines().any(|line| line.starts_with(name)), "{name}");
    }
}

#[test]
fn what_is_written_is_what_the_specification_says() {
    let metrics = Metrics::new().unwrap();
    let exemplar = Exemplar {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        request_id: "r-1".into(),
        at: "2026-01-01T00:00:00.5Z".parse().unwrap(),
    };
    metrics.http_request_took(["/x\"\\", "POST", "201"], 0.03, Some(exemplar.clone()));
    metrics.http_request_took(["/x\"\\", "POST", "201"], 99.0, Some(exemplar));
    metrics.http_request_took(["/x\"\\", "POST", "201"], 1.0, None);
    let text = metrics.render_openmetrics().unwrap();
    let wanted = r#"# TYPE gateway_http_request_duration_seconds histogram
# UNIT gateway_http_request_duration_seconds seconds
# HELP gateway_http_request_duration_seconds Duration of HTTP requests
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.001"} 0
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.0025"} 0
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.005"} 0
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.01"} 0
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.025"} 0
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.05"} 1 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736",request_id="r-1"} 0.03 1767225600.500
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.1"} 1
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.25"} 1
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="0.5"} 1
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="1.0"} 2
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="2.5"} 2
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="10.0"} 2
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="30.0"} 2
gateway_http_request_duration_seconds_bucket{endpoint="/x\"\\",method="POST",status="201",le="+Inf"} 3 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736",request_id="r-1"} 99 1767225600.500
gateway_http_request_duration_seconds_sum{endpoint="/x\"\\",method="POST",status="201"} 100.03
gateway_http_request_duration_seconds_count{endpoint="/x\"\\",method="POST",status="201"} 3
"#;
    assert!(text.contains(wanted), "{text}");
    assert!(text.ends_with("\n# EOF\n"));
    assert!(
        text.contains("# TYPE gateway_alerts_truncated counter\n")
            && text.contains("\ngateway_alerts_truncated_total 0\n")
    );
    let plain = String::from_utf8(metrics.render().unwrap()).unwrap();
    assert!(!plain.contains("trace_id") && !plain.contains("# EOF") && plain.contains("le=\"1\"}"));
}
