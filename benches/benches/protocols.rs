//! The protocols side by side in real time.
//!
//! Gateways are called in process, through their HTTP routes but without sockets, on a runtime with a thread per core:
//! what differs between the protocols is what they ask of the Kubernetes API, and sockets would add the same to each.
//! Each measurement has a fleet and a store of its own, so that none finds more stored than another.

use std::{cell::RefCell, process::ExitCode, thread::available_parallelism, time::Duration};

use benches::{
    case::{Case, PROTOCOLS, Row},
    results::Results,
    run::{measure, real_time},
    settings::Settings,
    stage::Time,
    table,
};
use criterion::{Criterion, SamplingMode};
use tokio::runtime::Runtime;

/// The fewest that criterion takes; several measurements each.
const SAMPLES: usize = 10;

/// Criterion plans as many measurements as fit into this time, settling included, which is most of it. Bursts take longer
/// than single signals, by the other protocols half a second.
const fn measurement_time(case: Case) -> Duration {
    match case {
        Case::New | Case::Duplicate => Duration::from_secs(4),
        Case::Burst | Case::DuplicateBurst => Duration::from_secs(9),
    }
}

fn protocols(criterion: &mut Criterion, runtime: &Runtime, settings: &Settings) -> Results {
    let results = RefCell::new(Results::default());
    for row in Row::ALL {
        let replicas = if row.replicas == 1 { "1 replica".to_owned() } else { format!("{} replicas", row.replicas) };
        let mut group = criterion.benchmark_group(format!("{row}, {replicas}"));
        group.sampling_mode(SamplingMode::Flat).sample_size(SAMPLES);
        group.warm_up_time(Duration::from_millis(1)).measurement_time(measurement_time(row.case));
        for protocol in PROTOCOLS {
            let mut number = 0;
            group.bench_function(protocol.name(), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut took = Duration::ZERO;
                    for _ in 0..iterations {
                        number += 1;
                        let measured = runtime.block_on(measure(row, protocol, settings, Time::Real, number));
                        took += measured.took;
                        results.borrow_mut().note(row, protocol, measured);
                    }
                    took
                });
            });
        }
        group.finish();
    }
    results.into_inner()
}

fn print(results: &Results, settings: &Settings) {
    let cores = available_parallelism().map_or(1, usize::from);
    let Settings { read, write, list_wait, burst } = settings;
    println!(
        "In process, {cores} cores; the embedded API reads in {read:?}, writes in {write:?}, and lets a consistent"
    );
    println!("list wait up to {list_wait:?} after a write to another resource. A burst is {burst} signals.\n");
    println!("Medians: from the first signal to the last answer · Kubernetes API requests per signal:\n");
    println!("{}", table::side_by_side(results));
    println!("RemediationRequests of the one resource / signals acknowledged / signals counted:\n");
    print!("{}", table::kept(results));
}

fn main() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("benches: {error}");
            return ExitCode::FAILURE;
        }
    };
    let criterion = Criterion::default().without_plots().nresamples(10_000);
    let mut criterion = criterion.configure_from_args();
    let results = protocols(&mut criterion, &real_time(), &settings);
    criterion.final_summary();
    print(&results, &settings);
    ExitCode::SUCCESS
}
