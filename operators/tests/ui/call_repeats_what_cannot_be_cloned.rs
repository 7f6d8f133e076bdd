use millstream::operators::Retry;
use millstream::prelude::*;

fn main() {}

struct Order(u64);

fn flow(orders: Stream<Order>) {
    let calls = Ordered::up_to(10).with_retry(Retry::exponential(millis(100)).up_to(3));
    orders
        .try_map_async("price", calls, |order| async move { Ok::<_, String>(order.0) })
        .discard();
}
