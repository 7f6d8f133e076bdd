//! Where operators leave their output.

mod port;
mod spread;

pub use port::{AnyPort, Port, PortMaker, Sealed};
pub(crate) use spread::{EdgeShape, Spread, full_batch};

use std::time::Duration;

use crate::batch::PartitionId;
use crate::error::{Error, Result};
use crate::runtime::Instant;
use crate::time::Timestamp;

/// The outputs of one operator. It pushes records into its [`Port`]s; the task sends them.
pub struct Outbox {
    ports: Vec<Box<dyn AnyPort>>,
    late: u64,
    untimed: u64,
    bad: u64,
    ahead: u64,
    repeats: u64,
    arrival: Instant,
    processing_time: Timestamp,
    waited: Duration,
    held: Vec<(Duration, u64)>,
    answered: Vec<Instant>,
}

impl Outbox {
    /// An outbox with these ports.
    pub fn new(ports: Vec<Box<dyn AnyPort>>) -> Self {
        Outbox {
            ports,
            late: 0,
            untimed: 0,
            bad: 0,
            ahead: 0,
            repeats: 0,
            arrival: Instant::from_nanos(0),
            processing_time: Timestamp::MIN,
            waited: Duration::ZERO,
            held: Vec::new(),
            answered: Vec::new(),
        }
    }

    /// The output number `index`, which carries `T`.
    ///
    /// # Errors
    /// It does not exist or carries something else: the graph was wired wrongly.
    pub fn port<T: Send + 'static>(&mut self, index: usize) -> Result<&mut Port<T>> {
        self.ports
            .get_mut(index)
            .and_then(|port| port.as_any().downcast_mut())
            .ok_or_else(|| Error::internal(format!("no output {index} of this type")))
    }

    /// The wall clock at the time of the call, for what goes by processing time. It never goes back, and goes on though the
    /// wall clock is set back: [`runtime::processing_time`](crate::runtime::processing_time).
    pub fn processing_time(&self) -> Timestamp {
        self.processing_time
    }

    /// The wall clock has come to `time`. An earlier one changes nothing.
    pub(crate) fn advance_processing_time(&mut self, time: Timestamp) {
        self.processing_time = self.processing_time.max(time);
    }

    /// How long the task has waited for its input so far. The time it worked, or was held up, does not count: a
    /// partition whose records lie unread meanwhile is not silent. What reckons silence goes by this.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// The task waited for its input.
    pub(crate) fn advance_waited(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// When what is being worked on reached this process.
    pub fn arrival(&self) -> Instant {
        self.arrival
    }

    /// Counts records that came too late for their window.
    pub fn count_late(&mut self, records: u64) {
        self.late += records;
    }

    /// Counts records that were left out because they have no event time.
    pub fn count_untimed(&mut self, records: u64) {
        self.untimed += records;
    }

    /// Counts records that were left out because what was asked about them failed.
    pub fn count_bad(&mut self, records: u64) {
        self.bad += records;
    }

    /// Counts records whose event time is too far ahead of the wall clock.
    pub fn count_ahead(&mut self, records: u64) {
        self.ahead += records;
    }

    /// Counts records that were dropped because they repeat one that was let through.
    pub fn count_repeats(&mut self, records: u64) {
        self.repeats += records;
    }

    /// Notes that `records`, the oldest of which arrived at `arrival`, were held back by design until what
    /// came in with this call completed them.
    pub fn note_held(&mut self, arrival: Instant, records: u64) {
        self.note_held_for(self.arrival.since(arrival), records);
    }

    /// Notes that `records` were held back by design for so long.
    pub fn note_held_for(&mut self, held: Duration, records: u64) {
        self.held.push((held, records));
    }

    /// Notes that a record taken in at `since` was answered with this call: its service ends now.
    pub fn note_answered(&mut self, since: Instant) {
        self.answered.push(since);
    }

    /// Whether enough waits to be sent that an operator with more to say should pause.
    pub fn is_full(&self) -> bool {
        self.ports.iter().any(|port| port.is_full())
    }

    /// Whether records were put out that are not in a batch to be sent yet.
    pub fn has_begun(&self) -> bool {
        self.ports.iter().any(|port| port.has_begun())
    }

    /// All ports, for whoever sends what is in them.
    pub fn ports_mut(&mut self) -> &mut [Box<dyn AnyPort>] {
        &mut self.ports
    }

    /// What is pushed from now on arrived at `arrival` from `partition`.
    pub fn begin(&mut self, arrival: Instant, partition: PartitionId) {
        self.arrival = arrival;
        for port in &mut self.ports {
            port.begin(arrival, partition);
        }
    }

    /// When the records that were answered since the last call were taken in.
    pub(crate) fn take_answered(&mut self) -> impl Iterator<Item = Instant> {
        self.answered.drain(..)
    }

    /// For how long records were held back, and how many, since the last call.
    pub(crate) fn take_held(&mut self) -> impl Iterator<Item = (Duration, u64)> {
        self.held.drain(..)
    }

    /// Late records counted since the last call.
    pub fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }

    /// Records without event time counted since the last call.
    pub fn take_untimed(&mut self) -> u64 {
        std::mem::take(&mut self.untimed)
    }

    /// Records whose calls failed counted since the last call.
    pub(crate) fn take_bad(&mut self) -> u64 {
        std::mem::take(&mut self.bad)
    }

    /// Records too far ahead of the wall clock counted since the last call.
    pub fn take_ahead(&mut self) -> u64 {
        std::mem::take(&mut self.ahead)
    }

    /// Repeats counted since the last call.
    pub fn take_repeats(&mut self) -> u64 {
        std::mem::take(&mut self.repeats)
    }
}
