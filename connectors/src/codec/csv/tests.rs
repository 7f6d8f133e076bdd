//! CSV against a model, and record by record.

use std::collections::BTreeMap;

use millstream_engine::source::Intake;
use millstream_engine::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::codec::{Format, FrameDecoder, FrameEncoder};
use crate::framing::CsvRecords;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Late,
    #[serde(rename = "on time")]
    OnTime,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Minutes(i32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Departure {
    at: Timestamp,
    delay: Option<Minutes>,
    origin: String,
    gate: char,
    kind: Kind,
    miles: f64,
    cancelled: bool,
    note: Option<String>,
}

fn departure() -> Departure {
    Departure {
        at: Timestamp::from_secs(1_357_035_300),
        delay: Some(Minutes(-3)),
        origin: "EWR".into(),
        gate: 'C',
        kind: Kind::OnTime,
        miles: 1400.5,
        cancelled: false,
        note: None,
    }
}

fn read<T: DeserializeOwned + Send + 'static>(csv: Csv<T>, text: &[u8]) -> (Vec<T>, Vec<String>) {
    let mut decoder = FrameDecoder::new(Format::new(CsvRecords::new(), csv));
    let mut intake = Intake::new();
    assert_eq!(
        decoder.take(text, true, "f", &mut intake).unwrap(),
        text.len()
    );
    let bad = intake.take_bad();
    let bad = bad
        .iter()
        .map(|bad| format!("{}: {}", bad.position, bad.cause));
    (intake.take_values(), bad.collect())
}

fn write<T: Serialize + Send + Clone + 'static>(csv: Csv<T>, values: &[T]) -> String {
    let mut encoder = FrameEncoder::new(Format::new(CsvRecords::new(), csv));
    let mut out = Vec::new();
    for value in values {
        encoder.append(value, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn a_struct_comes_back() {
    let with_note = Departure {
        note: Some("said \"no\",\nand left".into()),
        ..departure()
    };
    let text = write(Csv::new(), &[departure(), with_note.clone()]);
    assert_eq!(
        text,
        "at,delay,origin,gate,kind,miles,cancelled,note\n\
         2013-01-01T10:15:00Z,-3,EWR,C,on time,1400.5,false,\n\
         2013-01-01T10:15:00Z,-3,EWR,C,on time,1400.5,false,\"said \"\"no\"\",\nand left\"\n"
    );
    assert_eq!(
        read(Csv::new(), text.as_bytes()),
        (vec![departure(), with_note], vec![])
    );
}

#[test]
fn columns_are_found_by_name() {
    let text = b"\xef\xbb\xbfx,note,cancelled,miles,\"kind\",gate,origin,delay,at\r\n\
        1,,false,1400.5,on time,C,EWR,-3,2013-01-01T10:15:00Z\r\n\r\n";
    assert_eq!(read(Csv::new(), text), (vec![departure()], vec![]));
}

#[test]
fn what_is_wrong_is_named_and_not_repeated() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Delay {
        origin: String,
        delay: i8,
    }
    let text = b"origin,delay\nEWR,1\nEWR,secret\nEWR,300\nEWR\n\xff,1\nJFK,2\n";
    let (values, bad) = read::<Delay>(Csv::new(), text);
    assert_eq!(values.len(), 2);
    assert_eq!(
        bad[..3],
        [
            "record 3, byte 19: column `delay`: not a whole number that fits",
            "record 4, byte 30: column `delay`: not a whole number that fits",
            "record 5, byte 38: 1 fields where the header names 2",
        ]
    );
    assert!(bad[3].starts_with("record 6, byte 42: invalid utf-8"));
    let (_, bad) = read::<Delay>(Csv::new(), b"origin,late\nEWR,1\n");
    assert_eq!(bad, ["record 2, byte 12: there is no column `delay`"]);
}

#[test]
fn other_shapes() {
    let text = b"1;one\n2;two\n";
    let mut tuples = Csv::new().without_header().with_delimiter(b';');
    assert_eq!(tuples.decode(&text[..5]), Ok(Some((1, "one".to_owned()))));

    let (maps, _) = read::<BTreeMap<String, String>>(Csv::new(), b"a,b\n1,x\n");
    assert_eq!(maps[0]["a"], "1");

    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: Rest,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Rest {
        b: f64,
        c: Option<u8>,
    }
    let (flat, bad) = read::<Flat>(Csv::new(), b"c,b,a\n,0.5,7\n");
    assert_eq!(
        (flat, bad),
        (
            vec![Flat {
                a: 7,
                rest: Rest { b: 0.5, c: None }
            }],
            vec![]
        )
    );
}

/// A table as RFC 4180 writes it, every field in quotes or only where it must be.
fn table(rows: &[Vec<(String, bool)>]) -> String {
    let field = |(text, quote): &(String, bool)| {
        if *quote || text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.clone()
        }
    };
    let row = |row: &Vec<(String, bool)>| row.iter().map(field).collect::<Vec<_>>().join(",");
    rows.iter().map(|fields| row(fields) + "\n").collect()
}

proptest! {
    #[test]
    fn tables_are_read_as_they_were_written(
        rows in vec(vec(("[ab\",\r\né]{0,6}", any::<bool>()), 1..6), 0..8)
    ) {
        let (values, bad) = read::<Vec<String>>(Csv::new().without_header(), table(&rows).as_bytes());
        prop_assert_eq!(bad, Vec::<String>::new());
        let texts: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.into_iter().map(|(text, _)| text).collect()).collect();
        prop_assert_eq!(&values, &texts);
        let again = write(Csv::new().without_header(), &texts);
        prop_assert_eq!(read::<Vec<String>>(Csv::new().without_header(), again.as_bytes()).0, texts);
    }

    #[test]
    fn arbitrary_bytes_are_split_as_csv_core_does(
        record in vec(prop_oneof![3 => Just(b','), 3 => Just(b'"'), 4 => Just(b'x'), 1 => 14_u8..], 0..30)
    ) {
        let mut splitter = Splitter::new(b',');
        if let Ok(Some(row)) = splitter.split(&record) {
            let fields: Vec<String> = (0..row.len()).map(|n| row.field(n).to_owned()).collect();
            let mut reader = csv_core::ReaderBuilder::new()
                .terminator(csv_core::Terminator::Any(b'\n'))
                .build();
            let (mut text, mut ends) = (vec![0; 64], vec![0; 64]);
            let (result, read, written, done) = reader.read_record(&record, &mut text, &mut ends);
            prop_assert_eq!(result, csv_core::ReadRecordResult::InputEmpty);
            let rest = &record[read..];
            let (_, _, _, more) = reader.read_record(rest, &mut text[written..], &mut ends[done..]);
            let count = done + more;
            let mut start = 0;
            let expected: Vec<String> = ends[..count].iter().map(|&end| {
                let field = String::from_utf8(text[start..end].to_vec()).unwrap();
                start = end;
                field
            }).collect();
            prop_assert_eq!(fields, expected);
        }
    }
}
