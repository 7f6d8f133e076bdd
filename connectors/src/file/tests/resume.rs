//! Bounded files read by several readers, stopped anywhere, and resumed with another number of them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::read::gzip;
use super::*;
use crate::File;
use crate::codec::{Json, ReadFormat};
use crate::file::FileReader;
use crate::framing::Lines;

/// One run: how many readers, and which of them does what, in turn.
#[derive(Clone, Debug)]
struct Run {
    readers: usize,
    steps: Vec<(usize, Step)>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Read,
    /// Its barrier comes by: from here on what it reads belongs to the next epoch.
    Stop,
}

fn run() -> impl Strategy<Value = Run> {
    let step = prop_oneof![8 => Just(Step::Read), 1 => Just(Step::Stop)];
    (1_usize..5, vec((0_usize..8, step), 0..60)).prop_map(|(readers, steps)| Run { readers, steps })
}

type Reader = FileReader<Lines, Json<u64>>;

/// What came of it: values, and where bad records were.
#[derive(Debug, Default, PartialEq)]
struct Found {
    values: Vec<u64>,
    bad: Vec<String>,
}

impl Found {
    /// Reads once; `false` at the end.
    async fn read(&mut self, reader: &mut Reader) -> bool {
        let mut intake = Intake::new();
        let read = reader.read(&mut intake).await.unwrap();
        let (values, bad) = (intake.take_values(), intake.take_bad());
        assert!(read == Read::End || !values.is_empty() || !bad.is_empty());
        self.values.extend(values);
        self.bad
            .extend(bad.into_iter().map(|bad| bad.origin + &bad.position));
        read == Read::More
    }

    fn sorted(mut self) -> Self {
        self.values.sort_unstable();
        self.bad.sort();
        self
    }
}

fn source(folder: &Folder, chunk: usize) -> crate::file::FileSource<Lines, Json<u64>> {
    let lines = Lines::new().with_max(30);
    File::open(folder.0.clone())
        .with_chunk(chunk)
        .framed(lines, Json::new())
}

/// Reads as the runs say, each behind the positions of the one before, and then to the end.
async fn read_in_runs(folder: &Folder, chunk: usize, runs: &[Run]) -> Found {
    let mut all = Found::default();
    let mut positions = None;
    for run in runs {
        let mut readers = open(source(folder, chunk), run.readers, positions)
            .await
            .unwrap();
        let mut stopped: Vec<Option<Vec<Position>>> = vec![None; run.readers];
        let mut ended = vec![false; run.readers];
        for (reader, step) in &run.steps {
            let reader = reader % run.readers;
            if let Step::Stop = step {
                stopped[reader].get_or_insert_with(|| readers[reader].positions());
            } else if !ended[reader] {
                let mut read = Found::default();
                ended[reader] = !read.read(&mut readers[reader]).await;
                if stopped[reader].is_none() {
                    all.values.extend(read.values);
                    all.bad.extend(read.bad);
                }
            }
        }
        let told = readers.iter().zip(stopped);
        let told = told.flat_map(|(reader, told)| told.unwrap_or_else(|| reader.positions()));
        positions = Some(told.collect());
    }
    let mut readers = open(source(folder, chunk), 2, positions).await.unwrap();
    let mut more = vec![true; readers.len()];
    while more.contains(&true) {
        for (reader, more) in readers.iter_mut().zip(&mut more) {
            if *more {
                *more = all.read(reader).await;
            }
        }
    }
    all.sorted()
}

/// Lines that count up, some of them too long or no number, in files some of which are packed.
fn files(sizes: &[(usize, bool)]) -> (Folder, Found) {
    let folder = Folder::new();
    let mut found = Found::default();
    let mut next = 0;
    for (n, (lines, packed)) in sizes.iter().enumerate() {
        let mut text = String::new();
        let path = folder.path(&format!("{n}"));
        for _ in 0..*lines {
            next += 1;
            if next % 7 == 0 {
                found
                    .bad
                    .push(format!("{}byte {}", path.display(), text.len()));
                let bad = if next % 2 == 0 {
                    "x".repeat(50)
                } else {
                    "bad".to_owned()
                };
                text += &format!("{bad}\n");
            } else {
                found.values.push(next);
                text += &format!("{next}\n");
            }
        }
        match packed {
            true => folder.write(&format!("{n}"), gzip(text.as_bytes())),
            false => folder.write(&format!("{n}"), text),
        };
    }
    (folder, found.sorted())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_is_lost_or_doubled(
        sizes in vec((0_usize..120, any::<bool>()), 1..4),
        chunk in prop_oneof![1_usize..20, 20_usize..400],
        runs in vec(run(), 0..4),
        seed in any::<u64>(),
    ) {
        let (folder, expected) = files(&sizes);
        let found = runtime::simulate(seed, read_in_runs(&folder, chunk, &runs)).unwrap();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_piece_can_be_left_in_its_middle(runs in vec(run(), 1..4), seed in any::<u64>()) {
        let (folder, expected) = files(&[(3_000, false), (2_000, true)]);
        let found = runtime::simulate(seed, read_in_runs(&folder, 8_000, &runs)).unwrap();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn any_number_of_readers_reads_the_same_and_each_in_order() {
    let (folder, expected) = files(&[(20_000, false), (0, false), (9_000, true)]);
    for parallelism in [1, 2, 4] {
        // On real threads: the readers race for the pieces.
        let found = runtime::block_on(async {
            let readers = open(source(&folder, 4_000), parallelism, None)
                .await
                .unwrap();
            let tasks: Vec<_> = readers
                .into_iter()
                .map(|mut reader| {
                    runtime::spawn(async move {
                        let mut found = Found::default();
                        while found.read(&mut reader).await {}
                        assert!(found.values.is_sorted());
                        found
                    })
                })
                .collect();
            let mut all = Found::default();
            for task in tasks {
                let found = task.await.unwrap();
                all.values.extend(found.values);
                all.bad.extend(found.bad);
            }
            all.sorted()
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn a_read_that_is_given_up_loses_nothing() {
    let (folder, expected) = files(&[(500, false)]);
    let found = simulated(async {
        let mut reader = open(source(&folder, 50), 1, None).await.unwrap().remove(0);
        let mut found = Found::default();
        loop {
            let mut intake = Intake::new();
            let nothing = std::time::Duration::from_nanos(1);
            let Some(read) = runtime::timeout(nothing, reader.read(&mut intake)).await else {
                assert!(intake.is_empty());
                continue;
            };
            let (values, bad) = (intake.take_values(), intake.take_bad());
            found.values.extend(values);
            found
                .bad
                .extend(bad.into_iter().map(|bad| bad.origin + &bad.position));
            if read.unwrap() == Read::End {
                return found;
            }
        }
    });
    assert_eq!(found.sorted(), expected);
}

#[test]
fn a_file_that_is_gone_cannot_be_resumed() {
    let (folder, _) = files(&[(100, false), (100, false)]);
    simulated(async {
        let mut reader = open(source(&folder, 10), 1, None).await.unwrap().remove(0);
        Found::default().read(&mut reader).await;
        std::fs::remove_file(folder.path("0")).unwrap();
        let positions = Some(reader.positions());
        let error = open(source(&folder, 10), 1, positions)
            .await
            .map(drop)
            .unwrap_err();
        assert!(error.to_string().contains("is gone"), "{error}");
    });
}
