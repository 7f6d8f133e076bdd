use millstream_operators::KeyedStream;

fn main() {}

#[derive(Clone)]
struct Seen(u64);

fn flow(words: KeyedStream<String, String>) {
    words
        .fold("seen", Seen(0), |seen, _word| {
            seen.0 += 1;
            seen.0
        })
        .discard();
}
