//! Record steps fused into one task, against the same steps in a loop written by hand.
//!
//! Both sides get their records from the same source and give them to the same sink. The hand-written loop
//! runs in `apply`, over the same batches. What source, edge and sink cost, measured by a flow
//! without steps, is taken off both sides.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use common::{Contest, argument, nanos_each, verdict};
use millstream::connectors::memory::discard;
use millstream::prelude::*;

/// 40 bytes.
#[derive(Clone, Copy)]
struct Trade {
    id: u64,
    price: u64,
    volume: u64,
    fees: u64,
    venue: u64,
}

impl Trade {
    fn number(id: u64) -> Self {
        let price = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Trade {
            id,
            price,
            volume: id & 1023,
            fees: 0,
            venue: id & 7,
        }
    }

    fn taxed(self) -> Self {
        let fees = self.fees + self.volume * 3 + (self.id & 1);
        Trade { fees, ..self }
    }

    fn is_wanted(&self) -> bool {
        self.price & 0xff != 7
    }

    fn mixed(self) -> Self {
        let price = (self.price ^ self.fees).wrapping_mul(0x2545_f491_4f6c_dd1d);
        Trade { price, ..self }
    }

    fn placed(self) -> Option<Self> {
        let venue = self.venue + (self.price >> 61);
        (venue != 1_000_000).then_some(Trade { venue, ..self })
    }
}

/// Four steps: two maps, a filter, a filter_map.
macro_rules! fused {
    ($stream:expr,) => { $stream };
    ($stream:expr, four $($four:tt)*) => {
        fused!(
            $stream
                .map(Trade::taxed)
                .filter(Trade::is_wanted)
                .map(Trade::mixed)
                .filter_map(Trade::placed),
            $($four)*
        )
    };
}

/// The same four steps in a loop's body.
macro_rules! by_hand {
    ($trade:ident,) => {};
    ($trade:ident, four $($four:tt)*) => {
        $trade = $trade.taxed();
        if !$trade.is_wanted() {
            continue;
        }
        match $trade.mixed().placed() {
            Some(placed) => $trade = placed,
            None => continue,
        }
        by_hand!($trade, $($four)*);
    };
}

fn run(records: u64, build: impl Fn(Stream<Trade>) + Send + Sync + 'static) {
    let flow = Flow::new("fusion", move |flow| {
        build(flow.source("trades", from_iter((0..records).map(Trade::number))));
    });
    flow.with_parallelism(1).run_blocking().expect("it runs");
}

macro_rules! contest {
    ($steps:literal, $records:ident, $rounds:ident, $($four:tt)*) => {{
        let mut contest = Contest::new();
        let empty = contest.add("no steps", || run($records, |trades| trades.sink("out", discard())));
        let fused = contest.add("fused", || {
            run($records, |trades| fused!(trades, $($four)*).sink("out", discard()))
        });
        let by_hand = contest.add("by hand", || {
            run($records, |trades| {
                let looped = trades.apply(|records, out| {
                    for record in records {
                        let mut trade = record.value;
                        by_hand!(trade, $($four)*);
                        out.push(trade, record.time);
                    }
                });
                looped.sink("out", discard());
            });
        });
        contest.run($rounds);
        contest.print(&format!("{} steps", $steps), $records);
        let net = |costs: &[common::Cost], variant: usize| {
            nanos_each(costs[variant].cpu, $records) - nanos_each(costs[empty].cpu, $records)
        };
        let ratio = contest.middle(|costs| net(costs, fused) / net(costs, by_hand));
        println!("net ns per record: fused {}, by hand {}",
            contest.middle(|costs| net(costs, fused)), contest.middle(|costs| net(costs, by_hand)));
        let what = format!("{} steps, fused to hand-written, net CPU", $steps);
        verdict(&what, ratio, ratio.median <= 1.3, "<= 1.3");
    }};
}

fn main() {
    let records = argument("records", 10_000_000);
    let rounds = argument("rounds", 11) as usize;
    contest!(4, records, rounds, four);
    contest!(8, records, rounds, four four);
    contest!(16, records, rounds, four four four four);
}
