//! Edges: what carries messages from one task to another.
//!
//! One bounded channel for each pair of sender and receiver, and one doorbell for each receiving task.
//! A full channel is the back-pressure. Only `channel.rs` names flume.

mod bell;
mod channel;
mod inputs;
mod message;

pub(crate) use bell::Bell;
pub(crate) use channel::{Closed, Received, Receiver, Sender, channel};
pub(crate) use inputs::{Event, InputTime, Inputs};
pub(crate) use message::{Barrier, Message, Purpose};
