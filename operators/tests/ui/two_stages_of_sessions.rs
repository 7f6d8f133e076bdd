use millstream_engine::time::minutes;
use millstream_operators::{KeyedStream, Session, count};

fn main() {}

fn flow(clicks: KeyedStream<u64, String>) {
    clicks
        .window(Session::gap(minutes(30)))
        .in_two_stages()
        .aggregate("clicks", count())
        .discard();
}
