use millstream_engine::time::hours;
use millstream_operators::{BroadcastTable, KeyedStream, Stream, TableLoad, Tumbling};

fn main() {}

struct Order;

fn join(orders: KeyedStream<u64, Order>, customers: KeyedStream<u64, String>) {
    orders
        .join("with-customer", customers, Tumbling::of(hours(1)), |_, _, name| name.clone())
        .discard();
}

fn table(orders: Stream<Order>, names: Stream<(u64, Option<String>)>) {
    let settings = BroadcastTable::up_to(10, TableLoad::AtEnd);
    orders.join_table("names", names, settings, |_| 1, |_, name| name.cloned()).discard();
}
