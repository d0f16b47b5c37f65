//! More connections than a listener keeps open.

use gateway::config;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::sockets::{LONG, Rig, SHORT, answer, request, rest, serve, settings};

async fn bounded(total: usize, per_peer: usize) -> Rig {
    serve(config::Server { max_connections: total, max_connections_per_peer: per_peer, ..settings() }).await
}

/// Has a request answered, so that the connection is idle afterwards.
async fn used(mut stream: TcpStream) -> TcpStream {
    stream.write_all(request("/echo", "used").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await, (200, "used".to_owned()));
    stream
}

/// Begins a request that goes on until `rig.go`.
async fn busy(rig: &Rig, mut stream: TcpStream) -> TcpStream {
    stream.write_all(request("/slow", "").as_bytes()).await.unwrap();
    rig.came.notified().await;
    stream
}

fn met(rig: &Rig, bound: &str) -> u64 {
    rig.metrics.http_bounds_met.with_label_values(&[bound]).get()
}

/// Whether the server has closed it; one that it has not is only known by its silence.
async fn is_closed(rig: &Rig, stream: &mut TcpStream) -> bool {
    rig.context.timeout(SHORT, rest(stream)).await.is_ok()
}

#[tokio::test]
async fn the_connection_that_has_been_idle_for_longest_makes_room_for_a_newcomer() {
    let rig = bounded(3, 3).await;
    let mut first = used(rig.connect().await).await;
    let mut second = used(rig.connect().await).await;
    // Now the second has been idle for longest.
    first = used(first).await;
    let third = busy(&rig, rig.connect().await).await;
    let newcomer = rig.context.timeout(LONG / 2, used(rig.connect_from(2).await)).await;
    assert!(newcomer.is_ok());
    assert_eq!(rest(&mut second).await, "");
    let (mut first, mut third) = (used(first).await, third);
    assert_eq!(met(&rig, "connections"), 1);
    rig.go.notify_one();
    assert_eq!(answer(&mut third).await.0, 200);
    assert!(!is_closed(&rig, &mut first).await);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_makes_room_if_none_is_idle() {
    let rig = bounded(2, 2).await;
    let mut dripping = rig.connect().await;
    dripping.write_all(b"POST /echo HTTP/1.1\r\nho").await.unwrap();
    let working = busy(&rig, rig.connect().await).await;
    let newcomer = rig.context.timeout(LONG / 2, used(rig.connect_from(2).await)).await;
    assert!(newcomer.is_ok());
    assert_eq!(rest(&mut dripping).await, "");
    let mut working = working;
    rig.go.notify_one();
    assert_eq!(answer(&mut working).await, (200, "slow".to_owned()));
}

/// Asks for more than sockets hold, and reads nothing of it but its beginning.
async fn unread(mut stream: TcpStream) -> TcpStream {
    stream.write_all(request("/large", "").as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_makes_room_if_no_other_does() {
    let rig = bounded(2, 1).await;
    let mut unread = unread(rig.connect().await).await;
    let mut working = busy(&rig, rig.connect_from(2).await).await;
    let newcomer = rig.context.timeout(LONG / 2, used(rig.connect_from(3).await)).await;
    assert!(newcomer.is_ok());
    assert!(rest(&mut unread).await.len() < 64 << 20);
    rig.go.notify_one();
    assert_eq!(answer(&mut working).await, (200, "slow".to_owned()));
}

#[tokio::test]
async fn of_one_address_a_client_that_does_not_read_its_answer_makes_room() {
    let rig = bounded(9, 1).await;
    let _unread = unread(rig.connect().await).await;
    // Refused until the first one is known not to read.
    let mut newcomer = rig.connect().await;
    let mut tries = 0;
    while is_closed(&rig, &mut newcomer).await {
        tries += 1;
        assert!(tries < 100);
        newcomer = rig.connect().await;
    }
    used(newcomer).await;
}

#[tokio::test]
async fn a_newcomer_waits_while_all_connections_are_worked_for() {
    let rig = bounded(1, 1).await;
    let mut working = busy(&rig, rig.connect().await).await;
    let mut newcomer = rig.connect_from(2).await;
    newcomer.write_all(request("/echo", "new").as_bytes()).await.unwrap();
    assert!(rig.context.timeout(SHORT, newcomer.readable()).await.is_err());
    rig.go.notify_one();
    assert_eq!(answer(&mut working).await, (200, "slow".to_owned()));
    assert_eq!(rig.context.timeout(LONG / 2, answer(&mut newcomer)).await, Ok((200, "new".to_owned())));
    assert_eq!(rest(&mut working).await, "", "it was idle then");
}

#[tokio::test]
async fn an_address_at_its_own_bound_closes_none_but_its_own_oldest() {
    let rig = bounded(10, 2).await;
    let mut neighbour = used(rig.connect_from(2).await).await;
    let mut oldest = used(rig.connect().await).await;
    let mut newer = used(rig.connect().await).await;
    let _newest = used(rig.connect().await).await;
    assert_eq!(rest(&mut oldest).await, "");
    assert!(!is_closed(&rig, &mut newer).await);
    assert!(!is_closed(&rig, &mut neighbour).await);
}

#[tokio::test]
async fn an_address_whose_connections_are_all_worked_for_gets_no_more_and_others_do() {
    let rig = bounded(10, 2).await;
    let _working = [busy(&rig, rig.connect().await).await, busy(&rig, rig.connect().await).await];
    let mut third = rig.connect().await;
    assert_eq!(rest(&mut third).await, "");
    assert_eq!(met(&rig, "connections_of_peer"), 1);
    used(rig.connect_from(2).await).await;
}

#[tokio::test]
async fn a_connection_that_ended_counts_no_more() {
    let rig = bounded(2, 1).await;
    for _ in 0..5 {
        let stream = used(rig.connect().await).await;
        drop(stream);
    }
    let mut last = busy(&rig, rig.connect().await).await;
    rig.go.notify_one();
    assert_eq!(answer(&mut last).await.0, 200);
}
