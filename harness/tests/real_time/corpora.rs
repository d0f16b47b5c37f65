//! The seeds of `scripts/fuzz`, each held once to what must hold for every input.

use std::{
    fs, panic,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use rstest::rstest;

#[path = "../../../fuzz/checks/alertmanager.rs"]
mod alertmanager;
#[path = "../../../fuzz/checks/config.rs"]
mod config;
#[path = "../../../fuzz/checks/embedded.rs"]
mod embedded;
#[path = "../../../fuzz/checks/event.rs"]
mod event;
#[path = "../../../fuzz/checks/http.rs"]
mod http;

/// Panics of this process: a gateway's tasks are not the test's.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static COUNTED: Once = Once::new();
    COUNTED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, SeqCst);
            before(panic);
        }));
    });
}

#[rstest]
#[case::alertmanager("alertmanager", alertmanager::check)]
#[case::config("config", config::check)]
#[case::embedded("embedded", embedded::check)]
#[case::event("event", event::check)]
#[case::http("http", http::check)]
fn what_fuzzing_begins_with_passes_its_check(#[case] target: &str, #[case] check: fn(&[u8])) {
    count_panics();
    let panics = PANICS.load(SeqCst);
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/").to_owned() + target;
    let mut inputs = fs::read_dir(&corpus).expect("a corpus").peekable();
    assert!(inputs.peek().is_some(), "{corpus} is empty");
    for input in inputs {
        let path = input.expect("a file").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("an input"));
    }
    assert_eq!(PANICS.load(SeqCst), panics, "something panicked, see above");
}
