//! Asynchronous calls: many in flight, none forgotten, in the order that is asked for.
//!
//! By duty: [`plain`] and [`keyed`] are the methods of the streams, [`calls`], [`retry`] and [`rate`] their settings,
//! [`operator`] what runs them: in [`lines`] (who waits for whom), a [`pool`] (the futures), [`times`] (what the
//! watermark waits for). [`by_key`] keeps the state. [`answering`] and [`attempts`] are for look-ups, where several records
//! wait for one call.

mod answering;
mod attempts;
mod by_key;
mod call;
mod calls;
mod failure;
mod keyed;
mod lines;
mod operator;
mod plain;
mod pool;
mod rate;
mod retry;
mod shape;
mod times;

pub(crate) use answering::{answering, answering_by_key};
pub(crate) use attempts::Attempts;
pub use by_key::StateGuard;
pub(crate) use calls::share;
pub use calls::{Calls, Once, Ordered, Repeated, Repeats, Unordered};
pub use failure::{CallError, FailedCall};
pub(crate) use rate::Bucket;
pub use rate::RateLimit;
pub use retry::Retry;

#[cfg(test)]
mod tests;
