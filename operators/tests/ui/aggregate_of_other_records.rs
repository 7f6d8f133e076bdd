use millstream_engine::time::hours;
use millstream_operators::{KeyedStream, Tumbling, count, max};

fn main() {}

struct Bid {
    price: u64,
}

struct Auction;

fn flow(auctions: KeyedStream<u64, Auction>) {
    auctions
        .window(Tumbling::of(hours(1)))
        .aggregate("highest", (count(), max(|bid: &Bid| bid.price)))
        .discard();
}
