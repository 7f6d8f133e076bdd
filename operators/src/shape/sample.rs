//! A part of the keys.

use std::hash::Hash;

use millstream_engine::key::KeyHash;

use crate::pipe::{Filter, Pipe};
use crate::stream::Stream;

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Keeps the records of a part of the keys: of all keys that there may be, about `fraction` (from 0, none, to 1,
    /// all), and of each key all records or none.
    ///
    /// Which keys is fixed: the same in every run, in every flow and on every machine, and those of a smaller fraction
    /// are among those of a larger one. So samples of two streams can be joined. It goes by no clock and keeps no state:
    /// at a checkpoint and at the end there is nothing to do. It fuses.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("clicks", from_iter((0..20_000).map(|n| (n % 10_000, n))))
    ///     .sample(0.01, |(user, _)| *user)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let clicks = results.take();
    /// assert!((150..250).contains(&clicks.len())); // two of each of about a hundred users
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: sampling by a fixed hash, as in Duffield and Grossglauser, *Trajectory sampling*, 2001.
    pub fn sample<K, F>(self, fraction: f64, key: F) -> Stream<T, impl Pipe<In = P::In, Out = T>>
    where
        K: Hash,
        F: Fn(&T) -> K + Clone + Send + 'static,
    {
        self.step("sample", |before| Filter {
            before,
            step: move |record: &T| is_in_sample(&key(record), fraction),
        })
    }
}

fn is_in_sample<K: Hash>(key: &K, fraction: f64) -> bool {
    // Hashed twice: what is kept must not all fall into the same shards and buckets of a table.
    let hash = KeyHash::of(&KeyHash::of(key));
    (hash.0 as f64) < fraction * 2f64.powi(64) || fraction >= 1.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn so_many_keys_are_kept_in_every_shard() {
        for fraction in [0.0, 0.1, 0.5, 1.0] {
            let mut kept = [0u32; 4];
            for key in 0..40_000u32 {
                if is_in_sample(&key, fraction) {
                    kept[KeyHash::of(&key).shard(4).0 as usize] += 1;
                }
            }
            for kept in kept {
                let off = f64::from(kept) - fraction * 10_000.0;
                assert!(off.abs() < 300.0, "{kept} of 10000 for {fraction}");
            }
        }
        assert!((0..1_000).all(|key| is_in_sample(&key, 1.0) && !is_in_sample(&key, 0.0)));
        assert!(!is_in_sample(&1, f64::NAN));
    }

    proptest! {
        #[test]
        fn a_smaller_sample_is_part_of_a_larger(key: u64, a in 0.0..1.0f64, b in 0.0..1.0f64) {
            prop_assert!(!is_in_sample(&key, a.min(b)) || is_in_sample(&key, a.max(b)));
        }
    }
}
