//! The first stage: what each replica has of a window.

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::Outbox;
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;

use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::window::once::{WindowAggregate, each_as};
use crate::window::open::Spans;

/// Its results are the states, unfinished, at the last moment of their window or slice.
pub(super) struct Local<K, T, A: Aggregate<T>>(WindowAggregate<K, T, A>);

impl<K: Key, T: Send + 'static, A: Aggregate<T>> Local<K, T, A> {
    pub(super) fn new(windows: Spans, aggregate: A, gives_late: bool) -> Self {
        Local(WindowAggregate::new(windows, aggregate, gives_late))
    }

    fn fire(&mut self, watermark: Timestamp, out: &mut Outbox) -> Result<Step> {
        let open = &mut self.0.open;
        let step = open.fire(watermark, each_as(out.port(0)?, |_: &K, _, state| state))?;
        open.note_held(out);
        Ok(step)
    }
}

impl<K: Key, T: Send + 'static, A: Aggregate<T>> Operator for Local<K, T, A> {
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        self.0.on_batch(input, batch, out)
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.fire(watermark.time, out)
    }

    fn on_release(&mut self, out: &mut Outbox) -> Result<Step> {
        let open = &mut self.0.open;
        let step = open.empty(each_as(out.port(0)?, |_: &K, _, state| state))?;
        open.note_held(out);
        Ok(step)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.fire(Timestamp::MAX, out)
    }

    fn explain(&self, why: &mut Explanation) {
        self.0.explain(why);
    }
}
