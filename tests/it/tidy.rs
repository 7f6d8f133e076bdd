//! The house rules that no compiler holds. Each test says what to do when it fails.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates' folders; that of the facade is the root.
const CRATES: [&str; 4] = ["", "engine/", "operators/", "connectors/"];

#[test]
fn dependencies_between_the_crates_run_one_way() {
    // Never among the dependencies, never among those of the tests.
    let forbidden: [(&str, &[&str], &[&str]); 3] = [
        (
            "engine",
            &[
                "millstream",
                "millstream-operators",
                "millstream-connectors",
            ],
            &[
                "millstream",
                "millstream-operators",
                "millstream-connectors",
            ],
        ),
        (
            "operators",
            &["millstream", "millstream-connectors"],
            // The facade is there for the examples in the docs.
            &["millstream-connectors"],
        ),
        (
            "connectors",
            &["millstream", "millstream-operators"],
            &["millstream-operators"],
        ),
    ];
    let mut wrong = Findings::default();
    for (krate, in_code, in_tests) in forbidden {
        let manifest = format!("{krate}/Cargo.toml");
        let mut section = String::new();
        for (number, line) in numbered(&read(&root().join(&manifest))) {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']').to_owned();
            }
            let forbidden = match section.as_str() {
                section if section.ends_with("dev-dependencies") => in_tests,
                section if section.ends_with("dependencies") => in_code,
                _ => continue,
            };
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if forbidden.contains(&name) {
                wrong.add(&manifest, number, line);
            }
        }
        for source in Source::all_below(&format!("{krate}/src")) {
            for (number, line) in source.code() {
                for name in in_code {
                    if names_crate(line, &name.replace('-', "_")) {
                        wrong.add(&source.path, number, line);
                    }
                }
            }
        }
    }
    wrong.assert_none(
        "facade → {operators, connectors} → engine, and never back. What both operators and connectors need \
         belongs in the engine; what needs both belongs in the facade",
    );
}

#[test]
fn one_file_names_async_std_and_one_of_the_engine_names_flume() {
    let mut wrong = Findings::default();
    for source in Source::libraries() {
        for (number, line) in source.lines() {
            if names_crate(line, "async_std") && source.path != "engine/src/runtime/native.rs" {
                wrong.add(&source.path, number, line);
            }
            if names_crate(line, "flume")
                && source.path.starts_with("engine/")
                && source.path != "engine/src/edge/channel.rs"
            {
                wrong.add(&source.path, number, line);
            }
        }
    }
    wrong.assert_none(
        "the runtime and the channels stay replaceable: go through `millstream_engine::runtime` or `crate::edge`",
    );
}

#[test]
fn nobody_reads_a_clock_or_starts_a_thread_past_the_runtime() {
    const PAST_THE_RUNTIME: [&str; 6] = [
        "Instant::now()",
        "SystemTime::now",
        "std::time::Instant",
        "thread::spawn",
        "thread::Builder",
        "thread::sleep",
    ];
    let mut wrong = Findings::default();
    for source in Source::libraries() {
        if source.path == "engine/src/runtime/native.rs" {
            continue;
        }
        for (number, line) in source.code() {
            let excused = EXCUSED
                .iter()
                .any(|(path, what, _)| source.path == *path && line.contains(what));
            if PAST_THE_RUNTIME.iter().any(|name| line.contains(name)) && !excused {
                wrong.add(&source.path, number, line);
            }
        }
    }
    wrong.assert_none(
        "a simulation sees only what goes through `millstream_engine::runtime` (now, wall, sleep, spawn, \
         blocking, thread). If there is a good reason, add it to EXCUSED with the reason",
    );
}

/// What may go past the runtime: file, what, and why.
const EXCUSED: [(&str, &str, &str); 1] = [(
    "connectors/src/kafka/topics.rs",
    "thread::sleep",
    "on a thread that blocks anyway; librdkafka tells of a new topic by being asked again",
)];

#[test]
fn library_code_does_not_panic() {
    const PANICS: [&str; 8] = [
        ".unwrap()",
        ".expect(",
        ".unwrap_err()",
        "panic!(",
        "unreachable!(",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
    ];
    let mut wrong = Findings::default();
    for source in Source::libraries() {
        for (number, line) in source.code() {
            if PANICS.iter().any(|panic| line.contains(panic)) {
                wrong.add(&source.path, number, line);
            }
        }
    }
    wrong.assert_none(
        "return an `Error` that names origin, position and cause; what cannot happen is `Error::internal`",
    );
}

#[test]
fn files_are_small_and_folders_too() {
    let mut wrong = Findings::default();
    let mut folders = std::collections::BTreeMap::<PathBuf, usize>::new();
    for path in files() {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let lines = read(&path).lines().count();
        if lines > 400 {
            wrong.add(&shown(&path), lines, "lines: more than 400");
        }
        if let Some(folder) = path.parent() {
            *folders.entry(folder.to_owned()).or_default() += 1;
        }
    }
    for (folder, files) in folders {
        if files > 16 {
            wrong.add(&shown(&folder), files, "files: more than 16");
        }
    }
    wrong.assert_none("split by duty: a file answers one question, a folder one chapter");
}

#[test]
fn what_is_read_first_is_short() {
    let mut wrong = Findings::default();
    let mut limit = |path: &Path, most: usize| {
        let lines = read(path).lines().count();
        if lines > most {
            wrong.add(&shown(path), lines, &format!("lines: more than {most}"));
        }
    };
    for path in files() {
        let name = shown(&path);
        if name == "ARCHITECTURE.md" {
            limit(&path, 200);
        }
        // The stage an example plays on (a slow service, say) may take its room.
        let example = name
            .strip_prefix("examples/")
            .map(|e| e.trim_end_matches("/main.rs"));
        if example.is_some_and(|e| e != "flights" && !e.contains('/') && path.extension().is_some())
        {
            limit(&path, 60);
        }
    }
    wrong.assert_none("the map of the code and the examples are read in one go: say less");
}

#[test]
fn every_crate_is_documented_and_shares_the_lints() {
    let mut wrong = Findings::default();
    for krate in CRATES {
        let home = root().join(krate);
        let library = read(&home.join("src/lib.rs"));
        if !library.starts_with("//!") {
            wrong.add(
                &shown(&home.join("src/lib.rs")),
                1,
                "does not say what the crate is",
            );
        }
        let manifest = read(&home.join("Cargo.toml"));
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.add(
                &shown(&home.join("Cargo.toml")),
                1,
                "does not share the lints",
            );
        }
    }
    let workspace = read(&root().join("Cargo.toml"));
    if !workspace.contains("missing_docs = \"deny\"") {
        wrong.add("Cargo.toml", 1, "does not deny `missing_docs`");
    }
    for source in Source::libraries() {
        if !source.is_test && !source.text.starts_with("//!") {
            wrong.add(&source.path, 1, "does not say what the module is for");
        }
    }
    wrong.assert_none(
        "a file opens with `//!` and what it is; a crate has `[lints] workspace = true`",
    );
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // In two halves, so that this file does not find itself.
    let homes = ["home", "root", "Users", "work"].map(|home| format!("/{home}{}", '/'));
    let mut wrong = Findings::default();
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue; // Data.
        };
        for (number, line) in numbered(&text) {
            let absolute = |home: &String| {
                line.match_indices(home.as_str()).any(|(at, _)| {
                    // A path of an address or of a folder below is not absolute.
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}$)".contains(c))
                })
            };
            if homes.iter().any(absolute) {
                wrong.add(&shown(&path), number, line);
            }
        }
    }
    wrong.assert_none("paths start at the project's root, or come from the environment");
}

/// A file of Rust.
struct Source {
    /// From the project's root.
    path: String,
    text: String,
    /// Whether it is compiled for tests only.
    is_test: bool,
}

impl Source {
    fn libraries() -> Vec<Source> {
        let all = CRATES
            .iter()
            .map(|krate| Source::all_below(&format!("{krate}src")));
        all.flatten().collect()
    }

    fn all_below(folder: &str) -> Vec<Source> {
        let rust = files_below(&root().join(folder));
        let rust = rust
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "rs"));
        rust.map(|path| {
            let shown = shown(&path);
            let is_test = shown.contains("/tests/")
                || shown.ends_with("/tests.rs")
                || shown.ends_with("/testing.rs");
            Source {
                text: read(&path),
                path: shown,
                is_test,
            }
        })
        .collect()
    }

    /// Its lines but the comments, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text).filter(|(_, line)| !line.starts_with("//"))
    }

    /// Its lines as far as they are compiled into the library. Tests stand at the end of a file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = numbered(&self.text)
            .zip(self.text.lines().skip(1))
            .find(|((_, line), next)| *line == "#[cfg(test)]" && next.trim_end().ends_with('{'))
            .map_or(usize::MAX, |((number, _), _)| number);
        let end = if self.is_test { 0 } else { tests };
        self.lines().take_while(move |(number, _)| *number < end)
    }
}

/// What breaks a rule, and where.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn add(&mut self, path: &str, number: usize, what: &str) {
        let _ = writeln!(self.0, "  {path}:{number}: {}", what.trim());
    }

    #[track_caller]
    fn assert_none(self, what_to_do: &str) {
        assert!(self.0.is_empty(), "\n{}\n{what_to_do}.\n", self.0);
    }
}

/// Whether a line of code has a path into the crate: `name::…`, not `other_name::…`.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        !before.ends_with(is_part) && after.starts_with("::")
    })
}

/// The lines without their indentation, with their numbers.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines().map(str::trim_start))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The path from the project's root.
fn shown(path: &Path) -> String {
    let root = root();
    let path = path.strip_prefix(&root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files of the project.
fn files() -> Vec<PathBuf> {
    files_below(&root())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // What is built, drawn at random or kept by git is not written by anybody.
        let skipped = ["target", ".git", "corpus", "artifacts"].contains(&name.as_str());
        match path.is_dir() {
            _ if skipped => {}
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
