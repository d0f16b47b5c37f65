//! The comparison in virtual time: the same figures on every machine.

use std::process::ExitCode;

use benches::{
    case::{PROTOCOLS, Row},
    results::Results,
    run::measure_in_virtual_time,
    settings::Settings,
    table,
};

/// Measurements of each cell, spread over the time between two of etcd's progress notifications.
const MEASUREMENTS: u64 = 20;

fn main() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("benches: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut results = Results::default();
    for row in Row::ALL {
        for protocol in PROTOCOLS {
            for number in 0..MEASUREMENTS {
                results.note(row, protocol, measure_in_virtual_time(row, protocol, &settings, number));
            }
        }
    }
    println!("Virtual time, medians of {MEASUREMENTS} measurements; {settings:?}\n");
    println!("From the first signal to the last answer · Kubernetes API requests per signal:\n");
    println!("{}", table::side_by_side(&results));
    println!("RemediationRequests of the one resource / signals acknowledged / signals counted:\n");
    println!("{}", table::kept(&results));
    println!("Requests of one measurement:\n");
    print!("{}", table::bills(&results));
    ExitCode::SUCCESS
}
