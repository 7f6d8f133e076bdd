use async_net::TcpListener;
use async_net::unix::{UnixListener, UnixStream};
use futures::AsyncReadExt;
use futures::future::join;
use millstream_engine::ErrorKind;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use serde::Serialize;

use super::super::{Broadcast, BroadcastWriter, Reconnect, Unix};
use super::*;
use crate::codec::WriteFormat;
use crate::memory::batch_of;

#[derive(Serialize)]
struct Row {
    n: u32,
}

async fn open<S: Sink>(sink: S) -> S::Writer {
    let opened = sink.open(SinkSetup::new("out", 1)).await;
    opened.unwrap().remove(0)
}

/// Writes and pushes.
async fn put<W: SinkWriter>(writer: &mut W, values: impl IntoIterator<Item = W::In>) {
    let mut bad = Vec::new();
    writer.write(&mut batch_of(values), &mut bad).await.unwrap();
    writer.hand_over().await.unwrap();
    assert_eq!(bad, []);
}

fn rows(numbers: impl IntoIterator<Item = u32>) -> impl Iterator<Item = Row> {
    numbers.into_iter().map(|n| Row { n })
}

async fn hear(stream: &mut TcpStream, bytes: usize) -> String {
    let mut heard = vec![0; bytes];
    stream.read_exact(&mut heard).await.unwrap();
    String::from_utf8(heard).unwrap()
}

async fn hear_all(mut stream: TcpStream) -> String {
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
}

fn quick() -> Reconnect {
    Reconnect::default().with_pauses(Duration::ZERO, Duration::from_millis(1))
}

#[test]
fn a_client_sends_all_and_says_goodbye() {
    run(async {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let mut writer = open(Tcp::send_to(address).json()).await;
        let send = async {
            put(&mut writer, 0..20_000).await;
            writer.close(&mut vec![]).await.unwrap();
        };
        let receive = async { hear_all(server.accept().await.unwrap().0).await };
        let ((), heard) = join(send, receive).await;
        assert!(heard.lines().eq((0..20_000).map(|n| n.to_string())));
    });
}

#[test]
fn a_client_comes_back_with_whole_frames_and_the_head() {
    run(async {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let mut writer = open(Tcp::send_to(address).with_reconnect(quick()).csv()).await;
        put(&mut writer, rows([1])).await;
        let (mut first, _) = server.accept().await.unwrap();
        assert_eq!(hear(&mut first, 4).await, "n\n1\n");
        drop(first);
        put(&mut writer, rows([2])).await;
        let (mut second, _) = server.accept().await.unwrap();
        assert_eq!(hear(&mut second, 4).await, "n\n2\n");
    });
}

#[test]
fn a_peer_that_stays_away_fails_the_flow() {
    run(async {
        let nobody = Unix::send_to(socket_path()).with_reconnect(quick().with_attempts(2));
        let mut writer = open(nobody.lines()).await;
        writer
            .write(&mut batch_of(["hello"]), &mut vec![])
            .await
            .unwrap();
        let error = writer.hand_over().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection);
    });
}

#[test]
fn unix_sockets_do_the_same() {
    run(async {
        let path = socket_path();
        let server = UnixListener::bind(&path).unwrap();
        let mut writer = open(Unix::send_to(&path).lines()).await;
        put(&mut writer, ["hello"]).await;
        let (mut peer, _) = server.accept().await.unwrap();
        let mut heard = [0; 6];
        peer.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello\n");
        std::fs::remove_file(&path).unwrap();

        let mut writer = open(Unix::broadcast(&path).lines()).await;
        let mut peer = UnixStream::connect(&path).await.unwrap();
        wait_for_listeners(&mut writer, 1).await;
        put(&mut writer, ["again!"]).await;
        peer.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"again!");
    });
}

#[test]
fn a_peer_that_takes_nothing_is_taken_for_gone() {
    run(async {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let sink = Tcp::send_to(address)
            .with_reconnect(quick())
            .with_write_deadline(Duration::from_millis(20));
        let mut writer = open(sink.lines()).await;
        let flood = async {
            let line = "x".repeat(1 << 20);
            loop {
                put(&mut writer, [line.clone()]).await;
            }
        };
        // Both are held and not read from.
        let peers = async { (server.accept().await, server.accept().await) };
        let (flood, peers) = (std::pin::pin!(flood), std::pin::pin!(peers));
        let futures::future::Either::Right((peers, _)) =
            futures::future::select(flood, peers).await;
        assert!(peers.0.is_ok() && peers.1.is_ok());
    });
}

fn broadcast_anywhere() -> (Broadcast, BoundAddress) {
    let bound = BoundAddress::new();
    (Tcp::broadcast("127.0.0.1:0").report_address(&bound), bound)
}

async fn wait_for_listeners<F, E>(writer: &mut BroadcastWriter<F, E>, count: usize)
where
    BroadcastWriter<F, E>: SinkWriter,
{
    while writer.listening() < count {
        writer.hand_over().await.unwrap();
        runtime::yield_now().await;
    }
}

#[test]
fn all_who_are_connected_get_all_from_then_on() {
    run(async {
        let (broadcast, bound) = broadcast_anywhere();
        let mut writer = open(broadcast.csv()).await;
        put(&mut writer, rows([0])).await;
        let address = bound.wait().await;
        let early = connect(address).await;
        wait_for_listeners(&mut writer, 1).await;
        put(&mut writer, rows([1, 2])).await;
        let late = connect(address).await;
        wait_for_listeners(&mut writer, 2).await;
        put(&mut writer, rows([3])).await;
        let close = async { writer.close(&mut vec![]).await.unwrap() };
        let ((), heard) = join(close, join(hear_all(early), hear_all(late))).await;
        assert_eq!(heard, ("n\n1\n2\n3\n".to_owned(), "n\n3\n".to_owned()));
    });
}

#[test]
fn who_is_too_slow_is_cut_off_and_holds_up_nobody() {
    run(async {
        let (broadcast, bound) = broadcast_anywhere();
        let mut writer = open(broadcast.with_max_queue(1 << 20).lines()).await;
        let mut slow = connect(bound.wait().await).await;
        let mut quick = connect(bound.wait().await).await;
        wait_for_listeners(&mut writer, 2).await;
        let line = "x".repeat(256 << 10);
        let mut sent = 0;
        // More than the system can hold for it, by far.
        while writer.listening() == 2 {
            put(&mut writer, [line.clone()]).await;
            hear(&mut quick, line.len() + 1).await;
            sent += line.len() + 1;
            assert!(sent < 256 << 20, "the slow one is never cut off");
        }
        put(&mut writer, ["still here".to_owned()]).await;
        assert_eq!(hear(&mut quick, 11).await, "still here\n");
        let mut taken = Vec::new();
        let _ = slow.read_to_end(&mut taken).await;
        assert!(taken.len() < sent);
    });
}

#[test]
fn who_leaves_without_a_word_gives_its_place_back() {
    run(async {
        let (broadcast, bound) = broadcast_anywhere();
        let mut writer = open(broadcast.with_max_connections(1).lines::<u32>()).await;
        // Nothing is written meanwhile.
        for _ in 0..3 {
            let peer = connect(bound.wait().await).await;
            wait_for_listeners(&mut writer, 1).await;
            drop(peer);
            while writer.listening() > 0 {
                writer.hand_over().await.unwrap();
                runtime::yield_now().await;
            }
        }
    });
}

#[test]
fn who_comes_when_it_is_full_is_turned_away() {
    run(async {
        let (broadcast, bound) = broadcast_anywhere();
        let mut writer = open(broadcast.with_max_connections(1).lines()).await;
        let first = connect(bound.wait().await).await;
        let second = connect(bound.wait().await).await;
        assert_eq!(hear_all(second).await, "");
        wait_for_listeners(&mut writer, 1).await;
        put(&mut writer, ["hello"]).await;
        let close = async { writer.close(&mut vec![]).await.unwrap() };
        assert_eq!(join(close, hear_all(first)).await.1, "hello\n");
    });
}
