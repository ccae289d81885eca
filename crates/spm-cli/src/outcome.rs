//! What a command found, as one JSON object or as a short table.

use std::time::Duration;

use serde_json::{Map, Value};
use sparse_modeling::solvers::Status;

/// Named values in the order they were set.
#[derive(Debug)]
pub(crate) struct Outcome {
    entries: Vec<(&'static str, Value)>,
    /// What the table shows in place of an entry of the same name, a line each.
    shown: Vec<(&'static str, Vec<String>)>,
    converged: bool,
    /// Files that were left out.
    bad_files: usize,
}

impl Outcome {
    /// An empty outcome of the named command.
    pub(crate) fn new(command: &'static str) -> Self {
        Self {
            entries: vec![("command", Value::from(command))],
            shown: Vec::new(),
            converged: true,
            bad_files: 0,
        }
    }

    /// Adds a value; a NaN or infinite number becomes null.
    pub(crate) fn set(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.entries.push((key, value.into()));
        self
    }

    /// Adds a value that the table shows as these lines.
    pub(crate) fn set_shown(
        mut self,
        key: &'static str,
        value: impl Into<Value>,
        lines: Vec<String>,
    ) -> Self {
        self.shown.push((key, lines));
        self.set(key, value)
    }

    /// Adds the status; anything but `converged` makes the exit code 3.
    pub(crate) fn status(mut self, status: Status) -> Self {
        self.converged &= status.is_converged();
        self.set("status", status.as_str())
    }

    /// Says how many files could not be used and were left out; any make the exit code 1.
    pub(crate) fn bad_files(mut self, count: usize) -> Self {
        self.bad_files = count;
        self
    }

    /// Adds the wall time of the computation.
    pub(crate) fn seconds(self, elapsed: Duration) -> Self {
        self.set("seconds", elapsed.as_secs_f64())
    }

    pub(crate) fn is_converged(&self) -> bool {
        self.converged
    }

    /// 0, 1 if files were left out, or 3 if the result did not converge.
    pub(crate) fn exit_code(&self) -> u8 {
        match (self.bad_files, self.converged) {
            (0, true) => 0,
            (0, false) => 3,
            _ => 1,
        }
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> String {
        let map: Map<String, Value> =
            self.entries.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        format!("{}\n", Value::Object(map))
    }

    /// One aligned line a value; long lists are summed up.
    pub(crate) fn table(&self) -> String {
        let width = self.entries.iter().map(|(k, _)| k.len()).max().unwrap_or(0);
        let mut out = String::new();
        for (key, value) in &self.entries {
            let text = match self.shown.iter().find(|(k, _)| k == key) {
                Some((_, lines)) => lines.join(&format!("\n{:width$}  ", "")),
                None => cell(value),
            };
            out.push_str(&format!("{key:<width$}  {text}\n"));
        }
        out
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Number(n) => match (n.as_u64(), n.as_f64()) {
            (Some(u), _) => u.to_string(),
            (None, Some(f)) => number(f),
            _ => n.to_string(),
        },
        Value::Null => "-".to_owned(),
        Value::Array(items) if items.len() > 8 => {
            format!("{} … {} ({} values)", cell(&items[0]), cell(&items[items.len() - 1]), items.len())
        }
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            map.iter().map(|(k, v)| format!("{k} {}", cell(v))).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(b) => b.to_string(),
    }
}

/// Six significant digits, without an exponent where that reads better.
pub(crate) fn number(v: f64) -> String {
    if v == 0.0 {
        return "0".to_owned();
    }
    let magnitude = v.abs().log10().floor();
    if (-4.0..9.0).contains(&magnitude) {
        let decimals = (5.0 - magnitude).max(0.0) as usize;
        let text = format!("{v:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{v:.5e}")
    }
}
