//! Writing files.

use std::time::Duration;

use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::{Batch, Record};
use millstream_engine::runtime::Instant;
use millstream_engine::sink::{Sink, SinkSetup, SinkWriter};
use millstream_engine::time::Timestamp;

use super::*;
use crate::File;
use crate::codec::WriteFormat;

async fn writers<S: Sink>(sink: S, parallelism: usize) -> Vec<S::Writer> {
    sink.open(SinkSetup::new("out", parallelism)).await.unwrap()
}

async fn write<W: SinkWriter>(
    writer: &mut W,
    values: impl IntoIterator<Item = W::In>,
) -> Vec<BadRecord> {
    let mut batch = Batch::new(Instant::from_nanos(0));
    let record = |value| Record {
        time: Timestamp::EPOCH,
        value,
    };
    batch.records.extend(values.into_iter().map(record));
    let mut bad = Vec::new();
    writer.write(&mut batch, &mut bad).await.unwrap();
    assert!(batch.records.is_empty());
    bad
}

#[test]
fn a_file_gets_its_name_when_it_is_complete() {
    let folder = Folder::new();
    simulated(async {
        folder.write("out", "old\n");
        let sink = || File::create(folder.path("new/../out")).lines::<u32>();
        let mut writer = writers(sink(), 4).await.remove(0);
        write(&mut writer, [1, 2]).await;
        writer.hand_over().await.unwrap();
        assert_eq!(text(folder.path("out.part")), "1\n2\n");
        write(&mut writer, [3]).await;
        writer.flush(&mut Vec::new()).await.unwrap();
        assert_eq!(text(folder.path("out.part")), "1\n2\n3\n");
        assert_eq!(text(folder.path("out")), "old\n");
        // Ended by force: what it had written stays.
        drop(writer);
        let mut writer = writers(sink(), 1).await.remove(0);
        write(&mut writer, [4]).await;
        writer.close(&mut Vec::new()).await.unwrap();
        assert_eq!(text(folder.path("out")), "4\n");
        assert_eq!(text(folder.path("out.part.1")), "1\n2\n3\n");
        assert_eq!(folder.names(), ["new", "out", "out.part.1"]);
    });
}

#[test]
fn two_sinks_with_one_path_are_refused() {
    let folder = Folder::new();
    simulated(async {
        let sink = || File::create(folder.path("out")).lines::<u32>();
        let mut first = writers(sink(), 1).await.remove(0);
        let second = sink().open(SinkSetup::new("second", 1)).await;
        let error = second.map(drop).unwrap_err().to_string();
        assert!(error.contains("another sink is writing it"), "{error}");
        write(&mut first, [1]).await;
        first.close(&mut Vec::new()).await.unwrap();
        assert_eq!(text(folder.path("out")), "1\n");
    });
}

#[test]
fn a_run_that_goes_on_appends_to_what_the_stopped_one_wrote() {
    #[derive(serde::Serialize)]
    struct Row {
        n: u32,
    }
    let folder = Folder::new();
    simulated(async {
        let sink = || File::append(folder.path("new/out")).csv::<Row>();
        for n in [1, 2] {
            let mut writer = writers(sink(), 4).await.remove(0);
            write(&mut writer, [Row { n }]).await;
            writer.close(&mut Vec::new()).await.unwrap();
        }
        assert_eq!(text(folder.path("new/out")), "n\n1\n2\n");
        // Ended by force, in the middle of a line.
        folder.append("new/out", "9");
        let mut writer = writers(sink(), 1).await.remove(0);
        write(&mut writer, [Row { n: 3 }]).await;
        writer.flush(&mut Vec::new()).await.unwrap();
        assert_eq!(text(folder.path("new/out")), "n\n1\n2\n9\n3\n");
        assert_eq!(folder.names(), ["new"]);
        let device = writers(File::append("/dev/null").lines::<u32>(), 1).await;
        assert_eq!(device.len(), 1);
    });
}

#[test]
fn a_run_that_goes_on_from_a_snapshot_keeps_what_the_stopped_one_wrote() {
    let folder = Folder::new();
    simulated(async {
        for (resumed, n) in [(false, 0), (false, 1), (true, 2)] {
            let mut setup = SinkSetup::new("out", 1);
            setup.resumed = resumed;
            let sink = File::create(folder.path("out")).lines::<u32>();
            let mut writer = sink.open(setup).await.unwrap().remove(0);
            write(&mut writer, [n]).await;
            writer.close(&mut Vec::new()).await.unwrap();
        }
        assert_eq!(text(folder.path("out.1")), "1\n");
        assert_eq!(text(folder.path("out")), "2\n");
        assert_eq!(folder.names(), ["out", "out.1"]);
    });
}

#[test]
fn many_records_are_written_in_their_order() {
    let folder = Folder::new();
    runtime::block_on(async {
        let sink = File::create(folder.path("out")).json::<u64>();
        let mut writer = writers(sink, 1).await.remove(0);
        for batch in 0..200 {
            write(&mut writer, batch * 1000..(batch + 1) * 1000).await;
        }
        writer.close(&mut Vec::new()).await.unwrap();
    });
    let written = text(folder.path("out"));
    assert!(
        written
            .lines()
            .map(|line| line.parse::<u64>().unwrap())
            .eq(0..200_000)
    );
}

#[test]
fn what_cannot_be_a_line_is_a_bad_record() {
    let folder = Folder::new();
    simulated(async {
        let sink = File::create(folder.path("out")).lines::<String>();
        let mut writer = writers(sink, 1).await.remove(0);
        let bad = write(&mut writer, ["a".into(), "b\nc".into(), "d".into()]).await;
        writer.close(&mut Vec::new()).await.unwrap();
        assert_eq!((bad.len(), bad[0].position.as_str()), (1, "record 2"));
        assert_eq!(text(folder.path("out")), "a\nd\n");
    });
}

#[test]
fn a_device_is_written_to_as_it_is() {
    simulated(async {
        let sink = File::create("/dev/null").lines::<u32>();
        let mut writer = writers(sink, 1).await.remove(0);
        write(&mut writer, [1]).await;
        writer.close(&mut Vec::new()).await.unwrap();
    });
    assert!(!Path::new("/dev/null.part").exists());
}

#[test]
fn parts_are_complete_by_size_age_and_epoch() {
    #[derive(serde::Serialize)]
    struct Row {
        n: u32,
    }
    let folder = Folder::new();
    simulated(async {
        folder.write(".part-000-000000.csv.unfinished", "left behind");
        folder.write("part-003-000006.csv", "of an earlier run");
        let parts = File::parts(folder.0.clone())
            .with_suffix(".csv")
            .with_max_bytes(8);
        let sink = parts.with_max_age(Duration::from_secs(60)).csv::<Row>();
        let mut writers = writers(sink, 2).await;
        let row = |n| Row { n };
        // By size.
        write(&mut writers[0], (10..13).map(row)).await;
        writers[0].hand_over().await.unwrap();
        assert_eq!(text(folder.path("part-000-000007.csv")), "n\n10\n11\n12\n");
        // By age.
        write(&mut writers[0], [row(1)]).await;
        writers[0].hand_over().await.unwrap();
        runtime::sleep(Duration::from_secs(61)).await;
        assert!(!folder.path("part-000-000008.csv").exists());
        write(&mut writers[0], [row(2)]).await;
        writers[0].hand_over().await.unwrap();
        assert_eq!(text(folder.path("part-000-000008.csv")), "n\n1\n2\n");
        // By age, without a record that comes later.
        write(&mut writers[0], [row(4)]).await;
        writers[0].hand_over().await.unwrap();
        runtime::sleep(Duration::from_secs(61)).await;
        writers[0].hand_over().await.unwrap();
        assert_eq!(text(folder.path("part-000-000009.csv")), "n\n4\n");
        // By epoch, and without an empty part.
        write(&mut writers[1], [row(3)]).await;
        for _ in 0..2 {
            writers[1].flush(&mut Vec::new()).await.unwrap();
        }
        assert_eq!(text(folder.path("part-001-000007.csv")), "n\n3\n");
        assert_eq!(folder.names().len(), 5);
    });
}

#[test]
fn a_part_that_is_not_closed_does_not_show() {
    let folder = Folder::new();
    simulated(async {
        let sink = File::parts(folder.0.clone())
            .with_suffix("/../x")
            .lines::<u32>();
        let mut writer = writers(sink, 1).await.remove(0);
        write(&mut writer, [1]).await;
        writer.hand_over().await.unwrap();
        drop(writer);
        assert_eq!(folder.names(), [".part-000-000000-..-x.unfinished"]);
        let source = crate::codec::ReadFormat::lines(File::open(folder.0.clone()));
        assert!(read_all(source).await.is_err(), "hidden files are not read");
    });
}
