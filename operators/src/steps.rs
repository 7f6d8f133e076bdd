//! The operator a closed pipe becomes.

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::operator::Operator;
use millstream_engine::outbox::Outbox;

use crate::pipe::Pipe;

/// Runs a pipe over batches.
pub(crate) struct Steps<P>(pub(crate) P);

impl<P: Pipe> Operator for Steps<P> {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let port = out.port::<P::Out>(0)?;
        for record in batch.of::<P::In>()?.records.drain(..) {
            let next = &mut |value, time| port.push(value, time);
            self.0.push(record.value, record.time, next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::harness::Harness;

    use super::*;
    use crate::pipe::{FlatMap, Identity};

    #[test]
    fn a_pipe_keeps_times_and_order() {
        Harness::new(|_| {
            let letters = |word: String| word.chars().collect::<Vec<_>>();
            Steps(FlatMap {
                before: Identity::<String>::new(),
                step: letters,
            })
        })
        .with_input(str::to_owned)
        .with_output(char::to_string)
        .in_order()
        .check(
            &["to@1 be@-2 ^3 or@5 |"],
            &["t@1 o@1 b@-2 e@-2 ^3 o@5 r@5 |"],
        )
        .unwrap();
    }
}
