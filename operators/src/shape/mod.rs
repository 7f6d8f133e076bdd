//! Rate and shape: fewer records, later ones, others in order, several in one.
//!
//! | step | what it does | what it goes by | what it keeps |
//! |---|---|---|---|
//! | [`delay`](crate::Stream::delay) | every record some time later | processing time | so many records |
//! | [`throttle`](crate::Stream::throttle) | so many records in a time, the stream waits | processing time | up to two batches |
//! | [`sample`](crate::Stream::sample) | a part of the keys | the key's hash | nothing |
//! | [`sample_latest`](crate::KeyedStream::sample_latest) | the latest of each key, once in a time | processing time | a record for each key |
//! | [`batch`](crate::KeyedStream::batch) | several records in one | number, processing time | the records of a batch |
//! | [`conflate`](crate::KeyedStream::conflate) | records merged into one | whether what follows is behind | up to 1,024 keys, never saved |
//! | [`dedup`](crate::KeyedStream::dedup) | the first of equal ones | the time to live | each key, for so long |
//! | [`sort`](crate::KeyedStream::sort) | records in order | the watermark | what the watermark has not passed |
//! | [`zip_latest`](crate::KeyedStream::zip_latest) | the latest of two streams | the watermark | the same, and the latest of each key for a time to live |
//!
//! What goes by processing time gives other results when the flow runs faster or slower; each says what holds all the
//! same. What goes by event time or by keys gives the same, whatever the schedule and the parallelism; what is late for
//! `sort` and `zip_latest` is counted, and given as a stream by the `…_with_late` of each.
//!
//! By duty: each step has a file of its name, but [`gather`] has both `batch` and `sample_latest`. [`delay`] and
//! [`throttle`] are gates of [`paced`], the operator in front of which records are [`waiting`]. In [`by_time`] lies what
//! [`sort`] and [`zip_latest`] keep until the watermark has passed it.

mod by_time;
mod conflate;
mod dedup;
mod delay;
mod gather;
mod paced;
mod sample;
mod sort;
mod throttle;
mod waiting;
mod zip_latest;
