use millstream_engine::ErrorKind;
use millstream_engine::runtime::{Instant, block_on, simulate};

use super::*;

type Numbers = Generator<(u64, u64)>;

fn numbers(count: u64) -> Numbers {
    Generator::new(|index, random| (index, random.number()))
        .with_seed(9)
        .with_count(count)
}

async fn open(generator: &Numbers, setup: SourceSetup) -> Vec<GeneratorReader<(u64, u64)>> {
    generator.clone().open(setup).await.unwrap()
}

/// One call of `read`: the values and when the oldest of them was due, or `None` at the end.
async fn read<T: Send + 'static>(reader: &mut GeneratorReader<T>) -> Option<(Vec<T>, Instant)> {
    let mut intake = Intake::new();
    match reader.read(&mut intake).await.unwrap() {
        Read::End => None,
        Read::More => {
            assert!(!intake.is_empty());
            let arrival = intake.arrival().unwrap();
            Some((intake.take_values(), arrival))
        }
    }
}

async fn read_all(readers: &mut [GeneratorReader<(u64, u64)>]) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    for reader in readers {
        while let Some((values, _)) = read(reader).await {
            all.extend(values);
        }
    }
    all
}

fn sorted(mut values: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    values.sort_unstable();
    values
}

#[test]
fn every_parallelism_makes_the_same_records() {
    block_on(async {
        let generator = numbers(2_000);
        let alone = read_all(&mut open(&generator, SourceSetup::first("g", 1)).await).await;
        assert!(alone.iter().map(|&(index, _)| index).eq(0..2_000));
        let shared = read_all(&mut open(&generator, SourceSetup::first("g", 3)).await).await;
        assert_eq!(sorted(shared), alone);
        let reseeded = generator.with_seed(10);
        let other = read_all(&mut open(&reseeded, SourceSetup::first("g", 1)).await).await;
        assert_ne!(other, alone);
    });
}

#[test]
fn it_goes_on_with_another_parallelism() {
    block_on(async {
        let generator = numbers(10_000);
        let alone = read_all(&mut open(&generator, SourceSetup::first("g", 1)).await).await;
        let mut made = Vec::new();
        let mut setup = SourceSetup::first("g", 3);
        for (parallelism, turns) in [(2, [4, 0, 1]), (4, [1, 3, 0]), (1, [99, 99, 99])] {
            let mut readers = open(&generator, setup).await;
            for (reader, turns) in readers.iter_mut().zip(turns) {
                for _ in 0..turns {
                    made.extend(
                        read(reader)
                            .await
                            .into_iter()
                            .flat_map(|(values, _)| values),
                    );
                }
            }
            let positions = readers.iter().flat_map(SourceReader::positions).collect();
            setup = SourceSetup::first("g", parallelism).resumed(positions);
        }
        assert_eq!(
            made.len(),
            made.iter().collect::<std::collections::BTreeSet<_>>().len()
        );
        made.extend(read_all(&mut open(&generator, setup).await).await);
        assert_eq!(sorted(made), alone);
    });
}

#[test]
fn at_a_low_rate_each_record_leaves_when_it_is_due() {
    simulate(1, async {
        let generator = numbers(5).with_rate(100);
        let mut readers = open(&generator, SourceSetup::first("g", 1)).await;
        let start = runtime::now();
        for index in 0..5 {
            let (values, due) = read(&mut readers[0]).await.unwrap();
            assert_eq!(values.len(), 1);
            assert_eq!(values[0].0, index);
            assert_eq!(due, start + Duration::from_millis(10 * index));
            assert!(runtime::now() - due < Duration::from_micros(100));
        }
        assert!(read(&mut readers[0]).await.is_none());
    })
    .unwrap();
}

#[test]
fn at_a_high_rate_the_records_of_a_tick_leave_together() {
    simulate(1, async {
        let generator = numbers(1_000).with_rate(100_000);
        let mut readers = open(&generator, SourceSetup::first("g", 1)).await;
        let start = runtime::now();
        let mut made = 0;
        while let Some((values, due)) = read(&mut readers[0]).await {
            assert!((1..=110).contains(&values.len()), "{}", values.len());
            assert_eq!(due, start + Duration::from_micros(10 * made));
            made += values.len() as u64;
        }
        assert_eq!(made, 1_000);
    })
    .unwrap();
}

#[test]
fn without_a_tick_nothing_waits_for_others() {
    simulate(1, async {
        let generator = numbers(100).with_rate(20_000).with_tick(Duration::ZERO);
        let mut readers = open(&generator, SourceSetup::first("g", 1)).await;
        while let Some((_, due)) = read(&mut readers[0]).await {
            assert!(runtime::now() - due < Duration::from_micros(100));
        }
    })
    .unwrap();
}

#[test]
fn after_a_stall_it_catches_up_and_the_stamps_tell_of_it() {
    simulate(1, async {
        let generator = numbers(u64::MAX).with_rate(1_000);
        let mut readers = open(&generator, SourceSetup::first("g", 2)).await;
        let start = runtime::now();
        read(&mut readers[0]).await.unwrap();
        runtime::sleep(Duration::from_secs(10)).await;
        let mut missed = Vec::new();
        for _ in 0..10 {
            let (values, due) = read(&mut readers[0]).await.unwrap();
            assert_eq!(due, start + Duration::from_millis(values[0].0));
            missed.extend(values.into_iter().map(|(index, _)| index));
        }
        assert!(missed.into_iter().eq((2..=10_000).step_by(2)));
    })
    .unwrap();
}

#[test]
fn a_dropped_read_loses_nothing() {
    simulate(1, async {
        let generator = numbers(10).with_rate(10);
        let mut readers = open(&generator, SourceSetup::first("g", 1)).await;
        let mut made = Vec::new();
        loop {
            let patience = Duration::from_millis(30);
            match runtime::timeout(patience, read(&mut readers[0])).await {
                None => {}
                Some(Some((values, _))) => made.extend(values),
                Some(None) => break,
            }
        }
        assert!(made.into_iter().map(|(index, _)| index).eq(0..10));
    })
    .unwrap();
}

#[test]
fn a_rate_that_is_none_is_refused() {
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let opened = numbers(1).with_rate(rate).open(SourceSetup::first("g", 1));
        let error = block_on(opened).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
