use std::rc::Rc;

use millstream_operators::Stream;

fn main() {}

fn flow(numbers: Stream<u64>) {
    let factor = Rc::new(2);
    numbers.map(move |n| n * *factor).discard();
}
