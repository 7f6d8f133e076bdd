//! The second stage: an aggregate over the states of another one.

use std::marker::PhantomData;

use crate::aggregate::{Aggregate, Retract};

/// What `A` makes of records, made of states of them. What it keeps is what `A` keeps.
pub(super) struct Combined<T, A>(A, PhantomData<fn(T)>);

impl<T, A> Combined<T, A> {
    pub(super) fn of(aggregate: A) -> Self {
        Combined(aggregate, PhantomData)
    }
}

impl<T, A: Clone> Clone for Combined<T, A> {
    fn clone(&self) -> Self {
        Combined::of(self.0.clone())
    }
}

impl<T: 'static, A: Aggregate<T, State: Clone>> Aggregate<A::State> for Combined<T, A> {
    type State = A::State;
    type Out = A::Out;
    const RETRACT: Option<Retract<Self, A::State>> = match A::RETRACT {
        Some(_) => Some(|combined, state, gone| {
            if let Some(retract) = A::RETRACT {
                retract(&combined.0, state, gone);
            }
        }),
        None => None,
    };

    fn init(&self, first: &A::State) -> A::State {
        first.clone()
    }
    #[inline]
    fn add(&self, state: &mut A::State, part: &A::State) {
        self.0.merge(state, part.clone());
    }
    fn merge(&self, state: &mut A::State, other: A::State) {
        self.0.merge(state, other);
    }
    fn finish(&self, state: A::State) -> A::Out {
        self.0.finish(state)
    }
}
