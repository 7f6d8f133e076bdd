//! The graph while it is being built: vertices with what makes them, and edges between them.

use std::sync::Arc;

use crate::bad_record::BadRecords;
use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::outbox::PortMaker;
use crate::sink::{ErasedSink, Sink};
use crate::source::Source;
use crate::state::StateKind;
use crate::task::erased::{AnySink, AnySource, SinkOf, SourceOf};

/// A vertex of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(pub(crate) usize);

impl VertexId {
    /// Its output number `port`.
    pub fn output(self, port: usize) -> Output {
        Output { vertex: self, port }
    }
}

/// One output of a vertex: where a stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// The vertex.
    pub vertex: VertexId,
    /// Which of its outputs.
    pub port: usize,
}

/// How an edge picks the receiving replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// Replica `i` sends to replica `i`; between different parallelisms like [`Route::Rebalance`].
    Forward,
    /// To the owner of the key's shard. The sender pushes with `push_keyed`.
    ByKey,
    /// Batches in turn.
    Rebalance,
    /// Every replica gets everything.
    Broadcast,
}

/// How many replicas a vertex has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parallelism {
    /// What the flow's settings say.
    OfFlow,
    /// As many as the vertex its first input comes from.
    OfInput,
    /// So many.
    Exactly(usize),
}

/// Which replica an operator is made for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Replica {
    /// The vertex's name.
    pub vertex: Arc<str>,
    /// Its number, from 0.
    pub index: usize,
    /// How many there are.
    pub parallelism: usize,
}

/// Makes one replica of an operator.
pub type MakeOperator = Box<dyn FnMut(&Replica) -> Box<dyn Operator> + Send>;

/// A vertex that computes, as the language describes it to the graph.
pub struct OperatorVertex {
    pub(crate) name: VertexName,
    pub(crate) label: String,
    pub(crate) make: MakeOperator,
    pub(crate) ports: Vec<PortMaker>,
    pub(crate) parallelism: Parallelism,
    pub(crate) state: Option<StateKind>,
    pub(crate) own_task: bool,
    pub(crate) beat: Option<i64>,
    pub(crate) has_clock: bool,
}

/// What a vertex is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VertexName {
    /// By its user: the identity of its state.
    Given(String),
    /// By what it does; made unique by the plan. It has no keyed state of its own.
    Derived(String),
}

impl OperatorVertex {
    /// A vertex its user named; `label` says what it does.
    pub fn named(name: &str, label: impl Into<String>, make: MakeOperator) -> Self {
        Self::new(VertexName::Given(name.to_owned()), label.into(), make)
    }

    /// A vertex without a name of its own: `label` says what it does.
    pub fn unnamed(label: impl Into<String>, make: MakeOperator) -> Self {
        let label = label.into();
        Self::new(VertexName::Derived(label.clone()), label, make)
    }

    fn new(name: VertexName, label: String, make: MakeOperator) -> Self {
        OperatorVertex {
            name,
            label,
            make,
            ports: Vec::new(),
            parallelism: Parallelism::OfFlow,
            state: None,
            own_task: false,
            beat: None,
            has_clock: false,
        }
    }

    /// With one more output.
    #[must_use]
    pub fn with_port(mut self, port: PortMaker) -> Self {
        self.ports.push(port);
        self
    }

    /// With this parallelism (default: the flow's).
    #[must_use]
    pub fn with_parallelism(mut self, parallelism: Parallelism) -> Self {
        self.parallelism = parallelism;
        self
    }

    /// It keeps state of this kind.
    #[must_use]
    pub fn with_state(mut self, kind: StateKind) -> Self {
        self.state = Some(kind);
        self
    }

    /// It heads a task of its own, because it waits for the outside.
    #[must_use]
    pub fn in_own_task(mut self) -> Self {
        self.own_task = true;
        self
    }

    /// It makes event time: its promise is its own, not its input's.
    #[must_use]
    pub fn with_clock(mut self) -> Self {
        self.has_clock = true;
        self
    }

    /// Watermarks matter to it only when they pass a multiple of `micros` of event time.
    #[must_use]
    pub fn with_beat(mut self, micros: i64) -> Self {
        self.beat = Some(micros.max(1));
        self
    }
}

/// A vertex of the graph, with what makes its replicas.
pub(crate) struct Vertex {
    pub(crate) name: VertexName,
    pub(crate) label: String,
    pub(crate) parallelism: Parallelism,
    pub(crate) ports: Vec<PortMaker>,
    /// Whether what comes in has event time.
    pub(crate) timed: bool,
    pub(crate) body: Body,
}

/// What a vertex does.
pub(crate) enum Body {
    Source(Box<dyn AnySource>, BadRecords),
    Operator {
        make: MakeOperator,
        state: Option<StateKind>,
        own_task: bool,
        beat: Option<i64>,
        has_clock: bool,
    },
    Sink(Box<dyn AnySink>, BadRecords),
}

/// An edge of the graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) from: Output,
    pub(crate) to: VertexId,
    pub(crate) input: usize,
    pub(crate) route: Route,
}

/// A graph under construction.
///
/// It never fails while it is built: mistakes are collected, and all told when it is started.
#[derive(Default)]
pub struct Graph {
    pub(crate) vertices: Vec<Vertex>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) discarded: Vec<Output>,
    pub(crate) errors: Vec<Error>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Graph::default()
    }

    /// Adds a source. Its stream is output 0.
    pub fn add_source<S: Source>(&mut self, name: &str, mut source: S) -> VertexId {
        let policy = source.bad_records();
        self.add(Vertex {
            name: VertexName::Given(name.to_owned()),
            label: "source".to_owned(),
            parallelism: Parallelism::OfFlow,
            ports: vec![PortMaker::moving::<S::Out>()],
            timed: false,
            body: Body::Source(Box::new(SourceOf(source)), policy),
        })
    }

    /// Adds a vertex that computes.
    pub fn add_operator(&mut self, vertex: OperatorVertex) -> VertexId {
        let OperatorVertex {
            name,
            label,
            make,
            ports,
            parallelism,
            state,
            own_task,
            beat,
            has_clock,
        } = vertex;
        let body = Body::Operator {
            make,
            state,
            own_task,
            beat,
            has_clock,
        };
        self.add(Vertex {
            name,
            label,
            parallelism,
            ports,
            timed: false,
            body,
        })
    }

    /// Adds a sink; its only input is 0.
    pub fn add_sink<S: Sink>(&mut self, name: &str, mut sink: S) -> VertexId {
        let policy = sink.bad_records();
        let most = sink.max_parallelism();
        self.add(Vertex {
            name: VertexName::Given(name.to_owned()),
            label: "sink".to_owned(),
            parallelism: Parallelism::OfFlow,
            ports: Vec::new(),
            timed: false,
            body: Body::Sink(
                Box::new(SinkOf {
                    sink: ErasedSink::new(sink),
                    most,
                }),
                policy,
            ),
        })
    }

    /// Adds an edge.
    pub fn connect(&mut self, from: Output, to: VertexId, input: usize, route: Route) {
        if route == Route::Broadcast {
            let copies = self.port(from).is_some_and(PortMaker::copies);
            if !copies {
                self.error(Error::internal(
                    "a broadcast of records that cannot be copied",
                ));
            }
        }
        self.edges.push(Edge {
            from,
            to,
            input,
            route,
        });
    }

    /// Lets several edges leave `output`: each gets a copy of every record.
    pub fn copy_output<T: Clone + Send + 'static>(&mut self, output: Output) {
        if let Some(port) = self.port_mut(output) {
            *port = PortMaker::copying::<T>();
        }
    }

    /// Says that what comes into a sink has event time, so that its age is measured.
    pub fn set_timed(&mut self, sink: VertexId) {
        if let Some(vertex) = self.vertices.get_mut(sink.0) {
            vertex.timed = true;
        }
    }

    /// Says that `output` may go nowhere.
    pub fn discard(&mut self, output: Output) {
        self.discarded.push(output);
    }

    /// Sets how many replicas a vertex has.
    pub fn set_parallelism(&mut self, vertex: VertexId, parallelism: usize) {
        if let Err(error) = check_parallelism(parallelism) {
            let name = self.name_of(vertex);
            self.error(Error::config(format!("`{name}` is given {error}")));
        } else if let Some(vertex) = self.vertices.get_mut(vertex.0) {
            vertex.parallelism = Parallelism::Exactly(parallelism);
        }
    }

    /// Notes a mistake, to be told when the flow is started.
    pub fn error(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// What a vertex is called so far, for error texts.
    pub fn name_of(&self, vertex: VertexId) -> &str {
        match self.vertices.get(vertex.0).map(|vertex| &vertex.name) {
            Some(VertexName::Given(name) | VertexName::Derived(name)) => name,
            None => "?",
        }
    }

    /// Whether a source keeps its position outside.
    pub(crate) fn commits(&self) -> bool {
        let bodies = self.vertices.iter().map(|vertex| &vertex.body);
        bodies
            .into_iter()
            .any(|body| matches!(body, Body::Source(source, _) if source.commits()))
    }

    fn add(&mut self, vertex: Vertex) -> VertexId {
        self.vertices.push(vertex);
        VertexId(self.vertices.len() - 1)
    }

    fn port(&self, output: Output) -> Option<&PortMaker> {
        self.vertices.get(output.vertex.0)?.ports.get(output.port)
    }

    fn port_mut(&mut self, output: Output) -> Option<&mut PortMaker> {
        self.vertices
            .get_mut(output.vertex.0)?
            .ports
            .get_mut(output.port)
    }
}

/// Refuses a number of replicas that cannot be.
pub(crate) fn check_parallelism(parallelism: usize) -> Result<()> {
    if (1..=MAX_PARALLELISM).contains(&parallelism) {
        return Ok(());
    }
    Err(Error::config(format!(
        "a parallelism of {parallelism}: 1 to {MAX_PARALLELISM} are allowed"
    )))
}

const MAX_PARALLELISM: usize = 1024;
