use millstream_engine::time::hours;
use millstream_operators::{KeyedStream, Tumbling};

fn main() {}

fn flow(orders: KeyedStream<u64, f64>, customers: KeyedStream<String, String>) {
    orders
        .join("with-customer", customers, Tumbling::of(hours(1)), |_, amount, name| {
            (*amount, name.clone())
        })
        .discard();
}
