//! Through files and sockets and back, with what is bad among it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;

use futures::StreamExt;
use futures::channel::mpsc;
use millstream::connectors::memory::for_each;
use millstream::connectors::socket::BoundAddress;
use millstream::prelude::*;
use millstream::{ErrorKind, runtime};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    value: i64,
}

fn readings() -> Vec<Reading> {
    (0..1_000)
        .map(|n| Reading {
            sensor: format!("s{}", n % 7),
            value: n * n,
        })
        .collect()
}

/// An empty folder of this name below the target folder.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn json<T: Serialize>(values: &[T]) -> String {
    values
        .iter()
        .map(|value| serde_json::to_string(value).unwrap() + "\n")
        .collect()
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn files_to_a_file_and_its_lines_to_a_socket() {
    let folder = folder("files");
    for (index, part) in readings().chunks(300).enumerate() {
        fs::create_dir_all(folder.join("in")).unwrap();
        fs::write(folder.join(format!("in/{index}.ndjson")), json(part)).unwrap();
    }
    let (source, copy) = (folder.join("in"), folder.join("copy.csv"));
    let (from, to) = (source, copy.clone());
    let copying = Flow::new("copy", move |flow| {
        flow.source("in", File::open(&from).json::<Reading>())
            .sink("out", File::create(&to).csv());
    });
    let report = copying.with_parallelism(3).run_blocking().unwrap();
    assert_eq!(report.vertex("in").unwrap().records_in, 1_000);

    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let reading = thread::spawn(move || {
        let lines = BufReader::new(server.accept().unwrap().0).lines();
        lines
            .map(|line| serde_json::from_str::<Reading>(&line.unwrap()).unwrap())
            .collect()
    });
    let sending = Flow::new("send", move |flow| {
        flow.source("in", File::open(&copy).csv::<Reading>())
            .sink("out", Tcp::send_to(&address).json());
    });
    sending.run_blocking().unwrap();
    let mut came: Vec<Reading> = reading.join().unwrap();
    let mut sent = readings();
    came.sort();
    sent.sort();
    assert_eq!(came, sent);
}

#[test]
fn a_socket_to_a_file() {
    let file = folder("socket").join("out.ndjson");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let writing = thread::spawn(move || {
        let (mut peer, _) = server.accept().unwrap();
        peer.write_all(json(&readings()).as_bytes()).unwrap();
    });
    let to = file.clone();
    let flow = Flow::new("record", move |flow| {
        flow.source("in", Tcp::connect(&address).once().json::<Reading>())
            .sink("out", File::create(&to).json());
    });
    let report = flow.run_blocking().unwrap();
    writing.join().unwrap();
    assert_eq!(report.ended, Ended::Finished);
    assert_eq!(read_json::<Reading>(&file), readings());
}

#[test]
fn datagrams_in_until_it_is_stopped() {
    let bound = BoundAddress::new();
    let (came, mut comes) = mpsc::unbounded();
    let listening = bound.clone();
    let flow = Flow::new("datagrams", move |flow| {
        let came = came.clone();
        let source = Udp::bind("127.0.0.1:0").report_address(&listening).lines();
        flow.source("in", source)
            .sink("out", for_each(move |line| drop(came.unbounded_send(line))));
    });
    let report = runtime::block_on(async {
        let running = flow.start().await?;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for n in 0..20 {
            let datagram = format!("datagram {n}");
            socket
                .send_to(datagram.as_bytes(), bound.wait().await)
                .unwrap();
            // One by one, because loopback may drop a burst.
            assert_eq!(comes.next().await, Some(datagram));
        }
        running.stop();
        running.join().await
    });
    let report = report.unwrap();
    assert_eq!(report.ended, Ended::Stopped);
    assert_eq!(report.vertex("out").unwrap().records_in, 20);
}

/// Ten readings with two lines among them that are none.
fn with_bad_lines(folder: &Path) -> PathBuf {
    let mut lines: Vec<_> = json(&readings()[..10]).lines().map(str::to_owned).collect();
    lines[0] = "{\"sensor\":\"s3\"".to_owned();
    lines[1] = "no json".to_owned();
    let path = folder.join("in.ndjson");
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn policy(
    name: &str,
    policy: impl Fn() -> BadRecords + Send + Sync + 'static,
) -> (millstream::Result<Report>, Vec<Reading>) {
    let path = with_bad_lines(&folder(name));
    let out = Collect::new();
    let sink = out.clone();
    let flow = Flow::new(name, move |flow| {
        let file = File::open(&path).json::<Reading>();
        flow.source("readings", file.on_bad_records(policy()))
            .sink("out", sink.sink());
    });
    (flow.with_parallelism(1).run_blocking(), out.take())
}

#[test]
fn a_bad_record_fails_the_flow_unless_told_otherwise() {
    let (outcome, _) = policy("bad-fail", || BadRecords::Fail);
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.kind(), error.vertex()),
        (ErrorKind::Data, Some("readings"))
    );
    let text = error.to_string();
    assert!(
        text.contains("in.ndjson") && text.contains("byte 0"),
        "{text}"
    );
    assert!(!text.contains("s3"), "payloads are not told: {text}");
}

#[test]
fn bad_records_are_skipped_and_counted() {
    let (outcome, readings) = policy("bad-skip", || BadRecords::Skip);
    assert_eq!((outcome.unwrap().bad(), readings.len()), (2, 8));
}

#[test]
fn bad_records_go_to_a_file_of_dead_letters() {
    let letters = folder("bad-letters-out").join("letters.ndjson");
    let to = letters.clone();
    let (outcome, readings) = policy("bad-letters", move || {
        BadRecords::to(File::create(&to).json())
    });
    assert_eq!((outcome.unwrap().bad(), readings.len()), (2, 8));
    let letters: Vec<serde_json::Value> = read_json(&letters);
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[1]["payload"], "no json");
    assert_eq!(letters[1]["position"], "byte 15");
    assert_eq!(letters[1]["vertex"], "readings");
}

/// Three lines to a file, the middle one with a line break in it.
fn to_lines(
    name: &str,
    policy: impl Fn() -> BadRecords + Send + Sync + 'static,
) -> (millstream::Result<Report>, String) {
    let path = folder(name).join("out.txt");
    let out = path.clone();
    let flow = Flow::new(name, move |flow| {
        let lines = ["one", "t\nwo", "three"].map(str::to_owned);
        let file = File::create(&out).lines();
        flow.source("texts", from_iter(lines))
            .sink("out", file.on_bad_records(policy()));
    });
    let outcome = flow.with_parallelism(1).run_blocking();
    (outcome, fs::read_to_string(path).unwrap_or_default())
}

#[test]
fn what_a_sink_cannot_write_follows_the_same_policy() {
    let (outcome, _) = to_lines("unwritable-fail", || BadRecords::Fail);
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.kind(), error.vertex()),
        (ErrorKind::Data, Some("out"))
    );
    assert!(error.to_string().contains("record 2"), "{error}");

    let (outcome, written) = to_lines("unwritable-skip", || BadRecords::Skip);
    assert_eq!((outcome.unwrap().bad(), &*written), (1, "one\nthree\n"));

    let letters = Collect::new();
    let all = letters.clone();
    let (outcome, written) = to_lines("unwritable-letter", move || BadRecords::to(all.sink()));
    assert_eq!((outcome.unwrap().bad(), &*written), (1, "one\nthree\n"));
    let letters: Vec<DeadLetter> = letters.take();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&*letters[0].vertex, &*letters[0].position),
        ("out", "record 2")
    );
    assert!(letters[0].cause.contains("line break"), "{:?}", letters[0]);
}
