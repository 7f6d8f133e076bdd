use millstream_operators::{Lateness, Stream};

fn main() {}

struct Trade {
    millis: i64,
}

fn flow(trades: Stream<Trade>) {
    trades.event_time(|trade| trade.millis, Lateness::none()).discard();
}
