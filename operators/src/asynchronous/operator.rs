//! The operator behind every asynchronous step.

use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

use millstream_engine::batch::{AnyBatch, PartitionId};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::plan::Replica;
use millstream_engine::random::SplitMix64;
use millstream_engine::runtime::Instant;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::{Frontier, Watermark};
use millstream_engine::why::{Explanation, Until, Wait};
use millstream_engine::{Error, Result, runtime};

use super::ask::{Call, Reply};
use super::calls::Calls;
use super::failure::{CallError, FailedCall, OnFailure, fatal};
use super::keying::Keying;
use super::lines::Lines;
use super::pool::{CallPool, Landing, Slot};
use super::retry::{Retry, jitter};
use super::times::{HeldTimes, Stamp};
use crate::pipe::Pipe;
use crate::rate::Bucket;

/// How often `poll` looks into calls before it lets the task do something else.
const TURNS: u32 = 256;

type Answer<S, C> = <<<C as Call<S>>::Future as Future>::Output as Reply>::Answer;
pub(super) type Failure<S, C> = <<<C as Call<S>>::Future as Future>::Output as Reply>::Error;

/// What one replica may do, and what it does when it fails.
pub(super) struct Terms<T, E> {
    replica: usize,
    most: usize,
    in_order: bool,
    timeout: Option<Duration>,
    retry: Option<Retry>,
    bucket: Option<Bucket>,
    /// Copies a record that may be needed once more.
    keep: fn(&T) -> Option<T>,
    on_failure: OnFailure<E>,
}

impl<T, E> Terms<T, E> {
    pub(super) fn new<R>(
        calls: &Calls<R>,
        replica: &Replica,
        keep: fn(&T) -> Option<T>,
        on_failure: OnFailure<E>,
    ) -> Self {
        let (index, parallelism) = (replica.index, replica.parallelism);
        Terms {
            replica: index,
            most: calls.share(index, parallelism),
            in_order: calls.in_order,
            timeout: calls.timeout,
            retry: calls.retry,
            bucket: calls.rate.map(|rate| rate.bucket(index, parallelism)),
            keep,
            on_failure,
        }
    }
}

/// Calls for records, with their answers put out.
pub(super) struct AsyncCalls<P: Pipe, S: Keying<Record = P::Out>, C: Call<S>> {
    pipe: P,
    call: C,
    terms: Terms<S::Value, Failure<S, C>>,
    /// What came while there was no room: the rest of one batch.
    waiting: VecDeque<(S::Label, S::Value, Stamp)>,
    lines: Lines<S::Label, InLine<S::Value, Answer<S, C>, Failure<S, C>>>,
    pool: CallPool<C::Future>,
    /// Records whose calls have begun and whose answers have not gone on.
    begun: usize,
    /// Whose answer may be the next to go on.
    next: Option<Slot>,
    times: HeldTimes,
    watermark: Option<Watermark>,
    jitter: Option<SplitMix64>,
}

/// A record from its place in line to its answer.
struct InLine<T, U, E> {
    stamp: Stamp,
    /// The record, until its call begins; then the copy for the next attempt.
    value: Option<T>,
    attempts: u32,
    /// It has waited for its turn under the rate limit.
    has_token: bool,
    outcome: Option<Result<U, CallError<E>>>,
}

impl<P, S, C> AsyncCalls<P, S, C>
where
    P: Pipe,
    S: Keying<Record = P::Out>,
    C: Call<S>,
{
    pub(super) fn new(pipe: P, call: C, terms: Terms<S::Value, Failure<S, C>>) -> Self {
        AsyncCalls {
            pipe,
            call,
            waiting: VecDeque::new(),
            lines: Lines::new(terms.in_order || C::ONE_BY_ONE),
            pool: CallPool::new(),
            begun: 0,
            next: None,
            times: HeldTimes::default(),
            watermark: None,
            jitter: None,
            terms,
        }
    }

    /// How many records may be in line: where one waits for another, as many again as there may be calls.
    fn most_in_line(&self) -> usize {
        match C::ONE_BY_ONE {
            true => self.terms.most.saturating_mul(2),
            false => self.terms.most,
        }
    }

    /// Lets in what has room.
    fn admit(&mut self) -> Result<()> {
        while self.lines.len() < self.most_in_line()
            && let Some((label, ..)) = self.waiting.front()
        {
            let waits = C::ONE_BY_ONE && self.lines.has(label);
            if !waits && self.begun >= self.terms.most {
                break;
            }
            let Some((label, value, stamp)) = self.waiting.pop_front() else {
                break;
            };
            let record = InLine {
                stamp,
                value: Some(value),
                attempts: 0,
                has_token: false,
                outcome: None,
            };
            let slot = self.lines.join(label, record);
            if !waits {
                self.begun += 1;
                self.attempt(slot)?;
            }
        }
        Ok(())
    }

    /// Makes the call of this slot, as soon as the rate limit allows it.
    fn attempt(&mut self, slot: Slot) -> Result<()> {
        let (label, record) = self.lines.get_mut(slot).ok_or_else(nobody)?;
        if let Some(bucket) = &mut self.terms.bucket
            && !record.has_token
        {
            record.has_token = true;
            let pause = bucket.take(runtime::now());
            if !pause.is_zero() {
                self.pool.pause(slot, pause);
                return Ok(());
            }
        }
        let value = record.value.take().ok_or_else(nobody)?;
        record.value = (self.terms.keep)(&value);
        record.has_token = false;
        record.attempts += 1;
        let call = self.call.begin(slot, label, value);
        self.pool.start(slot, call, self.terms.timeout);
        Ok(())
    }

    /// Something has happened in this slot.
    fn land(
        &mut self,
        slot: Slot,
        landing: Landing<<C::Future as Future>::Output>,
        out: &Outbox,
    ) -> Result<()> {
        let (label, record) = self.lines.get_mut(slot).ok_or_else(nobody)?;
        let outcome = match landing {
            Landing::Due => return self.attempt(slot),
            Landing::Answered(reply) => reply.read().map_err(CallError::Failed),
            Landing::TimedOut => Err(CallError::TimedOut),
        };
        self.call.ended(slot, label)?;
        if let Err(error) = outcome {
            let failed = record.attempts;
            if let Some(retry) = self.terms.retry {
                let seed = || jitter(out.processing_time(), self.terms.replica);
                let drawn = self.jitter.get_or_insert_with(seed).number();
                if let Some(pause) = retry.pause(failed, drawn) {
                    self.pool.pause(slot, pause);
                    return Ok(());
                }
            }
            if let OnFailure::Fail(cause) = self.terms.on_failure {
                return Err(fatal(error, failed, cause));
            }
            record.outcome = Some(Err(error));
        } else {
            record.outcome = Some(outcome);
        }
        self.next = Some(slot);
        Ok(())
    }

    /// Puts out the answer in this slot, if it has one that need not wait; then it is for the next in its line.
    fn give(&mut self, slot: Slot, arrival: &mut Option<Instant>, out: &mut Outbox) -> Result<()> {
        self.next = None;
        let (_, record) = self.lines.get_mut(slot).ok_or_else(nobody)?;
        if record.outcome.is_none() || !self.lines.is_first(slot) {
            return Ok(());
        }
        let (label, record, next) = self.lines.leave(slot).ok_or_else(nobody)?;
        self.begun -= 1;
        if let Some(next) = next {
            if C::ONE_BY_ONE {
                self.begun += 1;
                self.attempt(next)?;
            } else {
                self.next = Some(next);
            }
        }
        let stamp = record.stamp;
        self.times.release(&stamp);
        if arrival.replace(stamp.arrival) != Some(stamp.arrival) {
            out.begin(stamp.arrival, PartitionId(0));
        }
        out.note_answered(stamp.since);
        match record.outcome {
            Some(Ok(answer)) => S::give(out, 0, label, answer, stamp.time)?,
            Some(Err(error)) => {
                out.count_bad(1);
                if let OnFailure::GiveBack = self.terms.on_failure {
                    let failed = FailedCall {
                        record: record.value.ok_or_else(nobody)?,
                        error,
                        attempts: record.attempts,
                    };
                    S::give(out, 1, label, failed, stamp.time)?;
                }
            }
            None => {}
        }
        Ok(())
    }
}

/// In the words of [`why`](millstream_engine::why).
fn told(stamp: &Stamp, attempts: u32) -> String {
    let time = stamp.time;
    match attempts {
        0 => format!("the call for the record of {time}, not begun yet"),
        1 => format!("the call for the record of {time}"),
        _ => format!("attempt {attempts} of the call for the record of {time}"),
    }
}

fn nobody() -> Error {
    Error::internal("an asynchronous call without its record")
}

impl<P, S, C> Operator for AsyncCalls<P, S, C>
where
    P: Pipe,
    S: Keying<Record = P::Out>,
    C: Call<S>,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, _out: &mut Outbox) -> Result<()> {
        let batch = batch.of::<P::In>()?;
        let (arrival, since) = (batch.arrival, runtime::now());
        for record in batch.records.drain(..) {
            let (watermark, times, waiting) = (self.watermark, &mut self.times, &mut self.waiting);
            self.pipe
                .push(record.value, record.time, &mut |record, time| {
                    let (label, value) = S::open(record);
                    let stamp = times.stamp(time, arrival, since, watermark);
                    waiting.push_back((label, value, stamp));
                });
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, _out: &mut Outbox) -> Result<Step> {
        self.watermark = Some(watermark);
        Ok(Step::Done)
    }

    fn frontier(&self, input: Frontier) -> Frontier {
        input.held_at(self.times.lowest(), self.watermark)
    }

    fn poll(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<Result<()>> {
        self.pool.register(cx.waker());
        let (mut turns, mut arrival) = (TURNS, None);
        loop {
            if out.is_full() {
                // The task sends what there is and calls again.
                return Poll::Pending;
            }
            if let Some(slot) = self.next {
                self.give(slot, &mut arrival, out)?;
                continue;
            }
            self.admit()?;
            if let Some((slot, landing)) = self.pool.next(&mut turns) {
                self.land(slot, landing, out)?;
            } else if turns == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            } else if self.lines.len() == 0 {
                return Poll::Ready(Ok(()));
            } else {
                return Poll::Pending;
            }
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.lines.len() < self.most_in_line()
    }

    /// Tells of the call that holds time back, and of the one that takes longest.
    fn explain(&self, why: &mut Explanation) {
        let begun = self.lines.iter();
        let begun = begun.map(|line| (&line.stamp, line.attempts, line.outcome.is_some()));
        let waiting = self.waiting.iter().map(|(.., stamp)| (stamp, 0, false));
        let all = || begun.clone().chain(waiting.clone());
        let unanswered = || all().filter(|(.., has_answer)| !has_answer);
        let oldest = unanswered().min_by_key(|(stamp, ..)| stamp.since);
        let holds = all().filter(|(stamp, ..)| stamp.holds);
        // What has its answer waits for another one, before it in its line.
        let holds = holds.min_by_key(|(stamp, ..)| (stamp.time, stamp.since));
        let holds = holds.filter(|(.., has_answer)| !has_answer);
        let is_another = |(stamp, ..): &(&Stamp, u32, bool)| {
            oldest.is_none_or(|(oldest, ..)| !std::ptr::eq(oldest, *stamp))
        };
        for (stamp, attempts, _) in holds.filter(is_another).into_iter().chain(oldest) {
            let wait = Wait::new(told(stamp, attempts), Until::Answer);
            let age = why.age_of(stamp.since);
            why.waits(wait.first_of(unanswered().count()).with_age(age));
        }
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.call.snapshot(state)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.call.restore(state)
    }
}
