//! All channels into one task: read in turn, aligned at barriers, their frontiers merged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::{Barrier, Bell, Message, Purpose, Received, Receiver};
use crate::batch::{AnyBatch, PartitionId};
use crate::runtime::Instant;
use crate::source::PartitionNews;
use crate::time::{Frontier, Watermark};

/// The inputs of a task.
///
/// 1. Channels are read in turn, one message each.
/// 2. A channel whose barrier came is left unread until all others' came (ended ones aside). Nothing else
///    leaves a channel unread.
/// 3. The frontier is the lowest promise over the channels that are neither idle nor ended, and never falls.
/// 4. The end comes when every channel has said its own.
pub(crate) struct Inputs {
    channels: Vec<Channel>,
    bell: Arc<Bell>,
    turn: usize,
    frontier: Frontier,
    highest: Option<Watermark>,
    events: VecDeque<Event>,
    /// Whether a channel has come further since `new_times` was asked.
    is_news: bool,
}

struct Channel {
    input: usize,
    receiver: Receiver<Message>,
    frontier: Frontier,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    AtBarrier(Barrier),
    Ended,
}

/// How far time has come on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputTime {
    /// So far.
    Live(Frontier),
    /// It is not waited for any more.
    Ended,
}

/// What a task learns from its inputs.
#[derive(Debug)]
pub(crate) enum Event {
    /// Records on this input.
    Batch {
        input: usize,
        batch: AnyBatch,
        sent: Instant,
    },
    /// Time has come so far over all inputs.
    Frontier(Frontier),
    /// A channel fell idle or ended: to whoever makes watermarks per channel.
    Partition(PartitionNews),
    /// Every channel of this input, one of several, has ended.
    InputEnd(usize),
    /// The barrier has come on every channel.
    Barrier(Barrier),
    /// Every channel has ended.
    End,
    /// A channel closed without an end: its sender failed.
    Orphaned,
}

impl Inputs {
    /// Inputs from these channels, each with the number of the operator's input it belongs to.
    pub(crate) fn new(channels: Vec<(usize, Receiver<Message>)>, bell: Arc<Bell>) -> Self {
        let channels: Vec<_> = channels
            .into_iter()
            .map(|(input, receiver)| Channel {
                input,
                receiver,
                frontier: Frontier::Unknown,
                state: State::Open,
            })
            .collect();
        // An operator that makes time must know whom to wait for before the first of them is ahead.
        let came = |index| {
            let name = format!("input-{index}").into();
            Event::Partition(PartitionNews::Assigned(PartitionId(index as u32), name))
        };
        let events = (0..channels.len()).map(came).collect();
        Inputs {
            channels,
            bell,
            turn: 0,
            frontier: Frontier::Unknown,
            highest: None,
            events,
            is_news: true,
        }
    }

    /// What happened next; `None` while all channels that may be read are empty.
    pub(crate) fn try_next(&mut self) -> Option<Event> {
        for _ in 0..=self.channels.len() {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.channels.is_empty() {
                return None;
            }
            self.turn = (self.turn + 1) % self.channels.len();
            self.read(self.turn);
        }
        self.events.pop_front()
    }

    /// Wakes `waker` when something comes; says whether something is there already.
    pub(crate) fn register(&mut self, waker: &Waker) -> bool {
        self.bell.register(waker);
        !self.events.is_empty()
            || self
                .channels
                .iter()
                .any(|channel| channel.state == State::Open && channel.receiver.is_ready())
    }

    /// How far time has come on each channel.
    pub(crate) fn times(&self) -> impl Iterator<Item = InputTime> {
        let time = |channel: &Channel| match channel.state {
            State::Ended => InputTime::Ended,
            State::Open | State::AtBarrier(_) => InputTime::Live(channel.frontier),
        };
        self.channels.iter().map(time)
    }

    /// The same, if it has changed since this was asked last.
    pub(crate) fn new_times(&mut self) -> Option<impl Iterator<Item = InputTime>> {
        std::mem::take(&mut self.is_news).then(|| self.times())
    }

    fn read(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        if channel.state != State::Open {
            return;
        }
        let received = channel.receiver.try_recv();
        self.is_news |= matches!(
            received,
            Received::Message(Message::Watermark(_) | Message::Idle | Message::End)
        );
        match received {
            Received::Empty => {}
            Received::Closed => self.events.push_back(Event::Orphaned),
            Received::Message(Message::Batch(mut batch, sent)) => {
                batch.set_partition(PartitionId(index as u32));
                let input = channel.input;
                self.events.push_back(Event::Batch { input, batch, sent });
            }
            Received::Message(Message::Watermark(watermark)) => {
                channel.frontier = Frontier::At(watermark);
                self.merge_frontiers(Some(watermark.arrival));
            }
            Received::Message(Message::Idle) => {
                channel.frontier = Frontier::Idle;
                let idle = PartitionNews::Idle(PartitionId(index as u32));
                self.events.push_back(Event::Partition(idle));
                self.merge_frontiers(None);
            }
            Received::Message(Message::Barrier(barrier)) => {
                channel.state = State::AtBarrier(barrier);
                self.align();
            }
            Received::Message(Message::End) => {
                channel.state = State::Ended;
                let gone = PartitionNews::Revoked(PartitionId(index as u32));
                self.events.push_back(Event::Partition(gone));
                self.tell_input_end(self.channels[index].input);
                if self
                    .channels
                    .iter()
                    .all(|channel| channel.state == State::Ended)
                {
                    self.events.push_back(Event::End);
                } else {
                    self.merge_frontiers(None);
                    self.align();
                }
            }
        }
    }

    /// Tells that an input has ended if its last channel has, and there are others.
    fn tell_input_end(&mut self, input: usize) {
        let (own, others): (Vec<_>, Vec<_>) = self
            .channels
            .iter()
            .partition(|channel| channel.input == input);
        if !others.is_empty() && own.iter().all(|channel| channel.state == State::Ended) {
            self.events.push_back(Event::InputEnd(input));
        }
    }

    /// Tells of the merged frontier if that has moved. What moved it arrived at `moved_by`, whichever channel
    /// is the lowest now; without one, it was a channel that need not be waited for any more.
    fn merge_frontiers(&mut self, moved_by: Option<Instant>) {
        let merged = self
            .channels
            .iter()
            .filter(|channel| channel.state != State::Ended)
            .fold(Frontier::Idle, |merged, channel| {
                merged.merge(channel.frontier)
            });
        let told = match merged {
            Frontier::At(now) => {
                // An input that wakes up behind what was promised meanwhile cannot take it back.
                let highest = self.highest.filter(|highest| highest.time >= now.time);
                let arrival = moved_by.unwrap_or(now.arrival);
                Frontier::At(highest.unwrap_or(Watermark { arrival, ..now }))
            }
            other => other,
        };
        if told != self.frontier && told != Frontier::Unknown {
            self.frontier = told;
            self.highest = told.watermark().or(self.highest);
            self.events.push_back(Event::Frontier(told));
        }
    }

    /// Lets all channels go on once every one that is open has come to the barrier.
    fn align(&mut self) {
        let mut barrier = None;
        for channel in &self.channels {
            match channel.state {
                State::Open => return,
                State::AtBarrier(at) => barrier = Some(at),
                State::Ended => {}
            }
        }
        let Some(barrier) = barrier else { return };
        let next = match barrier.purpose {
            Purpose::Commit => State::Open,
            Purpose::Stop => State::Ended,
        };
        for channel in &mut self.channels {
            if channel.state != State::Ended {
                channel.state = next;
            }
        }
        self.events.push_back(Event::Barrier(barrier));
    }
}

#[cfg(test)]
mod tests;
