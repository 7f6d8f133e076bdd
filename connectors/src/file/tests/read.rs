//! Reading bounded files, one reader.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use millstream_engine::ErrorKind;

use super::*;
use crate::File;
use crate::codec::{Bytes, ReadFormat, Text};
use crate::file::Progress;
use crate::framing::{LengthDelimited, Lines};

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn lines_of(path: PathBuf) -> Vec<String> {
    simulated(read_all(File::open(path).lines())).unwrap().0
}

#[test]
fn lines_end_as_they_like() {
    let folder = Folder::new();
    assert_eq!(
        lines_of(folder.write("a", "x\r\ny\n\nz")),
        ["x", "y", "", "z"]
    );
    assert_eq!(lines_of(folder.write("b", "x\n")), ["x"]);
    assert_eq!(lines_of(folder.write("c", "")), [""; 0]);
}

#[test]
fn a_folder_and_a_pattern_are_read_in_the_order_of_names() {
    let folder = Folder::new();
    folder.write("b.txt", "2");
    folder.write("a.txt", "1\n");
    folder.write("c.txt.gz", gzip(b"3\n4"));
    folder.write("c.log", "no");
    folder.write(".hidden.txt", "no");
    assert_eq!(lines_of(folder.path("*.txt*")), ["1", "2", "3", "4"]);
    assert_eq!(lines_of(folder.0.clone()), ["1", "2", "no", "3", "4"]);
}

#[test]
fn every_file_of_csv_has_its_own_header() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Row {
        a: u8,
        b: Option<String>,
    }
    let folder = Folder::new();
    folder.write("1.csv", "a,b\n1,\"x\ny\"\n2,\n");
    folder.write("2.csv.gz", gzip(b"c,b,a\n,z,3\n,z,?\n"));
    folder.write("3.csv", "");
    folder.write("4.csv", "\n\na,b\n");
    for chunk in [1, 7, 1000] {
        let source = File::open(folder.0.clone()).with_chunk(chunk).csv::<Row>();
        let (rows, bad) = simulated(read_all(source)).unwrap();
        let row = |a, b: Option<&str>| Row {
            a,
            b: b.map(str::to_owned),
        };
        assert_eq!(
            rows,
            [row(1, Some("x\ny")), row(2, None), row(3, Some("z"))]
        );
        assert_eq!(
            bad,
            ["2.csv.gz, byte 11: column `a`: not a whole number that fits"]
        );
    }
    folder.write("5.csv", "b\nx\n");
    let (_, bad) = simulated(read_all(File::open(folder.0.clone()).csv::<Row>())).unwrap();
    assert_eq!(bad[1], "5.csv, byte 2: there is no column `a`");
}

#[test]
fn long_lines_are_bad_and_reading_goes_on() {
    let folder = Folder::new();
    let long = "x".repeat(100);
    let path = folder.write("f", format!("a\n{long}\nb\n{long}"));
    for chunk in [1, 30, 1000] {
        let lines = Lines::new().with_max(10);
        let source = File::open(&path)
            .with_chunk(chunk)
            .framed(lines, Text::new());
        let (values, bad) = simulated(read_all(source)).unwrap();
        assert_eq!(values, ["a", "b"]);
        let cause = "longer than the bound of 10 bytes";
        assert_eq!(
            bad,
            [
                format!("f, byte 2: {cause}"),
                format!("f, byte 105: {cause}")
            ]
        );
    }
}

#[test]
fn a_whole_file_can_be_one_record() {
    let folder = Folder::new();
    folder.write("a", "x\ny");
    folder.write("b", vec![7; 3_000_000]);
    folder.write("c", "");
    let (values, _) = simulated(read_all(File::open(folder.0.clone()).bytes())).unwrap();
    assert_eq!(values, [b"x\ny".to_vec(), vec![7; 3_000_000]]);
}

#[test]
fn a_broken_length_stops_the_reading() {
    let folder = Folder::new();
    let path = folder.write("f", b"\0\0\0\x01x\xff\0\0\0rest");
    let source = File::open(path).framed(LengthDelimited::new(), Bytes);
    let error = simulated(read_all(source)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("byte 5: its prefix announces 4278190080 bytes"),
        "{error}"
    );
}

#[test]
fn gzip_of_many_members_and_gzip_that_is_broken() {
    let folder = Folder::new();
    let packed = [gzip(b"1\n2"), gzip(b"2\n3\n")].concat();
    assert_eq!(lines_of(folder.write("good.gz", &packed)), ["1", "22", "3"]);
    let cut = folder.write("cut.gz", &packed[..packed.len() - 6]);
    let error = simulated(read_all(File::open(cut).lines())).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("cut.gz: the gzip file is truncated"),
        "{error}"
    );
    let mut bent = packed.clone();
    let middle = packed.len() / 4;
    bent[middle] ^= 0x55;
    let error = simulated(read_all(File::open(folder.write("bent.gz", bent)).lines()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Data);
}

#[test]
fn a_gzip_bomb_is_an_error() {
    let folder = Folder::new();
    let line = [vec![b'0'; 99], vec![b'\n']].concat();
    let path = folder.write("bomb.gz", gzip(&line.repeat(300_000)));
    let source = File::open(path)
        .with_max_inflation(3)
        .framed(Lines::new(), Bytes);
    let error = runtime::block_on(read_all(source)).map(drop).unwrap_err();
    assert!(
        error.to_string().contains("more than 3 times its size"),
        "{error}"
    );
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let error = simulated(read_all(File::open("/dev/null").lines())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("/dev/null is no regular file"));
}

#[test]
fn what_is_not_there_is_an_error() {
    let folder = Folder::new();
    for path in [
        folder.path("nothing"),
        folder.path("*.csv"),
        folder.0.clone(),
    ] {
        let error = simulated(read_all(File::open(&path).lines())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            format!("there is no file `{}`", path.display())
        );
    }
}

#[test]
fn progress_counts_what_is_on_disk() {
    let folder = Folder::new();
    folder.write("a", "x\n".repeat(1000));
    folder.write("b.gz", gzip("x\n".repeat(1000).as_bytes()));
    let progress = Progress::new();
    let source = File::open(folder.0.clone())
        .with_progress(progress.clone())
        .lines();
    assert_eq!(progress.total(), 0);
    let (values, _) = simulated(read_all(source)).unwrap();
    assert_eq!(values.len(), 2000);
    assert!(progress.total() > 2000 && progress.read() == progress.total());
}
