//! Where a flow is being built.

use std::cell::RefCell;
use std::rc::Rc;

use millstream_engine::Error;
use millstream_engine::plan::{Graph, OperatorVertex, Output, Parallelism, Route, VertexId};
use millstream_engine::source::Source;

use crate::stream::Stream;

/// What the closure of [`Flow::new`](crate::Flow::new) builds its streams on.
#[derive(Clone, Default)]
pub struct Scope {
    graph: Rc<RefCell<Graph>>,
}

impl Scope {
    /// A stream of what `source` gives.
    ///
    /// The name is the identity of the source: its saved positions are found again by it.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(1..=3))
    ///     .map(|n| n * n)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [1, 4, 9]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn source<S: Source>(&self, name: &str, source: S) -> Stream<S::Out> {
        let vertex = self.with(|graph| graph.add_source(name, source));
        Stream::plain(Tail {
            scope: self.clone(),
            from: vec![(vertex.output(0), Route::Forward)],
            timed: false,
        })
    }

    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Graph) -> R) -> R {
        change(&mut self.graph.borrow_mut())
    }

    pub(crate) fn take_graph(&self) -> Graph {
        self.graph.take()
    }
}

/// The end of a stream while its flow is being built: where its records come from.
#[derive(Clone)]
pub(crate) struct Tail {
    pub(crate) scope: Scope,
    /// The outputs they leave by (several for a union), and how the next edge spreads them.
    pub(crate) from: Vec<(Output, Route)>,
    /// Whether its records have event time.
    pub(crate) timed: bool,
}

impl Tail {
    /// Notes a mistake, to be told when the flow starts.
    pub(crate) fn mistake(&self, text: String) {
        self.scope.with(|graph| graph.error(Error::config(text)));
    }

    /// Notes a mistake if the vertex `name`, which goes by event time, is behind a stream that has none.
    pub(crate) fn must_be_timed(&self, name: &str) {
        if !self.timed {
            self.mistake(format!(
                "`{name}` goes by event time, but a stream before it has none: call `.event_time(|record| …, \
                 Lateness::bounded(…))` on it, best right behind the source"
            ));
        }
    }

    /// Puts a vertex behind the stream.
    pub(crate) fn into_vertex(self, vertex: OperatorVertex) -> VertexId {
        let goes_straight_on = self.from.iter().all(|(_, route)| *route == Route::Forward);
        let parallelism = match goes_straight_on {
            true => Parallelism::OfInput,
            false => Parallelism::OfFlow,
        };
        let vertex = vertex.with_parallelism(parallelism);
        let vertex = self.scope.with(|graph| graph.add_operator(vertex));
        self.connect(vertex, 0);
        vertex
    }

    /// Puts a vertex behind the stream, and goes on with its first output.
    pub(crate) fn through(self, vertex: OperatorVertex) -> Tail {
        let (scope, timed) = (self.scope.clone(), self.timed);
        let vertex = self.into_vertex(vertex);
        Tail {
            scope,
            from: vec![(vertex.output(0), Route::Forward)],
            timed,
        }
    }

    /// Another output of the vertex this is the end of.
    pub(crate) fn other_output(&self, port: usize) -> Tail {
        let mut other = self.clone();
        for (output, _) in &mut other.from {
            *output = output.vertex.output(port);
        }
        other
    }

    /// Leads the stream into an input of a vertex.
    pub(crate) fn connect(&self, to: VertexId, input: usize) {
        self.scope.with(|graph| {
            for &(from, route) in &self.from {
                graph.connect(from, to, input, route);
            }
        });
    }

    pub(crate) fn routed(mut self, route: Route) -> Tail {
        for (_, its) in &mut self.from {
            *its = route;
        }
        self
    }

    /// Both streams in one.
    pub(crate) fn union(mut self, other: Tail) -> Tail {
        self.from.extend(other.from);
        self.timed &= other.timed;
        self
    }

    /// Lets the stream go more than one way.
    pub(crate) fn copy<T: Clone + Send + 'static>(&self) {
        self.scope.with(|graph| {
            for &(output, _) in &self.from {
                graph.copy_output::<T>(output);
            }
        });
    }

    pub(crate) fn discard(self) {
        self.scope.with(|graph| {
            for &(output, _) in &self.from {
                graph.discard(output);
            }
        });
    }

    pub(crate) fn set_parallelism(&self, parallelism: usize) {
        self.scope.with(|graph| {
            for (output, _) in &self.from {
                graph.set_parallelism(output.vertex, parallelism);
            }
        });
    }
}
