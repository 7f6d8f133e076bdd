use super::super::{Sender, channel};
use super::*;
use crate::batch::{Batch, Record};
use crate::time::Timestamp;
use proptest::prelude::*;

fn inputs(n: usize) -> (Vec<Sender<Message>>, Inputs) {
    let bell = Arc::new(Bell::default());
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..n).map(|_| channel(1_000, &bell)).unzip();
    let channels = receivers.into_iter().enumerate().collect();
    (senders, Inputs::new(channels, bell))
}

fn watermark(time: i64) -> Message {
    let arrival = Instant::from_nanos(0);
    Message::Watermark(Watermark {
        time: Timestamp::from_micros(time),
        arrival,
    })
}

fn batch(value: i64) -> Message {
    let now = Instant::from_nanos(0);
    let mut batch = Batch::new(now);
    batch.records.push(Record {
        time: Timestamp::EPOCH,
        value,
    });
    Message::Batch(AnyBatch::new(batch), now)
}

fn barrier(epoch: u64) -> Message {
    Message::Barrier(Barrier {
        epoch,
        purpose: Purpose::Commit,
    })
}

fn send(sender: &Sender<Message>, message: Message) {
    assert!(sender.try_send(message).is_none(), "there is room");
}

/// What comes out, as text: `3` a record, `^5` a watermark, `~` idle, `|1` a barrier, `.` the end.
fn told(inputs: &mut Inputs) -> String {
    let mut told = Vec::new();
    while let Some(event) = inputs.try_next() {
        told.push(match event {
            Event::Batch { mut batch, .. } => {
                batch.of::<i64>().unwrap().records[0].value.to_string()
            }
            Event::Frontier(Frontier::At(watermark)) => {
                format!("^{}", watermark.time.as_micros())
            }
            Event::Frontier(_) => "~".to_owned(),
            Event::Barrier(barrier) => format!("|{}", barrier.epoch),
            Event::End => ".".to_owned(),
            Event::Orphaned => "orphaned".to_owned(),
            Event::Partition(_) | Event::InputEnd(_) => continue,
        });
    }
    told.join(" ")
}

#[test]
fn a_barrier_waits_for_every_open_input() {
    let (senders, mut inputs) = inputs(3);
    for message in [barrier(1), batch(10)] {
        send(&senders[0], message);
    }
    send(&senders[1], batch(20));
    send(&senders[1], Message::End);
    send(&senders[2], batch(30));
    assert_eq!(told(&mut inputs), "20 30", "input 0 is left unread");
    send(&senders[2], barrier(1));
    send(&senders[2], batch(31));
    assert_eq!(
        told(&mut inputs),
        "|1 10 31",
        "an ended input is not waited for"
    );
}

#[test]
fn an_idle_or_ended_input_holds_back_no_time() {
    let (senders, mut inputs) = inputs(2);
    send(&senders[0], watermark(5));
    assert_eq!(told(&mut inputs), "", "input 1 has promised nothing yet");
    send(&senders[1], Message::Idle);
    assert_eq!(told(&mut inputs), "^5");
    send(&senders[1], watermark(3));
    send(&senders[0], watermark(9));
    assert_eq!(told(&mut inputs), "", "time does not go back");
    send(&senders[1], Message::End);
    assert_eq!(told(&mut inputs), "^9");
    send(&senders[0], Message::Idle);
    assert_eq!(told(&mut inputs), "~");
    send(&senders[0], Message::End);
    assert_eq!(told(&mut inputs), ".");
}

#[test]
fn the_end_of_an_input_is_told_behind_its_last_channel() {
    let bell = Arc::new(Bell::default());
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| channel(9, &bell)).unzip();
    let mut inputs = Inputs::new([0, 1, 1].into_iter().zip(receivers).collect(), bell);
    let mut ended = |sender: usize| {
        send(&senders[sender], batch(1));
        send(&senders[sender], Message::End);
        let events = std::iter::from_fn(|| inputs.try_next());
        let ends = events.filter(|event| matches!(event, Event::InputEnd(_) | Event::End));
        ends.map(|event| format!("{event:?}")).collect::<Vec<_>>()
    };
    assert_eq!(ended(1), [""; 0]);
    assert_eq!(ended(2), ["InputEnd(1)"]);
    assert_eq!(ended(0), ["InputEnd(0)", "End"]);
}

#[test]
fn a_closed_channel_is_not_an_end() {
    let (mut senders, mut inputs) = inputs(1);
    send(&senders[0], batch(1));
    senders.clear();
    assert!(matches!(inputs.try_next(), Some(Event::Partition(_))));
    assert!(matches!(inputs.try_next(), Some(Event::Batch { .. })));
    assert!(matches!(inputs.try_next(), Some(Event::Orphaned)));
}

proptest! {
    /// The merged frontier against a naive model: recompute the minimum after every message.
    #[test]
    fn the_frontier_is_the_minimum_and_never_falls(
        steps in prop::collection::vec((0usize..3, 0u8..6, 0i64..50), 0..60)
    ) {
        let (senders, mut inputs) = inputs(3);
        let mut promised = [Some(None), Some(None), Some(None)]; // None: idle or ended
        let mut ended = [false; 3];
        let mut highest = [i64::MIN; 3];
        let mut expected: Option<i64> = None;
        let mut seen: Option<i64> = None;
        for (input, kind, time) in steps {
            if ended[input] {
                continue;
            }
            let message = match kind {
                0 => { ended[input] = true; promised[input] = None; Message::End }
                1 => { promised[input] = None; Message::Idle }
                _ => {
                    highest[input] = highest[input].max(time);
                    promised[input] = Some(Some(highest[input]));
                    watermark(highest[input])
                }
            };
            prop_assert!(senders[input].try_send(message).is_none());
            let counted: Vec<Option<i64>> = promised.iter().flatten().copied().collect();
            if !counted.is_empty() && counted.iter().all(Option::is_some) {
                let lowest = counted.iter().flatten().min().copied();
                expected = expected.max(lowest);
            }
            while let Some(event) = inputs.try_next() {
                if let Event::Frontier(Frontier::At(watermark)) = event {
                    let time = watermark.time.as_micros();
                    prop_assert!(seen.is_none_or(|seen| seen <= time), "it fell");
                    seen = Some(time);
                }
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
