use std::io::{ErrorKind, Write};

use async_net::unix::{UnixListener, UnixStream};
use async_net::{TcpListener, TcpStream};
use futures::AsyncReadExt;
use futures::future::join;
use millstream_engine::batch::PartitionId;

use super::super::{Limits, Reconnect, Unix};
use super::*;
use crate::codec::{Bytes, ReadFormat, Text};
use crate::framing::{LengthDelimited, Lines};

#[test]
fn frames_do_not_care_where_packets_end() {
    run(async {
        let (listen, bound) = listen_anywhere();
        let mut reading = Reading::open(listen.lines()).await;
        let mut peer = connect(bound.wait().await).await;
        say(&mut peer, "on").await;
        say(&mut peer, "e\ntw").await;
        reading.read_values(1).await;
        assert_eq!(reading.values, ["one"]);
        say(&mut peer, "o\nthree\nthe end").await;
        reading.read_values(3).await;
        drop(peer);
        reading.read_partings(1).await;
        assert_eq!(reading.values, ["one", "two", "three", "the end"]);
    });
}

#[test]
fn every_connection_is_a_partition_of_its_own() {
    run(async {
        let (listen, bound) = listen_anywhere();
        let mut reading = Reading::open(listen.json::<u32>()).await;
        let address = bound.wait().await;
        let mut first = connect(address).await;
        let mut second = connect(address).await;
        say(&mut first, "1\n").await;
        say(&mut second, "2\n").await;
        reading.read_values(2).await;
        let assigned = |number, peer: &TcpStream| {
            let name = peer.local_addr().unwrap().to_string();
            PartitionNews::Assigned(PartitionId(number), name.into())
        };
        assert_eq!(reading.news, [assigned(0, &first), assigned(1, &second)]);

        // Numbers are used again, once their end was told.
        drop(first);
        reading.read_partings(1).await;
        let third = connect(address).await;
        while reading.news.len() < 4 {
            reading.read().await;
        }
        let revoked = PartitionNews::Revoked(PartitionId::ONLY);
        assert_eq!(reading.news[2..], [revoked, assigned(0, &third)]);
    });
}

#[test]
fn who_comes_when_it_is_full_waits_for_a_place() {
    run(async {
        let (listen, bound) = listen_anywhere();
        let limits = Limits::default().with_max_connections(1);
        let mut reading = Reading::open(listen.with_limits(limits).lines()).await;
        let address = bound.wait().await;
        let mut first = connect(address).await;
        say(&mut first, "a1\n").await;
        reading.read_values(1).await;
        let mut second = connect(address).await;
        say(&mut second, "b1\n").await;
        say(&mut first, "a2\n").await;
        reading.read_values(2).await;
        say(&mut first, "a3\n").await;
        drop(first);
        reading.read_values(4).await;
        assert_eq!(reading.values, ["a1", "a2", "a3", "b1"]);
    });
}

#[test]
fn a_frame_that_is_too_long_is_a_bad_record_and_the_next_one_is_good() {
    run(async {
        let (listen, bound) = listen_anywhere();
        let source = listen.framed(Lines::new().with_max(8), Text::new());
        let mut reading = Reading::open(source).await;
        let mut peer = connect(bound.wait().await).await;
        say(&mut peer, format!("{}\nshort\n", "long".repeat(50_000))).await;
        reading.read_values(1).await;
        assert_eq!(reading.values, ["short"]);
        assert_eq!(reading.bad.len(), 1);
        assert!(reading.bad[0].contains("line 1"), "{}", reading.bad[0]);
    });
}

#[test]
fn a_stream_that_makes_no_sense_costs_its_own_connection_only() {
    run(async {
        let (listen, bound) = listen_anywhere();
        let source = listen.framed(LengthDelimited::new().with_max(100), Bytes);
        let mut reading = Reading::open(source).await;
        let mut mad = connect(bound.wait().await).await;
        say(&mut mad, [0xff; 64]).await;
        reading.read_partings(1).await;
        assert_eq!(mad.read(&mut [0]).await.unwrap_or(0), 0, "it was cut off");
        assert_eq!(reading.bad.len(), 1);
        let mut sane = connect(bound.wait().await).await;
        say(&mut sane, [0, 0, 0, 2, b'o', b'k']).await;
        reading.read_values(1).await;
        assert_eq!(reading.values, [b"ok"]);
    });
}

/// Of two peers, one is cut off under `limits` and what it began to say is dropped.
async fn check_cut_off(limits: Limits, beginning: &str) {
    let (listen, bound) = listen_anywhere();
    let mut reading = Reading::open(listen.with_limits(limits).lines()).await;
    let mut slow = connect(bound.wait().await).await;
    say(&mut slow, beginning).await;
    reading.read_partings(1).await;
    assert_eq!(slow.read(&mut [0]).await.unwrap_or(0), 0);
    let mut good = connect(bound.wait().await).await;
    say(&mut good, "good\n").await;
    reading.read_values(1).await;
    assert_eq!(
        (reading.values, reading.bad),
        (vec!["good".to_owned()], vec![])
    );
}

#[test]
fn a_slow_loris_is_cut_off() {
    let limits = Limits::default()
        .with_grace(Duration::ZERO)
        .with_min_rate(1_000);
    run(check_cut_off(limits, "GET / HTT"));
}

#[test]
fn who_says_nothing_is_cut_off_if_that_is_wanted() {
    let limits = Limits::default().with_idle_deadline(Duration::from_millis(1));
    run(check_cut_off(limits, ""));
}

#[test]
fn a_source_that_is_not_read_stops_its_peers() {
    run(async {
        let (listen, bound) = listen_anywhere();
        let mut reading = Reading::open(listen.lines()).await;
        let mut peer = std::net::TcpStream::connect(bound.wait().await).unwrap();
        reading.read().await;
        peer.set_nonblocking(true).unwrap();
        let line = [[b'x'; 1_023].as_slice(), b"\n"].concat();
        let too_much = 64 << 20;
        let mut written = 0;
        let stopped = loop {
            match peer.write(&line[written % line.len()..]) {
                Ok(bytes) => written += bytes,
                Err(cause) => break cause,
            }
            assert!(written < too_much, "somebody buffers without bound");
        };
        assert_eq!(stopped.kind(), ErrorKind::WouldBlock);
        drop(peer);
        reading.read_partings(1).await;
        assert_eq!(reading.values.len(), written.div_ceil(line.len()));
    });
}

#[test]
fn a_server_that_restarts_finds_its_port_free() {
    run(async {
        let (listen, bound) = listen_anywhere();
        let mut reading = Reading::open(listen.lines()).await;
        let address = bound.wait().await;
        let mut peer = connect(address).await;
        say(&mut peer, "before\n").await;
        reading.read_values(1).await;
        drop(reading);
        let again = Tcp::listen(address.to_string()).lines();
        let mut reading = Reading::open(again).await;
        let mut peer = connect(address).await;
        say(&mut peer, "after\n").await;
        reading.read_values(1).await;
        assert_eq!(reading.values, ["after"]);
    });
}

#[test]
fn a_client_comes_back_and_begins_a_new_frame() {
    run(async {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let pause = Duration::from_millis(1);
        let client = Tcp::connect(address.to_string())
            .with_reconnect(Reconnect::default().with_pauses(pause, pause))
            .framed(LengthDelimited::new().with_width(1), Bytes);
        let mut reading = Reading::open(client).await;
        let serve = async {
            for words in [b"\x03one\x09half".as_slice(), b"\x03two"] {
                let (mut peer, _) = server.accept().await.unwrap();
                say(&mut peer, words).await;
            }
        };
        join(serve, reading.read_values(2)).await;
        assert_eq!(reading.values, [b"one", b"two"]);
        assert!(
            reading.news.is_empty(),
            "one partition, whatever the connection"
        );
    });
}

#[test]
fn a_client_that_does_not_come_back_ends_with_its_peer() {
    run(async {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let source = Tcp::connect(address.as_str()).once().lines();
        assert!(source.is_bounded());
        let mut reading = Reading::open(source).await;
        let serve = async {
            let (mut peer, _) = server.accept().await.unwrap();
            say(&mut peer, "one\ntwo").await;
        };
        let read = async { while reading.read().await == Read::More {} };
        join(serve, read).await;
        assert_eq!(reading.values, ["one", "two"]);

        drop(server);
        let source = Tcp::connect(address).once().lines();
        let mut reader = source
            .open(SourceSetup::first("in", 1))
            .await
            .unwrap()
            .remove(0);
        assert!(reader.read(&mut Intake::new()).await.is_err());
    });
}

#[test]
fn unix_sockets_do_the_same_both_ways() {
    run(async {
        let path = socket_path();
        let mut reading = Reading::open(Unix::listen(&path).lines()).await;
        let mut peer = UnixStream::connect(&path).await.unwrap();
        peer.write_all(b"one\ntwo\n").await.unwrap();
        reading.read_values(2).await;
        assert_eq!(reading.values, ["one", "two"]);
        drop(reading);
        assert!(!path.exists());

        let server = UnixListener::bind(&path).unwrap();
        let mut reading = Reading::open(Unix::connect(&path).once().lines()).await;
        let serve = async {
            let (mut peer, _) = server.accept().await.unwrap();
            peer.write_all(b"three\n").await.unwrap();
        };
        join(serve, reading.read_values(1)).await;
        assert_eq!(reading.values, ["three"]);
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn replicas_share_the_connections_and_the_bound() {
    run(async {
        let (listen, bound) = listen_anywhere();
        let limits = Limits::default().with_max_connections(2);
        let source = listen.with_limits(limits).lines();
        let readers = source.open(SourceSetup::first("in", 4)).await.unwrap();
        assert_eq!(readers.len(), 2);
        let address = bound.wait().await;
        let mut peers = [connect(address).await, connect(address).await];
        for peer in &mut peers {
            say(peer, "hello\n").await;
        }
        for mut reader in readers {
            let mut intake = Intake::new();
            let mut values = Vec::new();
            while values.is_empty() {
                reader.read(&mut intake).await.unwrap();
                intake.take_news();
                values = intake.take_values();
            }
            assert_eq!(values, ["hello"], "one connection each");
        }
    });
}
