//! Distinct values, counted in little memory.

use std::hash::Hash;

use millstream_engine::key::KeyHash;

use super::Aggregate;
use super::hyper_log_log::HyperLogLog;

/// About how many distinct values of `f` there are, by HyperLogLog.
///
/// The relative standard error is 1.04 / √2^[precision](ApproxCountDistinct::with_precision): 0.81 % by default. (Two
/// of three results are within it, 99.7 % within three times as much.) Few values are counted exactly, up to 2^precision / 32
/// of them: 512 by default.
///
/// It keeps at most 2^precision bytes, 16 KiB by default, and less while there are few values. The same records come
/// to the same number in whatever parts and order: the hash is fixed ([`KeyHash`]).
///
/// Of a long text, give its hash, to spare a copy: `approx_count_distinct(|visit: &Visit| KeyHash::of(&visit.url))`.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_operators::approx_count_distinct;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("visits", from_iter((0..100_000).map(|n| n % 20_000)))
///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
///     .key_by(|_| "page".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate("visitors", approx_count_distinct(|visitor: &u64| *visitor))
///     .map(|_, result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert!((19_500..20_500).contains(&results.take()[0]));
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: Flajolet et al., *HyperLogLog*, 2007; Heule et al., *HyperLogLog in Practice*, EDBT 2013; the estimator is
/// that of Ertl, *New cardinality estimation algorithms for HyperLogLog sketches*, 2017.
pub fn approx_count_distinct<T, V: Hash, F: Fn(&T) -> V>(f: F) -> ApproxCountDistinct<F> {
    ApproxCountDistinct { f, precision: 14 }
}

/// See [`approx_count_distinct`].
#[derive(Clone, Copy, Debug)]
pub struct ApproxCountDistinct<F> {
    f: F,
    precision: u8,
}

impl<F> ApproxCountDistinct<F> {
    /// Keeps up to 2^precision bytes for an error of 1.04 / √2^precision: from 4 (16 bytes, 26 %) to 18 (256 KiB,
    /// 0.2 %); default 14.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::approx_count_distinct;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("visits", from_iter((0..20_000u64).map(|n| n % 1_000)))
    ///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
    ///     .window_all(Tumbling::of(minutes(1)))
    ///     .aggregate("visitors", approx_count_distinct(|visitor: &u64| *visitor).with_precision(10))
    ///     .map(|(), result| result.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert!((900..1_100).contains(&results.take()[0])); // in a kilobyte
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub fn with_precision(mut self, precision: u8) -> Self {
        self.precision = precision.clamp(4, 18);
        self
    }
}

impl<T, V, F> Aggregate<T> for ApproxCountDistinct<F>
where
    V: Hash,
    F: Fn(&T) -> V + Clone + Send + 'static,
{
    type State = HyperLogLog;
    type Out = u64;

    fn init(&self, first: &T) -> HyperLogLog {
        let mut state = HyperLogLog::new(self.precision);
        self.add(&mut state, first);
        state
    }
    #[inline]
    fn add(&self, state: &mut HyperLogLog, value: &T) {
        state.insert(KeyHash::of(&(self.f)(value)).0);
    }
    fn merge(&self, state: &mut HyperLogLog, other: HyperLogLog) {
        state.merge(other);
    }
    fn finish(&self, state: HyperLogLog) -> u64 {
        state.estimate().round() as u64
    }
}
