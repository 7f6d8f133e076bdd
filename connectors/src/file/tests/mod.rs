//! Files as they are read, followed and written, on real folders and mostly on virtual time.

mod follow;
mod read;
mod resume;
mod write;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use millstream_engine::Result;
use millstream_engine::runtime;
use millstream_engine::source::{Intake, Position, Read, Source, SourceReader, SourceSetup};

/// A folder that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("millstream-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn append(&self, name: &str, bytes: &str) {
        use std::io::Write;
        let mut options = std::fs::OpenOptions::new();
        let file = options.append(true).create(true).open(self.path(name));
        file.unwrap().write_all(bytes.as_bytes()).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Runs `test` under the simulation.
fn simulated<T>(test: impl Future<Output = T>) -> T {
    runtime::simulate(1, test).unwrap()
}

async fn open<S: Source>(
    source: S,
    parallelism: usize,
    positions: Option<Vec<Position>>,
) -> Result<Vec<S::Reader>> {
    let setup = SourceSetup::first("files", parallelism);
    source
        .open(match positions {
            Some(positions) => setup.resumed(positions),
            None => setup,
        })
        .await
}

/// All values of a source with one reader, and its bad records as `origin, position: cause`.
async fn read_all<S: Source>(source: S) -> Result<(Vec<S::Out>, Vec<String>)> {
    let mut reader = open(source, 1, None).await?.remove(0);
    let (mut values, mut bad) = (Vec::new(), Vec::new());
    let mut intake = Intake::new();
    loop {
        let read = reader.read(&mut intake).await?;
        values.extend(intake.take_values());
        bad.extend(intake.take_bad().iter().map(|bad| {
            let file = Path::new(&bad.origin).file_name().unwrap();
            let file = file.to_str().unwrap();
            format!("{file}, {}: {}", bad.position, bad.cause)
        }));
        if read == Read::End {
            return Ok((values, bad));
        }
    }
}
