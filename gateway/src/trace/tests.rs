use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue};
use rstest::rstest;

use super::*;
use crate::context::Context;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

#[rstest]
#[case::sampled(PARENT, Some(true))]
#[case::not_sampled("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Some(false))]
#[case::other_flags("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe", Some(false))]
#[case::later_version("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(true))]
#[case::later_version_with_more("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", Some(true))]
#[case::later_version_run_on("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what", None)]
#[case::with_more("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", None)]
#[case::version_ff("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None)]
#[case::no_trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None)]
#[case::no_span("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None)]
#[case::upper_case("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None)]
#[case::short("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", None)]
#[case::not_hex("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", None)]
#[case::signed("00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None)]
#[case::other_separators("00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", None)]
#[case::not_ascii("00-4bf92f3577b34da6a3ce929d0e0e47\u{fc}-00f067aa0ba902b7-01", None)]
#[case::empty("", None)]
fn a_parent_is_read_as_the_recommendation_says(#[case] text: &str, #[case] sampled: Option<bool>) {
    let parent = Parent::of(&headers(&[("traceparent", text)]));
    assert_eq!(parent.map(|parent| parent.context.is_sampled), sampled);
}

#[test]
fn of_two_parents_or_an_endless_one_none_is_believed() {
    assert_eq!(Parent::of(&headers(&[("traceparent", PARENT), ("traceparent", PARENT)])), None);
    let endless = format!("cc{}-{}", &PARENT[2..], "a".repeat(1000));
    assert_eq!(Parent::of(&headers(&[("traceparent", &endless)])), None);
}

#[rstest]
#[case::one(&["vendor=1"], Some("vendor=1"))]
#[case::several(&["a=1,b@c=2", "d/e= 3 x"], Some("a=1,b@c=2,d/e= 3 x"))]
#[case::empty_members(&["a=1, ,"], Some("a=1, ,"))]
#[case::none(&[], None)]
#[case::empty(&[""], None)]
#[case::no_value(&["vendor"], None)]
#[case::upper_case(&["Vendor=1"], None)]
#[case::two_values(&["vendor=1=2"], None)]
#[case::not_ascii(&["vendor=\u{fc}"], None)]
fn a_state_that_cannot_be_read_is_left_out_and_the_parent_believed(
    #[case] values: &[&str],
    #[case] state: Option<&str>,
) {
    let mut fields = vec![("traceparent", PARENT)];
    fields.extend(values.iter().map(|value| ("tracestate", *value)));
    assert_eq!(Parent::of(&headers(&fields)).unwrap().state.as_deref(), state);
}

#[rstest]
#[case::long(format!("a={}", "x".repeat(600)))]
#[case::many(vec!["a=1"; 33].join(","))]
fn a_state_beyond_its_bounds_is_left_out(#[case] state: String) {
    let parent = Parent::of(&headers(&[("traceparent", PARENT), ("tracestate", &state)])).unwrap();
    assert_eq!(parent.state, None);
}

/// A tracer, and what it has recorded.
fn tracer(ratio: f64) -> (Tracer, Arc<Mutex<Vec<SpanData>>>) {
    let spans: Arc<Mutex<Vec<SpanData>>> = Arc::default();
    let kept = Arc::clone(&spans);
    let sink: Sink = Box::new(move |span| kept.lock().unwrap().push(span));
    (Tracer::new(Context::system(), ratio, sink, None), spans)
}

fn request(tracer: &Tracer, parent: Option<&Parent>) -> Span {
    tracer.request(parent, &"r-1".into(), || "POST /".into())
}

#[rstest]
#[case(0.0, 0..=0)]
#[case(0.25, 400..=600)]
#[case(1.0, 2000..=2000)]
fn so_many_of_the_traces_that_begin_here_are_recorded(
    #[case] ratio: f64,
    #[case] expected: std::ops::RangeInclusive<usize>,
) {
    let (tracer, spans) = tracer(ratio);
    (0..2000).for_each(|_| drop(request(&tracer, None)));
    let recorded = spans.lock().unwrap().len();
    assert!(expected.contains(&recorded), "{recorded}");
}

#[rstest]
#[case::of_all(1.0)]
#[case::of_none(0.0)]
fn of_traces_that_begin_elsewhere_the_sender_decides(#[case] ratio: f64) {
    let (tracer, spans) = tracer(ratio);
    for (flags, recorded) in [("01", 1), ("00", 1)] {
        let text = format!("{}{flags}", &PARENT[..PARENT.len() - 2]);
        drop(request(&tracer, Parent::of(&headers(&[("traceparent", &text)])).as_ref()));
        assert_eq!(spans.lock().unwrap().len(), recorded, "{flags}");
    }
}

#[test]
fn without_a_tracer_nothing_is_noted_named_or_told() {
    let span = Tracer::off().request(None, &"r-1".into(), || panic!("named"));
    let child = span.scope().child(Kind::Client, || panic!("named"));
    child.scope().note(|_| panic!("noted"));
    let mut told = HeaderMap::new();
    child.scope().inject(&mut told);
    assert!(told.is_empty() && child.scope().exemplar().is_none());
    assert_eq!(size_of::<Scope>(), size_of::<usize>(), "what each task carries");
}

#[test]
fn texts_and_links_of_a_span_are_bounded() {
    let (tracer, spans) = tracer(1.0);
    let other = request(&tracer, None);
    let scopes: Vec<Scope> = (0..200).map(|_| request(&tracer, None).scope().clone()).collect();
    spans.lock().unwrap().clear();
    let together = together(std::iter::once(other.scope()).chain(&scopes), Kind::Internal, || "count".into());
    together.scope().note(|notes| notes.text("key", "\u{fc}".repeat(100_000)));
    drop(together);
    let spans = spans.lock().unwrap();
    let Notes { attributes, links, dropped_links, .. } = &spans[0].notes;
    assert_eq!((links.len(), *dropped_links), (128, 72));
    let [(_, Value::Text(text))] = &attributes[..] else { panic!("{attributes:?}") };
    assert!(text.len() <= 512);
}

#[tokio::test]
async fn a_task_knows_the_scope_it_was_started_in_and_no_other() {
    let (tracer, _spans) = tracer(1.0);
    let span = request(&tracer, None);
    let trace = span.scope().trace_id();
    let within = span.scope().clone().within(async {
        tokio::task::yield_now().await;
        Scope::current().trace_id()
    });
    let (inside, beside) = futures::join!(within, async { Scope::current().trace_id() });
    assert_eq!((inside, beside), (trace, None));
}
