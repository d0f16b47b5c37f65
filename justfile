# What there is to run: `just` lists it. Each line is an ordinary command; nothing needs just itself.

[private]
default:
    @just --list --unsorted

# The main job: 100 webhooks about one resource, three gateways, one RemediationRequest
storm *ARGS:
    cargo run --release -p sim -- storm {{ ARGS }}

# Every test that this machine can run; those that lack a tool or a control plane say so
test *ARGS:
    cargo test --workspace {{ ARGS }}

# Tests of one crate whose name contains a word: `just only gateway fingerprint`
only CRATE *WORDS:
    cargo test -p {{ CRATE }} -- {{ WORDS }}

# Every test ten times on a busy machine, to find those that fail now and then: `just repeat-tests 3 -p harness`
repeat-tests *ARGS:
    scripts/repeat-tests {{ ARGS }}

# What is quick among the checks of a change: formatting, lints, documentation
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

# Licenses, sources and second versions of dependencies
deny:
    scripts/dependencies record

# All that must pass before a change lands; installs what it needs but Rust and Go (Debian, root)
ci:
    .ci/run

# Seeds of faults; exit code 1 and a story if one violates a promise
explore *ARGS:
    cargo run --release -p sim -- explore {{ ARGS }}

# Every order of events in small cases
exhaustive *ARGS:
    cargo run --release -p sim -- explore --exhaustive {{ ARGS }}

# The large bounds of the models of the fence and of counting: minutes, and some GiB
models:
    cargo test --release -p harness --test virtual_time -- _model --ignored --nocapture --test-threads 1

# One seed again, as a timeline: `just replay --seed 3 --protocol unlocked`
replay *ARGS:
    cargo run --release -p sim -- replay {{ ARGS }}

# Gateways and an embedded Kubernetes API to play with, until Ctrl-C
serve *ARGS:
    cargo run --release -p sim -- serve {{ ARGS }}

# etcd and kube-apiserver from Go modules, once; the tests that need them then run
control-plane:
    scripts/control-plane build

# The embedded API against a real kube-apiserver
conformance:
    REQUIRE_CONTROL_PLANE=1 cargo test -p harness --test conformance

# kube-rs's own integration tests against the embedded API: `just kube-rs-tests PATH`
kube-rs-tests CHECKOUT:
    scripts/kube-rs-tests {{ CHECKOUT }}

# Kills and pauses gateways and servers of a real control plane, under load
chaos *ARGS:
    cargo build --release -p gateway
    cargo run --release -p sim -- chaos {{ ARGS }}

# A one-node cluster, the chart, Prometheus and Alertmanager; up, checks, down (root)
e2e *ARGS:
    scripts/e2e/run {{ ARGS }}

# Things broken on such a cluster, measured by kube-state-metrics and node-exporter: is each alert about the right resource? (root)
targets *ARGS:
    scripts/e2e/targets {{ ARGS }}

# Latencies in real time and in virtual time
bench:
    cargo bench
    cargo run --profile dist -p benches

# Load on a real API: beside the protocol unlocked, beside a controller, at high rates (six minutes, on an idle machine)
perf *ARGS:
    scripts/perf {{ ARGS }}

# The pages that sim and scripts/perf write, looked at in Chromium: at two widths, by keyboard, without scripts
pages *ARGS:
    scripts/pages {{ ARGS }}

# Changes the deduplication in one place after the other and expects tests to notice (hours)
mutants *ARGS:
    scripts/mutants {{ ARGS }}

# The container image, without Docker: target/signal-gateway.tar
image *ARGS:
    scripts/image {{ ARGS }}

# A release: images, binaries, SBOMs, chart and the rest, for amd64 and arm64 (an hour); `--check` compares versions only
release *ARGS:
    scripts/release {{ ARGS }}
