//! Every schedule of small cases.

use harness::exhaustive::{Bounds, Case, default_schedule, explore, replay};

#[test]
fn scratch() {
    let case = Case::new(2, 1);
    println!("{}", replay(&case, &default_schedule(&case)).unwrap());
    let t = std::time::SystemTime::now();
    println!("{}", explore(&case, Bounds { threads: 2, runs_max: 3000, ..Bounds::default() }));
    println!("{:?}", t.elapsed());
}
