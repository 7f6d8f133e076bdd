//! Tasks: the loops that receive, call an operator, and send.
//!
//! There are three: a source reads, an operator computes, a sink writes. They share their way in
//! ([`crate::edge::Inputs`]), what is fused into them ([`Chain`]) and their way out (`Outputs`).

pub(crate) mod alignment;
pub(crate) mod bad_records;
mod budget;
pub(crate) mod chain;
mod control;
pub(crate) mod erased;
pub(crate) mod idleness;
pub(crate) mod operator_task;
pub(crate) mod outputs;
pub(crate) mod questions;
mod sending;
pub(crate) mod sink_task;
pub(crate) mod source_task;
pub(crate) mod stage;

pub(crate) use control::{Control, Stop, TaskId, Told};
