use async_net::UdpSocket;
use futures::FutureExt;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::source::{Intake, Source, SourceReader, SourceSetup};

use super::super::BoundAddress;
use super::super::tests::{Reading, run};
use super::*;
use crate::codec::Text;
use crate::framing::Lines;
use crate::memory::batch_of;

fn bind_anywhere() -> (UdpBind, BoundAddress) {
    let bound = BoundAddress::new();
    (Udp::bind("127.0.0.1:0").report_address(&bound), bound)
}

async fn peer_of(bound: &BoundAddress) -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peer.connect(bound.wait().await).await.unwrap();
    peer
}

#[test]
fn from_sink_to_source() {
    run(async {
        let (bind, bound) = bind_anywhere();
        let mut reading = Reading::open(bind.json::<Vec<u32>>()).await;
        let sink = Udp::send_to(bound.wait().await.to_string()).json();
        let opened = sink.open(SinkSetup::new("out", 1)).await;
        let mut writer = opened.unwrap().remove(0);
        let mut bad = Vec::new();
        let too_long = vec![1_000_000; 10_000];
        let values = [vec![1], vec![2, 3], too_long, vec![]];
        writer.write(&mut batch_of(values), &mut bad).await.unwrap();
        reading.read_values(3).await;
        assert_eq!(reading.values, [vec![1], vec![2, 3], vec![]]);
        assert_eq!(bad.len(), 1);
        assert_eq!(bad[0].position, "record 3");
    });
}

#[test]
fn a_datagram_can_hold_many_records() {
    run(async {
        let (bind, bound) = bind_anywhere();
        let mut reading = Reading::open(bind.framed(Lines::new(), Text::new())).await;
        let peer = peer_of(&bound).await;
        peer.send("x\n".repeat(2_000).as_bytes()).await.unwrap();
        peer.send(b"last").await.unwrap();
        reading.read_values(2_001).await;
        assert_eq!(reading.values[1_999..], ["x", "last"]);
    });
}

#[test]
fn a_datagram_that_is_too_long_is_a_bad_record() {
    run(async {
        let (bind, bound) = bind_anywhere();
        let mut reading = Reading::open(bind.with_max_datagram(4).lines()).await;
        let peer = peer_of(&bound).await;
        for datagram in ["12345", "1234"] {
            peer.send(datagram.as_bytes()).await.unwrap();
        }
        reading.read_values(1).await;
        assert_eq!(reading.values, ["1234"]);
        assert_eq!(reading.bad.len(), 1);
    });
}

#[test]
fn nobody_there_is_no_error() {
    run(async {
        let (bind, bound) = bind_anywhere();
        drop(Reading::open(bind.lines()).await);
        let sink = Udp::send_to(bound.wait().await.to_string()).lines();
        let opened = sink.open(SinkSetup::new("out", 1)).await;
        let mut writer = opened.unwrap().remove(0);
        for _ in 0..10 {
            let written = writer.write(&mut batch_of(["anybody?"]), &mut vec![]).await;
            written.unwrap();
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_system_drops_is_counted() {
    run(async {
        let (bind, bound) = bind_anywhere();
        let drops = DropCounter::new();
        let source = bind.report_drops(&drops).lines();
        let mut reader = source
            .open(SourceSetup::first("in", 1))
            .await
            .unwrap()
            .remove(0);
        let peer = peer_of(&bound).await;
        let sent = 4_000;
        for _ in 0..sent {
            peer.send(&[b'x'; 1_000]).await.unwrap();
        }
        let mut intake = Intake::new();
        let mut received = 0;
        while reader.read(&mut intake).now_or_never().is_some() {
            received += intake.take_values().len() as u64;
        }
        reader.drops.ask();
        assert!(drops.get() > 0, "more was sent than any buffer holds");
        assert_eq!(received + drops.get(), sent);
    });
}
