use millstream_engine::batch::{Batch, Record};
use millstream_engine::outbox::PortMaker;
use millstream_engine::runtime::Instant;

use super::*;
use crate::testing::at;

fn run(name: &str, mut operator: impl Operator, keys: u64, per_micro: u64, total: u64) {
    type Counted = Keyed<u64, WindowResult<u64, u64>>;
    let mut out = Outbox::new(vec![PortMaker::moving::<Counted>().make_single()]);
    let mut results = 0;
    let mut spent = Duration::ZERO;
    let mut fire = Duration::ZERO;
    let mut x = 1u64;
    let mut n = 0;
    let mut last = 0;
    while n < total {
        let mut batch = Batch::new(Instant::from_nanos(0));
        for _ in 0..1024 {
            x = x
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let key = (x >> 33) % keys;
            batch.records.push(Record {
                time: at((n / per_micro) as i64),
                value: Keyed::new(key, ()),
            });
            n += 1;
        }
        let mut batch = AnyBatch::new(batch);
        let t = std::time::Instant::now();
        operator.on_batch(0, &mut batch, &mut out).unwrap();
        spent += t.elapsed();
        let w = (n / per_micro) as i64;
        if w > last {
            last = w;
            let watermark = Watermark {
                time: at(w),
                arrival: Instant::from_nanos(0),
            };
            loop {
                let t = std::time::Instant::now();
                let step = operator.on_watermark(watermark, &mut out).unwrap();
                fire += t.elapsed();
                let mut sealed = Vec::new();
                for port in out.ports_mut() {
                    port.seal_all();
                    port.take_sealed(&mut sealed);
                }
                results += sealed.iter().map(|s| s.batch.len()).sum::<usize>();
                if step == Step::Done {
                    break;
                }
            }
        }
    }
    eprintln!(
        "{name}: {} ns/record on_batch, {} ns/record fire, {results} results, {} ns/result",
        spent.as_nanos() as u64 / n,
        fire.as_nanos() as u64 / n,
        fire.as_nanos() as u64 / results.max(1) as u64
    );
}

#[test]
#[ignore]
fn cost() {
    use crate::window::once::WindowAggregate;
    let total = 8_000_000;
    for keys in [10_000u64, 100_000, 1_000_000] {
        // ten records per key and window
        let per_micro = keys / 100; // window of 1000 us has 10 * keys records
        let size = micros(1000);
        run(
            &format!("{keys} once"),
            WindowAggregate::<u64, (), _>::new(Tumbling::of(size), count(), false),
            keys,
            per_micro,
            total,
        );
        let g = |w: Wishes| {
            GeneralWindows::<u64, (), _>::new(
                Rules {
                    gives_late: false,
                    ..rules(&Tumbling::of(size), w)
                },
                count(),
            )
        };
        run(
            &format!("{keys} general tumbling"),
            g(plain()),
            keys,
            per_micro,
            total,
        );
        run(
            &format!("{keys} general late 500"),
            g(Wishes {
                lateness: 500,
                ..plain()
            }),
            keys,
            per_micro,
            total,
        );
        run(
            &format!("{keys} general early by 100"),
            g(Wishes {
                trigger: Trigger::at_watermark().early(Every::time(micros(100))),
                ..plain()
            }),
            keys,
            per_micro,
            total,
        );
        let s =
            GeneralWindows::<u64, (), _>::new(rules(&Session::gap(micros(300)), plain()), count());
        run(&format!("{keys} sessions"), s, keys, per_micro, total);
        if keys < 1_000_000 {
            let s = GeneralWindows::<u64, (), _>::new(
                rules(&Sliding::of(size, micros(100)), plain()),
                count(),
            );
            run(&format!("{keys} sliding 10"), s, keys, per_micro, total);
        }
    }
}
