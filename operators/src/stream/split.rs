//! One stream into several, of different types.

use millstream_engine::batch::AnyBatch;
use millstream_engine::operator::Operator;
use millstream_engine::outbox::{AnyPort, Outbox, Port, PortMaker};
use millstream_engine::plan::{OperatorVertex, Route, VertexId};
use millstream_engine::time::Timestamp;
use millstream_engine::{Error, Result};

use crate::pipe::Pipe;
use crate::scope::{Scope, Tail};
use crate::stream::Stream;

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Splits the stream: `f` says for every record in which branch it goes on, and as what.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let (numbers, words) = flow.source("lines", from_iter(["7", "seven", "11"])).split(|line| {
    ///     match line.parse::<u32>() {
    ///         Ok(number) => Either::Left(number),
    ///         Err(_) => Either::Right(line),
    ///     }
    /// });
    /// numbers.sink("numbers", out.sink());
    /// words.discard();
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [7, 11]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn split<B, F>(self, f: F) -> B::Streams
    where
        B: Branches,
        F: Fn(T) -> B + Clone + Send + 'static,
    {
        let fused = self.fuse(OperatorVertex::unnamed, "split", move |_, pipe| Split {
            pipe,
            f: f.clone(),
        });
        let (scope, timed) = (fused.tail.scope.clone(), fused.tail.timed);
        let vertex = fused.tail.into_vertex(B::with_ports(fused.vertex));
        B::streams(&Trunk {
            scope,
            vertex,
            timed,
        })
    }
}

struct Split<P, F> {
    pipe: P,
    f: F,
}

impl<P, F, B> Operator for Split<P, F>
where
    P: Pipe,
    F: Fn(P::Out) -> B + Send,
    B: Branches,
{
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let mut ports = B::ports(out)?;
        for record in batch.of::<P::In>()?.records.drain(..) {
            let next = &mut |value, time| (self.f)(value).push(time, &mut ports);
            self.pipe.push(record.value, record.time, next);
        }
        Ok(())
    }
}

/// What the closure of [`Stream::split`] returns: one of several branches.
///
/// Implemented by [`Either`], [`OneOf3`] and [`OneOf4`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say in which branch a record goes on",
    note = "return `Either` (two branches), `OneOf3` or `OneOf4` from the closure of `split`"
)]
pub trait Branches: Sized + 'static {
    /// The streams it splits into: a tuple, one for each branch.
    type Streams;

    #[doc(hidden)]
    type Ports<'a>;
    #[doc(hidden)]
    fn with_ports(vertex: OperatorVertex) -> OperatorVertex;
    #[doc(hidden)]
    fn streams(trunk: &Trunk) -> Self::Streams;
    #[doc(hidden)]
    fn ports(out: &mut Outbox) -> Result<Self::Ports<'_>>;
    #[doc(hidden)]
    fn push(self, time: Timestamp, ports: &mut Self::Ports<'_>);
}

/// What the branches come from.
#[doc(hidden)]
pub struct Trunk {
    scope: Scope,
    vertex: VertexId,
    timed: bool,
}

impl Trunk {
    fn branch<T: Send + 'static>(&self, port: usize) -> Stream<T> {
        Stream::plain(Tail {
            scope: self.scope.clone(),
            from: vec![(self.vertex.output(port), Route::Forward)],
            timed: self.timed,
        })
    }
}

macro_rules! branches {
    ($(#[$doc:meta])* $name:ident { $($(#[$branch_doc:meta])* $branch:ident($type:ident) = $port:tt),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name<$($type),+> {
            $($(#[$branch_doc])* $branch($type)),+
        }

        impl<$($type: Send + 'static),+> Branches for $name<$($type),+> {
            type Streams = ($(Stream<$type>,)+);
            type Ports<'a> = ($(&'a mut Port<$type>,)+);

            fn with_ports(vertex: OperatorVertex) -> OperatorVertex {
                vertex$(.with_port(PortMaker::moving::<$type>()))+
            }

            fn streams(trunk: &Trunk) -> Self::Streams {
                ($(trunk.branch::<$type>($port),)+)
            }

            fn ports(out: &mut Outbox) -> Result<Self::Ports<'_>> {
                let mut ports = out.ports_mut().iter_mut();
                Ok(($(next_port::<$type>(&mut ports)?,)+))
            }

            #[inline]
            fn push(self, time: Timestamp, ports: &mut Self::Ports<'_>) {
                match self {
                    $($name::$branch(value) => ports.$port.push(value, time)),+
                }
            }
        }
    };
}

branches! {
    /// One of two branches.
    Either {
        /// The first.
        Left(A) = 0,
        /// The second.
        Right(B) = 1
    }
}

branches! {
    /// One of three branches.
    OneOf3 {
        /// The first.
        First(A) = 0,
        /// The second.
        Second(B) = 1,
        /// The third.
        Third(C) = 2
    }
}

branches! {
    /// One of four branches.
    OneOf4 {
        /// The first.
        First(A) = 0,
        /// The second.
        Second(B) = 1,
        /// The third.
        Third(C) = 2,
        /// The fourth.
        Fourth(D) = 3
    }
}

fn next_port<'a, T: Send + 'static>(
    ports: &mut impl Iterator<Item = &'a mut Box<dyn AnyPort>>,
) -> Result<&'a mut Port<T>> {
    ports
        .next()
        .and_then(|port| port.as_any().downcast_mut())
        .ok_or_else(|| Error::internal("a branch without its output"))
}
