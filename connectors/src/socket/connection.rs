//! One connection that is read: its bytes, its frames, its deadlines.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::AsyncReadExt;
use millstream_engine::Result;
use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::PartitionId;
use millstream_engine::runtime::{self, Instant};
use millstream_engine::source::Intake;

use super::settings::Limits;
use super::transport::Socket;
use crate::codec::{Decoder, Format};
use crate::frame_reader::FrameReader;
use crate::framing::Framing;

/// How much is read at once to begin with; it doubles while a peer has more.
const FIRST_ROOM: usize = 16 << 10;
const MOST_ROOM: usize = 128 << 10;

/// A connection that is read.
pub(super) struct Connection<F, D> {
    socket: Socket,
    peer: Arc<str>,
    partition: PartitionId,
    frames: FrameReader<F, D>,
    room: usize,
    /// When the last bytes came, and so the records they completed.
    arrival: Instant,
    pace: Pace,
}

/// What came of waiting for bytes.
pub(super) enum Received {
    /// There is something to take.
    Bytes,
    /// The connection broke.
    Failed(io::Error),
    /// The peer is cut off.
    TooSlow(&'static str),
}

impl<F: Framing, D: Decoder> Connection<F, D> {
    pub(super) fn new(
        socket: Socket,
        peer: Arc<str>,
        partition: PartitionId,
        format: Format<F, D>,
        limits: Limits,
    ) -> Self {
        let arrival = runtime::now();
        Connection {
            socket,
            peer,
            partition,
            frames: FrameReader::new(format),
            room: FIRST_ROOM,
            arrival,
            pace: Pace::new(limits, arrival),
        }
    }

    pub(super) fn peer(&self) -> &Arc<str> {
        &self.peer
    }

    pub(super) fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Whether all of it was taken.
    pub(super) fn is_finished(&self) -> bool {
        self.frames.is_finished()
    }

    /// Whether it ever sent a whole frame.
    pub(super) fn was_useful(&self) -> bool {
        self.frames.offset() > 0
    }

    /// Waits until there is something to take. What is there already is enough: nothing lingers.
    pub(super) async fn receive(mut self) -> (Self, Received) {
        if self.frames.has_frames() {
            return (self, Received::Bytes);
        }
        let received = self.read().await;
        (self, received)
    }

    async fn read(&mut self) -> Received {
        let (patience, reason) = self.pace.patience(runtime::now());
        let room = self.frames.room(self.room);
        // Bytes that are there come before the deadline: while the flow is busy, no peer can be slow.
        let read = match patience {
            Some(patience) => runtime::timeout(patience, self.socket.read(room)).await,
            None => Some(self.socket.read(room).await),
        };
        match read {
            None => Received::TooSlow(reason),
            Some(Err(cause)) => Received::Failed(cause),
            Some(Ok(bytes)) => {
                self.frames.filled(bytes);
                self.arrival = runtime::now();
                self.pace.received(bytes);
                if bytes == self.room {
                    self.room = (2 * self.room).min(MOST_ROOM);
                }
                Received::Bytes
            }
        }
    }

    /// Takes whole frames into `intake`, until there are no more or it is full.
    ///
    /// # Errors
    /// The stream makes no sense any more. What is wrong is in the record; the connection is of no
    /// more use.
    pub(super) fn take(&mut self, intake: &mut Intake<D::Out>) -> Result<(), BadRecord> {
        intake.begin(self.partition, self.arrival);
        let took = self.frames.take(&self.peer, intake);
        let took = took.map_err(|cause| self.broken(cause))?;
        self.pace.is_inside = self.frames.is_inside_frame();
        if took || !self.pace.is_inside {
            self.pace
                .begin_frame(self.arrival, self.frames.pending().len());
        }
        Ok(())
    }

    fn broken(&self, cause: millstream_engine::Error) -> BadRecord {
        let position = format!("byte {}", self.frames.offset());
        BadRecord::broken(&*self.peer, position, self.frames.pending(), cause)
    }
}

/// How fast a peer sends, and how fast it must.
struct Pace {
    limits: Limits,
    /// Part of a frame is here.
    is_inside: bool,
    frame_begun: Instant,
    frame_bytes: usize,
}

impl Pace {
    fn new(limits: Limits, now: Instant) -> Self {
        Pace {
            limits,
            is_inside: false,
            frame_begun: now,
            frame_bytes: 0,
        }
    }

    fn begin_frame(&mut self, now: Instant, bytes: usize) {
        self.frame_begun = now;
        self.frame_bytes = bytes;
    }

    fn received(&mut self, bytes: usize) {
        self.frame_bytes += bytes;
        if !self.is_inside {
            self.begin_frame(runtime::now(), bytes);
        }
    }

    /// How long to wait for the next bytes, and what the peer is cut off for after that.
    fn patience(&self, now: Instant) -> (Option<Duration>, &'static str) {
        let idle = self.limits.idle_deadline;
        let rate = self.limits.min_rate.filter(|_| self.is_inside).map(|rate| {
            let earned = self.frame_bytes as f64 / f64::from(rate.max(1));
            let due = self.frame_begun + self.limits.grace + Duration::from_secs_f64(earned);
            due - now
        });
        match (idle, rate) {
            (Some(idle), Some(rate)) if idle < rate => (Some(idle), "idle for too long"),
            (_, Some(rate)) => (Some(rate), "too slow within a frame"),
            (idle, None) => (idle, "idle for too long"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_buy_time_within_a_frame() {
        let start = Instant::from_nanos(0);
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(Limits::default().with_min_rate(10), start);
        let idle = pace.patience(start);
        assert_eq!(idle, (Some(300 * second), "idle for too long"));

        pace.begin_frame(start, 50);
        pace.is_inside = true;
        let (patience, reason) = pace.patience(start + 3 * second);
        assert_eq!(patience, Some(12 * second), "grace 10, earned 5, passed 3");
        assert_eq!(reason, "too slow within a frame");
        pace.received(10);
        assert_eq!(pace.patience(start + 3 * second).0, Some(13 * second));
        assert_eq!(pace.patience(start + 60 * second).0, Some(Duration::ZERO));

        pace.limits = Limits::trusting();
        assert_eq!(pace.patience(start).0, None);
    }
}
