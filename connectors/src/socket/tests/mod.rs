//! Sources and sinks against real sockets on loopback.

mod sink;
mod source;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_net::TcpStream;
use futures::AsyncWriteExt;
use millstream_engine::runtime;
use millstream_engine::source::{Intake, PartitionNews, Read, Source, SourceReader, SourceSetup};

use super::{BoundAddress, Listen, Tcp};

/// Runs a test. Time plays no part in it, but one that hangs must end.
pub(super) fn run(test: impl Future<Output = ()>) {
    runtime::block_on(async {
        let done = runtime::timeout(Duration::from_secs(30), test).await;
        done.expect("the test hangs");
    });
}

/// A path for a Unix socket of this test alone.
fn socket_path() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("millstream-{}-{number}.sock", std::process::id()))
}

fn listen_anywhere() -> (Listen, BoundAddress) {
    let bound = BoundAddress::new();
    (Tcp::listen("127.0.0.1:0").report_address(&bound), bound)
}

async fn say(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).await.unwrap();
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// A reader and all it gave.
pub(super) struct Reading<R: SourceReader> {
    reader: R,
    pub(super) values: Vec<R::Out>,
    news: Vec<PartitionNews>,
    pub(super) bad: Vec<String>,
}

impl<R: SourceReader> Reading<R> {
    pub(super) async fn open(source: impl Source<Reader = R>) -> Self {
        let opened = source.open(SourceSetup::first("in", 1)).await;
        Reading {
            reader: opened.unwrap().remove(0),
            values: Vec::new(),
            news: Vec::new(),
            bad: Vec::new(),
        }
    }

    async fn read(&mut self) -> Read {
        let mut intake = Intake::new();
        let read = self.reader.read(&mut intake).await.unwrap();
        assert!(read == Read::End || !intake.is_empty());
        let news = intake.take_news();
        let ends = news
            .iter()
            .any(|news| matches!(news, PartitionNews::Revoked(_)));
        assert!(
            !ends || intake.is_empty(),
            "a partition ended beside its records"
        );
        self.news.extend(news);
        let bad = intake.take_bad().into_iter();
        self.bad.extend(bad.map(|bad| bad.to_string()));
        self.values.extend(intake.take_values());
        read
    }

    /// Reads until so many values are there.
    pub(super) async fn read_values(&mut self, count: usize) {
        while self.values.len() < count {
            assert_eq!(self.read().await, Read::More);
        }
    }

    fn revoked(&self) -> usize {
        let revoked = |news: &&PartitionNews| matches!(news, PartitionNews::Revoked(_));
        self.news.iter().filter(revoked).count()
    }

    /// Reads until so many connections are gone.
    async fn read_partings(&mut self, count: usize) {
        while self.revoked() < count {
            assert_eq!(self.read().await, Read::More);
        }
    }
}
