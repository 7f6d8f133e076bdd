use std::time::Duration;

use millstream_operators::{Ordered, Retry, Stream};

struct Order;

fn main() {}

fn flow(orders: Stream<Order>) {
    let calls = Ordered::up_to(10).with_retry(Retry::exponential(Duration::from_secs(1)));
    orders.try_map_async("ask", calls, |_| async { Ok::<_, String>(1) }).discard();
}
