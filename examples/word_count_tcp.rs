//! A TCP server that counts words: every line that anyone sends is cut into words, and everyone who listens is told
//! each word's new count.
//!
//! ```text
//! cargo run --example word_count_tcp
//! nc localhost 7001                                # a second terminal: hears the counts
//! echo "to be or not to be" | nc -N localhost 7000 # a third one: says something
//! ```
//!
//! Ctrl-C ends it gracefully, and it says what it did.

use millstream::prelude::*;
use serde::Serialize;

#[derive(Clone, Serialize)]
struct Count {
    word: String,
    count: u64,
}

fn main() -> millstream::Result<()> {
    let flow = Flow::new("word-count", |flow| {
        flow.source("lines", Tcp::listen("127.0.0.1:7000").lines())
            .flat_map(|line| words(&line))
            .key_by(|word| word.clone())
            .fold("count", 0, |count, _word| {
                *count += 1;
                *count
            })
            .map(|word, count| Count { word, count })
            .sink("counts", Tcp::broadcast("127.0.0.1:7001").json());
    });
    println!("Say something:    echo \"to be or not to be\" | nc -N localhost 7000");
    println!("Hear the counts:  nc localhost 7001");
    let report = flow.run_blocking()?;
    println!("\n{report}\n{}", report.latency());
    Ok(())
}

fn words(line: &str) -> Vec<String> {
    line.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
