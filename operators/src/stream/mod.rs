//! Streams: what a flow is written in.
//!
//! By duty: [`record`](self::record) steps, [`edges`] between tasks, [`split`]ting. Event time, keys and
//! asynchronous calls have modules of their own.

mod edges;
mod record;
mod split;

pub use split::{Branches, Either, OneOf3, OneOf4};

use std::marker::PhantomData;

use millstream_engine::operator::Operator;
use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::{MakeOperator, OperatorVertex, Replica};

use crate::pipe::{Identity, Pipe};
use crate::scope::Tail;
use crate::steps::Steps;

/// Records of type `T` on their way.
///
/// `P` holds the record steps since the last task edge, fused into one; write `Stream<T>` where a type
/// is asked for, and end such a run with [`erase`](Stream::erase).
///
/// Closures given to its methods are cloned, one for each replica. They are `Fn`: what must be remembered
/// from record to record belongs into [`fold`](crate::KeyedStream::fold), whose state is saved.
#[must_use = "a stream does nothing until it ends in a sink (or in `discard`)"]
pub struct Stream<T, P = Identity<T>> {
    pub(crate) tail: Tail,
    /// What the steps of the pipe are called.
    steps: Vec<&'static str>,
    pipe: P,
    of: PhantomData<fn() -> T>,
}

impl<T: Send + 'static> Stream<T> {
    pub(crate) fn plain(tail: Tail) -> Self {
        Stream {
            tail,
            steps: Vec::new(),
            pipe: Identity::new(),
            of: PhantomData,
        }
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// One more step in the pipe.
    pub(crate) fn step<U, Q>(
        self,
        name: &'static str,
        extend: impl FnOnce(P) -> Q,
    ) -> Stream<U, Q> {
        let mut steps = self.steps;
        steps.push(name);
        Stream {
            tail: self.tail,
            steps,
            pipe: extend(self.pipe),
            of: PhantomData,
        }
    }

    /// Ends the pipe in a vertex of its own, if it has any steps.
    pub(crate) fn close(self) -> Tail {
        if P::IS_IDENTITY {
            return self.tail;
        }
        self.fuse(OperatorVertex::unnamed, "", |_, pipe| Steps(pipe))
            .through_port::<T>()
    }

    /// Ends the pipe in the vertex of an operator that runs it first.
    pub(crate) fn fuse<O: Operator + 'static>(
        self,
        vertex: impl FnOnce(String, MakeOperator) -> OperatorVertex,
        last_step: &'static str,
        operator: impl Fn(&Replica, P) -> O + Send + 'static,
    ) -> Fused {
        let Stream {
            tail, steps, pipe, ..
        } = self;
        let make: MakeOperator =
            Box::new(move |replica| Box::new(operator(replica, pipe.clone())) as Box<_>);
        let vertex = vertex(label(steps, last_step), make);
        Fused { tail, vertex }
    }
}

/// A vertex that ends a pipe, not yet in the graph.
pub(crate) struct Fused {
    pub(crate) tail: Tail,
    pub(crate) vertex: OperatorVertex,
}

impl Fused {
    /// Adds it with a single output of `U`s.
    pub(crate) fn through_port<U: Send + 'static>(self) -> Tail {
        self.tail
            .through(self.vertex.with_port(PortMaker::moving::<U>()))
    }
}

fn label(mut steps: Vec<&'static str>, last: &'static str) -> String {
    if !last.is_empty() {
        steps.push(last);
    }
    steps.join(", ")
}
