//! Asynchronous calls: many in flight, none forgotten, in the order that is asked for.
//!
//! By duty: [`plain`] and [`keyed`] are the methods of the streams, [`calls`] and [`retry`] their settings, with
//! [`rate`](crate::rate). [`operator`] runs the calls: in [`lines`] (who waits for whom), a [`pool`] (the futures),
//! [`times`] (what the watermark waits for). [`ask`] says what is called and what it gives, [`failure`] what becomes of a
//! call that failed, [`keying`] how records with a key and without are asked about; [`lent_state`] gives a call the state
//! of its key. [`answering`] and [`attempts`] are for look-ups, where several records wait for one call.

mod answering;
mod ask;
mod attempts;
mod calls;
mod failure;
mod keyed;
mod keying;
mod lent_state;
mod lines;
mod operator;
mod plain;
mod pool;
mod retry;
mod times;

pub(crate) use answering::{answering, answering_by_key};
pub(crate) use attempts::Attempts;
pub use calls::{Calls, Once, Ordered, Repeated, Repeats, Unordered};
pub use failure::{CallError, FailedCall};
pub use lent_state::StateGuard;
pub use retry::Retry;

#[cfg(test)]
mod tests;
