//! A flow as one process among others: `cat x | grep | head`, and Ctrl-C.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The example of that name, which `cargo test` has built; all three streams are pipes.
fn grep(word: &str) -> Child {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    path.push("grep");
    let mut command = Command::new(&path);
    command
        .arg(word)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{path:?}: {error}; `cargo build --examples` makes it"))
}

/// What it said on standard error, once it is done; it must have ended well.
fn said(mut child: Child) -> String {
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}: {said}");
    said
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
}

/// Waits until SIGINT's bit in this line of the process's status is as asked.
fn until_sigint(child: &Child, line: &str, is_set: bool) {
    let began = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask = status.lines().find_map(|l| l.strip_prefix(line)).unwrap();
        let mask = u64::from_str_radix(mask.trim_start_matches(':').trim(), 16).unwrap();
        if (mask & 0b10 != 0) == is_set {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{line} {mask:x}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Writes lines until nobody takes them.
fn flood(child: &mut Child) -> std::thread::JoinHandle<u64> {
    let mut input = child.stdin.take().unwrap();
    std::thread::spawn(move || {
        let lines = (0u64..).take_while(|n| writeln!(input, "line {n} of many").is_ok());
        lines.count() as u64
    })
}

#[test]
fn it_ends_with_its_input() {
    let mut child = grep("7");
    let mut input = child.stdin.take().unwrap();
    for n in 0..100 {
        writeln!(input, "{n}").unwrap();
    }
    drop(input);
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    let expected = (0..100).map(|n| n.to_string()).filter(|n| n.contains('7'));
    assert!(output.lines().eq(expected), "{output}");
    assert!(said(child).contains("finished"));
}

#[test]
fn a_line_is_answered_while_the_input_is_open() {
    let mut child = grep("");
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for n in 0..3 {
        writeln!(input, "{n}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), n.to_string());
    }
    drop(input);
    said(child);
}

#[test]
fn when_nobody_reads_on_it_ends_quietly() {
    let mut child = grep("many");
    let writing = flood(&mut child);
    let output = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<_> = output.lines().take(5).map(Result::unwrap).collect();
    assert_eq!(lines[4], "line 4 of many");
    let said = said(child);
    assert!(said.contains("stopped") && !said.contains("rror"), "{said}");
    assert!(writing.join().unwrap() > 5);
}

#[test]
fn one_signal_drains_and_reports() {
    for name in ["INT", "TERM"] {
        let mut child = grep("");
        let mut input = child.stdin.take().unwrap();
        until_sigint(&child, "SigCgt", true);
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        for n in 0..100 {
            writeln!(input, "{n}").unwrap();
        }
        for n in 0..100 {
            assert_eq!(output.next().unwrap().unwrap(), n.to_string());
        }
        signal(&child, name);
        // The input stays open: it is the signal that ends it.
        assert!(output.next().is_none());
        let said = said(child);
        assert!(
            said.contains("stopped after") && said.contains("100 in"),
            "{said}"
        );
        drop(input);
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut child = grep("many");
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    // More than a pipe holds, so that it cannot be finished while nobody reads.
    writeln!(input, "{}", "many ".repeat(100_000)).unwrap();
    output.read_exact(&mut [0]).unwrap();
    until_sigint(&child, "SigCgt", true);
    signal(&child, "INT");
    until_sigint(&child, "ShdPnd", false);
    signal(&child, "INT");
    let said = said(child);
    assert!(said.contains("stopped at once"), "{said}");
    drop((input, output));
}
