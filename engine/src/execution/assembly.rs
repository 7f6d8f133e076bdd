//! Puts the tasks of a flow together from its plan, its open connectors and its channels.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures::future::BoxFuture;

use super::Settings;
use super::channels::{Channels, shape};
use super::inquiry::Asked;
use super::opening::{End, Opened, Opening};
use crate::edge::{Sender, channel};
use crate::error::Result;
use crate::latency::Ledger;
use crate::metrics::Counters;
use crate::operator::Operator;
use crate::outbox::{Outbox, PortMaker};
use crate::plan::{Plan, Replica};
use crate::state::{Snapshot, StateReader};
use crate::task::alignment::{Aligned, Alignment};
use crate::task::chain::Chain;
use crate::task::erased::{AnyReader, AnyWriter, NoOperator};
use crate::task::idleness::Idleness;
use crate::task::operator_task::OperatorTask;
use crate::task::outputs::{Outputs, RemoteEdge};
use crate::task::questions::Questions;
use crate::task::sink_task::{Outside, SinkTask};
use crate::task::source_task::SourceTask;
use crate::task::stage::{Stage, Target};
use crate::task::{Control, Stop, TaskId, Told};
use crate::time::Frontier;

/// Messages from the supervisor a source has room for: more than one epoch ever needs.
const CONTROL_MESSAGES: usize = 16;

/// Questions that wait for a task that does not answer.
const OPEN_QUESTIONS: usize = 4;

/// What tasks are put together from.
pub(super) struct Assembly<'a> {
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a Settings,
    pub(super) restored: Option<&'a Snapshot>,
    pub(super) ledger: &'a Ledger,
    pub(super) told: &'a Sender<Told>,
    pub(super) channels: Channels,
}

/// A vertex, opened.
pub(super) struct Vertex {
    pub(super) opened: Opened,
    pub(super) counters: Vec<Arc<Counters>>,
    pub(super) ports: Vec<PortMaker>,
    pub(super) timed: bool,
}

/// A task, ready to be spawned.
pub(super) struct TaskBody {
    pub(super) vertex: Arc<str>,
    pub(super) replica: usize,
    pub(super) future: BoxFuture<'static, Result<(), Stop>>,
}

/// The tasks of a flow, numbered in their order, and the ways to reach them.
pub(super) struct Assembled {
    pub(super) bodies: Vec<TaskBody>,
    /// Those that read.
    pub(super) sources: BTreeMap<TaskId, Sender<Control>>,
    pub(super) asked: Vec<Asked>,
}

/// The vertices that share a task with their head, and which replica of them.
struct Place<'a> {
    chain: &'a [usize],
    replica: usize,
    id: TaskId,
}

/// The parts of the sources that keep together in time, by head and replica.
type AlignedParts = BTreeMap<(usize, usize), Aligned>;

impl Assembly<'_> {
    /// All tasks.
    pub(super) fn tasks(mut self, mut vertices: Vec<Vertex>) -> Result<Assembled> {
        let mut aligned = self.align(&vertices);
        let mut bodies = Vec::new();
        let mut sources = BTreeMap::new();
        let mut asked = Vec::new();
        for head in 0..vertices.len() {
            if self.plan.vertices[head].head != head {
                continue;
            }
            let chain = self.chain_of(head);
            for replica in 0..self.plan.vertices[head].parallelism {
                let place = Place {
                    chain: &chain,
                    replica,
                    id: TaskId(bodies.len()),
                };
                let (questions, answers) = self.questions(&place, &aligned);
                asked.push(answers);
                let future: BoxFuture<'static, _> = match vertices[head].opened.take_end() {
                    End::Reader(reader, is_bounded) => {
                        let part = aligned.remove(&(head, replica));
                        let (task, control) = self.source_task(
                            &place,
                            (reader, is_bounded),
                            part,
                            questions,
                            &mut vertices,
                        )?;
                        sources.insert(place.id, control);
                        Box::pin(task.run())
                    }
                    End::Writer(writer) => Box::pin(
                        self.sink_task(&place, writer, questions, &vertices[head])
                            .run(),
                    ),
                    End::None => {
                        Box::pin(self.operator_task(&place, questions, &mut vertices)?.run())
                    }
                };
                let vertex = self.plan.vertices[head].name.clone();
                bodies.push(TaskBody {
                    vertex,
                    replica,
                    future,
                });
            }
        }
        Ok(Assembled {
            bodies,
            sources,
            asked,
        })
    }

    /// The vertices that share a task with this head, itself the first.
    fn chain_of(&self, head: usize) -> Vec<usize> {
        let vertices = head..self.plan.vertices.len();
        vertices
            .filter(|&vertex| self.plan.vertices[vertex].head == head)
            .collect()
    }

    /// Lets the sources that make time in their own task keep together, if that was asked for.
    fn align(&self, vertices: &[Vertex]) -> AlignedParts {
        let Some(drift) = self.settings.alignment else {
            return AlignedParts::new();
        };
        let is_timed = |head: &usize| {
            let chain = self.chain_of(*head);
            chain
                .iter()
                .any(|&vertex| vertices[vertex].opened.has_clock())
        };
        let sources = (0..vertices.len())
            .filter(|&vertex| matches!(vertices[vertex].opened, Opened::Source { .. }))
            .filter(is_timed);
        let replicas: Vec<_> = sources
            .flat_map(|head| {
                let replicas = self.plan.vertices[head].parallelism;
                (0..replicas).map(move |replica| (head, replica))
            })
            .collect();
        let bells = replicas
            .iter()
            .map(|&(head, replica)| self.channels.bell(head, replica))
            .collect();
        let group = Alignment::new(drift, bells);
        let parts = (0..replicas.len()).map(|number| group.part(number));
        replicas.into_iter().zip(parts).collect()
    }

    /// The way to ask a task how far time has come in it.
    fn questions(&self, place: &Place<'_>, aligned: &AlignedParts) -> (Questions, Asked) {
        let (head, replica) = (place.chain[0], place.replica);
        let bell = self.channels.bell(head, replica);
        let (sender, receiver) = channel(OPEN_QUESTIONS, &bell);
        let asked = Asked {
            questions: sender,
            chain: place.chain.to_vec(),
            replica,
            senders: self.channels.senders_to(head, replica),
            aligned: aligned.get(&(head, replica)).map(Aligned::number),
        };
        (Questions { receiver, bell }, asked)
    }

    fn source_task(
        &mut self,
        place: &Place<'_>,
        (reader, is_bounded): (Opening<dyn AnyReader>, bool),
        aligned: Option<Aligned>,
        questions: Questions,
        vertices: &mut [Vertex],
    ) -> Result<(SourceTask, Sender<Control>)> {
        let head = place.chain[0];
        let bell = self.channels.bell(head, place.replica);
        let (sender, control) = channel(CONTROL_MESSAGES, &bell);
        // A bounded source is slow at times, but never idle.
        let idle_after = if is_bounded {
            None
        } else {
            self.settings.idle_after
        };
        let task = SourceTask {
            id: place.id,
            vertex: self.plan.vertices[head].name.clone(),
            replica: place.replica,
            reader: reader.end,
            chain: self.chain(place, questions, vertices)?,
            desk: reader.desk,
            control,
            bell,
            idleness: Idleness::new(idle_after),
            aligned,
            shards: self.settings.shards,
            told: self.told.clone(),
            uncommitted: VecDeque::new(),
        };
        Ok((task, sender))
    }

    fn operator_task(
        &mut self,
        place: &Place<'_>,
        questions: Questions,
        vertices: &mut [Vertex],
    ) -> Result<OperatorTask> {
        Ok(OperatorTask {
            id: place.id,
            inputs: self.channels.take_inputs(place.chain[0], place.replica),
            chain: self.chain(place, questions, vertices)?,
            shards: self.settings.shards,
            told: self.told.clone(),
        })
    }

    fn sink_task(
        &mut self,
        place: &Place<'_>,
        writer: Opening<dyn AnyWriter>,
        questions: Questions,
        vertex: &Vertex,
    ) -> SinkTask {
        let head = place.chain[0];
        let name = &self.plan.vertices[head].name;
        let latency = self.ledger.sink(name, place.replica);
        SinkTask {
            id: place.id,
            vertex: name.clone(),
            replica: place.replica,
            inputs: self.channels.take_inputs(head, place.replica),
            desk: writer.desk,
            stage: self.ledger.stage(name, place.replica),
            counters: vertex.counters[place.replica].clone(),
            told: self.told.clone(),
            questions,
            outside: Outside::new(writer.end, latency, vertex.timed),
        }
    }

    /// The operators that share a task, wired to each other and to the outside of the task.
    fn chain(
        &mut self,
        place: &Place<'_>,
        questions: Questions,
        vertices: &mut [Vertex],
    ) -> Result<Chain> {
        let mut remote = Vec::new();
        let mut stages = Vec::new();
        let mut waits = false;
        for (position, &index) in place.chain.iter().enumerate() {
            let vertex = &mut vertices[index];
            let mut ports = Vec::new();
            let mut targets = Vec::new();
            for (number, port) in vertex.ports.iter().enumerate() {
                let mut shapes = Vec::new();
                let mut of_port = Vec::new();
                for (edge, planned) in self.plan.edges.iter().enumerate() {
                    if (planned.from, planned.port) != (index, number) {
                        continue;
                    }
                    shapes.push(shape(self.plan, edge, place.replica, self.settings.shards));
                    let next = place
                        .chain
                        .iter()
                        .position(|&v| planned.is_local && v == planned.to);
                    of_port.push(match next {
                        Some(next) => Target::Stage(next),
                        None => {
                            let senders = self.channels.take_senders(edge, place.replica);
                            let from = (position, number, of_port.len());
                            let to = Channels::receiver_of(self.plan, edge, place.replica);
                            remote.push(RemoteEdge::new(from, to, senders, planned.beat));
                            Target::Remote(remote.len() - 1)
                        }
                    });
                }
                ports.push(port.make(&shapes));
                targets.push(of_port);
            }
            let name = &self.plan.vertices[index].name;
            let has_clock = vertex.opened.has_clock();
            let (operator, state): (Box<dyn Operator>, _) = match &mut vertex.opened {
                Opened::Operator {
                    make,
                    state,
                    waits: head_waits,
                    ..
                } => {
                    waits |= *head_waits;
                    let replica = Replica {
                        vertex: name.clone(),
                        index: place.replica,
                        parallelism: self.plan.vertices[index].parallelism,
                    };
                    (make(&replica), state.clone())
                }
                _ => (Box::new(NoOperator), None),
            };
            let mut stage = Stage {
                vertex: name.clone(),
                replica: place.replica,
                operator,
                out: Outbox::new(ports),
                targets,
                state,
                latency: self.ledger.stage(name, place.replica),
                counters: vertex.counters[place.replica].clone(),
                has_clock,
                input: Frontier::Unknown,
                said: Frontier::Unknown,
                owed: None,
            };
            self.restore(index, &mut stage)?;
            stages.push(stage);
        }
        Ok(Chain::new(stages, Outputs::new(remote), waits, questions))
    }

    /// Gives a stage the saved state it owns now.
    fn restore(&self, index: usize, stage: &mut Stage) -> Result<()> {
        let Some(snapshot) = self.restored else {
            return Ok(());
        };
        let Some(state) = snapshot.vertices.get(&*stage.vertex) else {
            return Ok(());
        };
        let Some(kind) = &stage.state else {
            return state.check_unneeded(&stage.vertex);
        };
        state.check(&stage.vertex, kind)?;
        let parallelism = self.plan.vertices[index].parallelism;
        let reader = StateReader::new(state, snapshot.shards, stage.replica, parallelism);
        stage.call(|operator, _| operator.restore(&reader))
    }
}
