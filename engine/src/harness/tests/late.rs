//! What is late: that depends on the order of several inputs, and a model is told it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::*;

/// Passes on what is not late by `slack`.
struct InTime {
    watermark: Timestamp,
    slack: i64,
}

impl Operator for InTime {
    fn on_batch(&mut self, _: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        for record in batch.of::<String>()?.records.drain(..) {
            match record.time.as_micros() < self.watermark.as_micros().saturating_sub(self.slack) {
                true => out.count_late(1),
                false => out.port(0)?.push(record.value, record.time),
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, _: &mut Outbox) -> Result<Step> {
        self.watermark = watermark.time;
        Ok(Step::Done)
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        state.put_piece("watermark", &self.watermark)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.watermark = state.least_piece()?.unwrap_or(Timestamp::MIN);
        Ok(())
    }
}

#[test]
fn a_model_is_told_in_which_order_records_came_and_so_which_are_late() {
    let harness = |slack| {
        let watermark = Timestamp::MIN;
        Harness::new(move |_| InTime { watermark, slack })
            .with_input(str::to_owned)
            .with_input(str::to_owned)
            .with_output(String::clone)
    };
    let inputs = ["a@5 ^9 c@7 d@6 |", "b@5 ^6 |"];
    let lates = RefCell::new(BTreeSet::new());
    let model = |came: &[(usize, Item)]| {
        let (mut watermark, mut all, mut late) = (Timestamp::MIN, Script::default(), 0);
        for (input, item) in came {
            if let Item::Record(value, _) = item {
                assert_eq!(*input, usize::from(value == "b"));
            }
            match item {
                Item::Record(_, time) if *time < watermark => late += 1,
                Item::Record(..) => all.items.push(item.clone()),
                Item::Watermark(time) => watermark = *time,
                Item::ProcessingTime(_) | Item::End => {}
            }
        }
        lates.borrow_mut().insert(late);
        all.items.push(Item::End);
        (vec![all.to_string()], late)
    };
    harness(0).check_against(&inputs, model).unwrap();
    assert!(
        lates.take().into_iter().eq([0, 1, 2]),
        "each of them in some order"
    );
    let complaint = harness(3)
        .check_against(&inputs, model)
        .unwrap_err()
        .to_string();
    assert!(complaint.contains("by the model"), "{complaint}");
    let none = |_: &[(usize, Item)]| (Vec::new(), 0);
    assert!(harness(0).check_against(&inputs, none).is_err());
}
