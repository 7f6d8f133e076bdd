use millstream::operators::KeyedStream;
use millstream::prelude::*;

fn main() {}

fn flow(counts: KeyedStream<String, u64>) {
    counts.sink("counts", discard());
}
