//! One output of an operator.

use std::any::Any;

use super::spread::{Edge, EdgeShape, Lane, Spread};
use crate::batch::{AnyBatch, PartitionId, Record};
use crate::key::KeyHash;
use crate::runtime::Instant;
use crate::time::Timestamp;

/// Sealed batches that make a port full: an operator with more to say should pause.
const FULL: usize = 16;

/// One typed output of an operator.
///
/// 1. A batch is sealed when it is full, or when the task asks. An empty one never is.
/// 2. With several edges every one of them gets every record.
/// 3. With none, records are dropped at once: nothing piles up where nobody drains.
pub struct Port<T> {
    /// The records of the lane every record goes to for now, taken out of it while `room` is not 0: pushing
    /// must not look for them behind three pointers.
    open: Vec<Record<T>>,
    /// How many records `open` may come to have. 0 while the lane has its records itself, as it always has
    /// where records do not all go to one lane.
    room: usize,
    edges: Vec<Edge<T>>,
    copy: Option<fn(&T) -> T>,
    arrival: Instant,
    partition: PartitionId,
    sealed: Vec<Sealed>,
}

/// A batch ready to go, and where to.
#[derive(Debug)]
pub struct Sealed {
    /// Which edge of the port.
    pub edge: usize,
    /// Which receiving replica of that edge.
    pub lane: usize,
    /// The records.
    pub batch: AnyBatch,
}

impl<T: Send + 'static> Port<T> {
    fn new(shapes: &[EdgeShape], copy: Option<fn(&T) -> T>) -> Self {
        let edges = shapes.iter().map(Edge::new).collect();
        Port {
            open: Vec::new(),
            room: 0,
            edges,
            copy,
            arrival: Instant::from_nanos(0),
            partition: PartitionId::ONLY,
            sealed: Vec::new(),
        }
    }

    /// Puts a record out.
    #[inline]
    pub fn push(&mut self, value: T, time: Timestamp) {
        let record = Record { time, value };
        if self.open.len() < self.room {
            self.open.push(record);
        } else {
            self.push_routed(KeyHash(0), record);
        }
    }

    /// Puts a record out whose key has this hash, so that it finds its key's replica.
    #[inline]
    pub fn push_keyed(&mut self, hash: KeyHash, value: T, time: Timestamp) {
        let record = Record { time, value };
        if self.open.len() < self.room {
            self.open.push(record);
        } else if let [edge] = &mut self.edges[..]
            && let Some(lane) = edge.lane_of_key(hash)
            && lane.is_filling()
        {
            lane.records.push(record);
        } else {
            self.push_routed(hash, record);
        }
    }

    /// Puts all these records out, in order.
    ///
    /// Towards a single receiver that holds nothing yet they go as they are, uncopied.
    pub fn push_all(&mut self, records: &mut Vec<Record<T>>) {
        self.put_back();
        if let [edge] = &mut self.edges[..]
            && let Spread::Single = edge.spread
            && let [lane] = &mut edge.lanes[..]
            && lane.records.is_empty()
        {
            lane.arrival = self.arrival;
            std::mem::swap(&mut lane.records, records);
            if lane.records.len() >= Lane::<T>::CAPACITY {
                edge.seal(0, 0, &mut self.sealed);
            }
            return;
        }
        for Record { time, value } in records.drain(..) {
            self.push(value, time);
        }
    }

    #[inline(never)]
    fn push_routed(&mut self, hash: KeyHash, record: Record<T>) {
        self.put_back();
        match &mut self.edges[..] {
            [edge] => {
                edge.push(0, hash, record, self.arrival, self.copy, &mut self.sealed);
                if let Some(lane) = edge.lane_of_all()
                    && !edge.lanes[lane].records.is_empty()
                {
                    std::mem::swap(&mut self.open, &mut edge.lanes[lane].records);
                    self.room = Lane::<T>::CAPACITY;
                }
            }
            _ => self.push_to_each(hash, record),
        }
    }

    /// Gives the open records back to their lane, and seals them if they are a full batch.
    #[inline]
    fn put_back(&mut self) {
        if self.room == 0 {
            return;
        }
        self.room = 0;
        if let [edge] = &mut self.edges[..]
            && let Some(lane) = edge.lane_of_all()
        {
            std::mem::swap(&mut self.open, &mut edge.lanes[lane].records);
            if edge.lanes[lane].records.len() >= Lane::<T>::CAPACITY {
                edge.seal(0, lane, &mut self.sealed);
            }
        }
    }

    #[cold]
    fn push_to_each(&mut self, hash: KeyHash, record: Record<T>) {
        let Some((last, others)) = self.edges.split_last_mut() else {
            return;
        };
        if let Some(copy) = self.copy {
            for (index, edge) in others.iter_mut().enumerate() {
                let copied = Record {
                    time: record.time,
                    value: copy(&record.value),
                };
                edge.push(
                    index,
                    hash,
                    copied,
                    self.arrival,
                    self.copy,
                    &mut self.sealed,
                );
            }
        }
        last.push(
            others.len(),
            hash,
            record,
            self.arrival,
            self.copy,
            &mut self.sealed,
        );
    }
}

/// A [`Port`] whose type only its operator knows: what the task sees of it.
pub trait AnyPort: Send {
    /// For the downcast to the typed port.
    fn as_any(&mut self) -> &mut dyn Any;
    /// What is pushed from now on arrived at `arrival` from `partition`.
    fn begin(&mut self, arrival: Instant, partition: PartitionId);
    /// Seals what is begun on every edge.
    fn seal_all(&mut self);
    /// Seals what is begun on one edge.
    fn seal_edge(&mut self, edge: usize);
    /// Moves the sealed batches out, in the order they were sealed.
    fn take_sealed(&mut self, into: &mut Vec<Sealed>);
    /// Whether an operator with more to say should pause.
    fn is_full(&self) -> bool;
    /// Whether it holds records that are not sealed yet.
    fn has_begun(&self) -> bool;
    /// Gives an emptied batch back, to be filled again.
    fn recycle(&mut self, edge: usize, lane: usize, batch: AnyBatch);
}

impl<T: Send + 'static> AnyPort for Port<T> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self, arrival: Instant, partition: PartitionId) {
        self.put_back();
        self.arrival = arrival;
        self.partition = partition;
        // A batch begun earlier keeps the older stamp; one begun by a younger record takes this one.
        for lane in self.edges.iter_mut().flat_map(|edge| &mut edge.lanes) {
            lane.arrival = lane.arrival.min(arrival);
        }
    }

    fn seal_all(&mut self) {
        for edge in 0..self.edges.len() {
            self.seal_edge(edge);
        }
    }

    fn seal_edge(&mut self, index: usize) {
        self.put_back();
        let Some(edge) = self.edges.get_mut(index) else {
            return;
        };
        for lane in 0..edge.lanes.len() {
            edge.seal(index, lane, &mut self.sealed);
        }
    }

    fn take_sealed(&mut self, into: &mut Vec<Sealed>) {
        self.put_back();
        for mut sealed in self.sealed.drain(..) {
            sealed.batch.set_partition(self.partition);
            into.push(sealed);
        }
    }

    fn is_full(&self) -> bool {
        self.sealed.len() >= FULL
    }

    fn has_begun(&self) -> bool {
        let mut lanes = self.edges.iter().flat_map(|edge| &edge.lanes);
        !self.open.is_empty() || lanes.any(|lane| !lane.records.is_empty())
    }

    fn recycle(&mut self, edge: usize, lane: usize, mut batch: AnyBatch) {
        self.put_back();
        let lane = self
            .edges
            .get_mut(edge)
            .and_then(|edge| edge.lanes.get_mut(lane));
        if let (Some(lane), Ok(batch)) = (lane, batch.of::<T>())
            && lane.records.capacity() == 0
            && batch.records.is_empty()
        {
            lane.records = std::mem::take(&mut batch.records);
        }
    }
}

/// Makes the port of one output once its edges are known; holds the type.
pub struct PortMaker {
    make: Box<dyn Fn(&[EdgeShape]) -> Box<dyn AnyPort> + Send>,
    copies: bool,
    type_name: &'static str,
}

impl PortMaker {
    /// For records that at most one receiver gets.
    pub fn moving<T: Send + 'static>() -> Self {
        Self::new::<T>(None)
    }

    /// For records that several receivers may get, each its own copy.
    pub fn copying<T: Clone + Send + 'static>() -> Self {
        Self::new::<T>(Some(T::clone))
    }

    fn new<T: Send + 'static>(copy: Option<fn(&T) -> T>) -> Self {
        PortMaker {
            make: Box::new(move |shapes| Box::new(Port::<T>::new(shapes, copy))),
            copies: copy.is_some(),
            type_name: std::any::type_name::<T>(),
        }
    }

    /// A port for one receiver, as a harness needs it.
    pub fn make_single(&self) -> Box<dyn AnyPort> {
        self.make(&[EdgeShape {
            spread: Spread::Single,
            lanes: 1,
        }])
    }

    pub(crate) fn make(&self, shapes: &[EdgeShape]) -> Box<dyn AnyPort> {
        (self.make)(shapes)
    }

    pub(crate) fn copies(&self) -> bool {
        self.copies
    }

    pub(crate) fn type_name(&self) -> &'static str {
        self.type_name
    }
}

#[cfg(test)]
mod tests;
