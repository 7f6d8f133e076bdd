//! Files that grow, are rotated and appear, on virtual time.

use std::time::Duration;

use super::*;
use crate::File;
use crate::codec::{ReadFormat, Text};
use crate::file::{FollowReader, FollowSource};
use crate::framing::Lines;

type Reader = FollowReader<Lines, Text>;

fn source(folder: &Folder, pattern: &str) -> FollowSource<Lines, Text> {
    File::open(folder.path(pattern)).follow().lines()
}

/// What comes within ten (virtual) seconds.
async fn next(reader: &mut Reader) -> Vec<String> {
    let mut values = Vec::new();
    let reading = async {
        let mut intake = Intake::new();
        loop {
            assert_eq!(reader.read(&mut intake).await.unwrap(), Read::More);
            values.extend(intake.take_values());
            intake = Intake::new();
        }
    };
    let never: Option<()> = runtime::timeout(Duration::from_secs(10), reading).await;
    assert!(never.is_none());
    values
}

#[test]
fn appended_lines_come_when_they_are_whole() {
    let folder = Folder::new();
    simulated(async {
        let mut reader = open(source(&folder, "log"), 1, None)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(next(&mut reader).await, [""; 0]);
        folder.append("log", "a\nb\nc");
        assert_eq!(next(&mut reader).await, ["a", "b"]);
        folder.append("log", "d\n");
        assert_eq!(next(&mut reader).await, ["cd"]);
    });
}

#[test]
fn the_tail_of_a_renamed_file_is_read() {
    let folder = Folder::new();
    simulated(async {
        folder.append("log", "a\n");
        let mut reader = open(source(&folder, "log"), 1, None)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(next(&mut reader).await, ["a"]);
        folder.append("log", "b\n");
        std::fs::rename(folder.path("log"), folder.path("log.1")).unwrap();
        // Who writes may not have noticed yet.
        folder.append("log.1", "c");
        folder.append("log", "d\n");
        let mut lines = next(&mut reader).await;
        lines.sort();
        assert_eq!(lines, ["b", "c", "d"]);
        // It has rested: it is not looked at any more.
        folder.append("log.1", "\ne\n");
        folder.append("log", "f\n");
        assert_eq!(next(&mut reader).await, ["f"]);
    });
}

#[test]
fn a_file_that_keeps_matching_is_not_read_twice() {
    let folder = Folder::new();
    simulated(async {
        folder.append("log", "a\n");
        let mut reader = open(source(&folder, "log*"), 1, None)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(next(&mut reader).await, ["a"]);
        std::fs::rename(folder.path("log"), folder.path("log.1")).unwrap();
        folder.append("log", "b\n");
        assert_eq!(next(&mut reader).await, ["b"]);
    });
}

#[test]
fn a_truncated_file_is_read_from_its_start() {
    let folder = Folder::new();
    simulated(async {
        folder.append("log", "a\nb\nrest");
        let mut reader = open(source(&folder, "log"), 1, None)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(next(&mut reader).await, ["a", "b"]);
        folder.write("log", "c\n");
        assert_eq!(next(&mut reader).await, ["rest", "c"]);
        // Truncated and longer than before at the next look.
        folder.write("log", "quite another beginning\n");
        assert_eq!(next(&mut reader).await, ["quite another beginning"]);
    });
}

#[test]
fn files_that_appear_later_are_partitions_of_their_own() {
    let folder = Folder::new();
    simulated(async {
        folder.append("a.log", "1\n");
        let mut reader = open(source(&folder, "*.log"), 1, None)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(next(&mut reader).await, ["1"]);
        folder.append("b.log", "2\n");
        folder.append("a.log", "3\n");
        let mut lines = next(&mut reader).await;
        lines.sort();
        assert_eq!(lines, ["2", "3"]);
        assert_eq!(reader.positions().len(), 2);
    });
}

#[test]
fn it_goes_on_where_it_was_stopped() {
    let folder = Folder::new();
    simulated(async {
        folder.append("log", "a\nb\nc");
        let mut reader = open(source(&folder, "log"), 1, None)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(next(&mut reader).await, ["a", "b"]);
        let positions = reader.positions();
        drop(reader);
        folder.append("log", "\nd\n");
        std::fs::rename(folder.path("log"), folder.path("log.1")).unwrap();
        folder.append("log", "e\n");
        let resumed = open(source(&folder, "log"), 1, Some(positions)).await;
        let mut reader = resumed.unwrap().remove(0);
        // Before it has met them again, it tells where it was.
        assert_eq!(reader.positions().len(), 1);
        let mut lines = next(&mut reader).await;
        lines.sort();
        assert_eq!(lines, ["c", "d", "e"]);
    });
}
