//! Runs the built `spm` on files in a folder of its own.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use npyz::WriterBuilder;
use serde_json::Value;

/// A folder that goes away with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let k = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("spm-cli-test-{}-{k}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes an f8 `.npy` file in C order.
    pub fn npy(&self, name: &str, shape: &[usize], data: &[f64]) -> PathBuf {
        let path = self.path(name);
        let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let mut bytes = Vec::new();
        let mut w =
            npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd().unwrap();
        w.extend(data.iter().copied()).unwrap();
        w.finish().unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn text(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The names of the files in the folder.
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `spm` with words; `{}` stands for the next path.
pub fn spm(words: &str, paths: &[&Path]) -> Output {
    let mut paths = paths.iter();
    let mut command = Command::new(env!("CARGO_BIN_EXE_spm"));
    for word in words.split_whitespace() {
        if word == "{}" {
            command.arg(paths.next().unwrap())
        } else {
            command.arg(word)
        };
    }
    assert!(paths.next().is_none(), "a path was not used: {words}");
    command.output().unwrap()
}

/// Runs `spm --json` and requires the exit code; the output is exactly one JSON object.
pub fn json(words: &str, paths: &[&Path], code: i32) -> Value {
    let out = spm(&format!("{words} --json"), paths);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{words}: {stderr}");
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{words}: {e}: {stderr}"))
}

/// Requires exit code 1, one line on standard error that holds `needle`, nothing on standard output.
pub fn refused(words: &str, paths: &[&Path], needle: &str) {
    let out = spm(words, paths);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{words}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{words}: {stderr}");
    assert!(stderr.contains(needle), "{words}: '{needle}' is not in: {stderr}");
    assert!(out.stdout.is_empty(), "{words}");
}

/// Reads an f8 `.npy` file: shape and values in C order.
pub fn read_npy(path: &Path) -> (Vec<usize>, Vec<f64>) {
    let bytes = std::fs::read(path).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(file.order(), npyz::Order::C);
    (file.shape().iter().map(|&n| n as usize).collect(), file.into_vec::<f64>().unwrap())
}
