use millstream_operators::Stream;

fn main() {}

struct Word {
    text: String,
}

fn flow(words: Stream<Word>) {
    words.key_by(|word| &word.text).discard();
}
