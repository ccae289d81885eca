//! A benchmark page: tables of a suite's rows against those of its peers.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use super::Row;
use crate::{Outcome, read};

/// A page in the making.
pub(super) struct Page<'a> {
    text: String,
    rows: Vec<&'a Row>,
    peers: &'a [Row],
    /// In the order of their first row.
    names: Vec<&'a str>,
}

impl<'a> Page<'a> {
    /// A page on the rows of `solver` and of its `peers`.
    pub(super) fn new(title: &str, rows: &'a [Row], solver: &str, peers: &'a [Row]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for row in peers {
            if !names.contains(&row.solver.as_str()) {
                names.push(&row.solver);
            }
        }
        let rows = rows.iter().filter(|r| r.solver == solver).collect();
        Self { text: format!("# {title}\n"), rows, peers, names }
    }

    /// A paragraph.
    pub(super) fn text(&mut self, text: &str) {
        let _ = write!(self.text, "\n{text}\n");
    }

    /// A heading.
    pub(super) fn heading(&mut self, text: &str) {
        let _ = write!(self.text, "\n## {text}\n");
    }

    fn peer(&self, name: &str, problem: &str) -> Option<&'a Row> {
        self.peers.iter().find(|p| p.solver == name && p.problem == problem && p.gap <= p.tol)
    }

    fn head(&mut self, last: &str) {
        let _ = writeln!(self.text, "\n| problem | ours | {} |{last}", self.names.join(" | "));
        let columns = self.names.len() + 2 + usize::from(!last.is_empty());
        let _ = writeln!(self.text, "|{}", "---|".repeat(columns));
    }

    /// Milliseconds, the ratio of the fastest peer's to ours, and its geometric mean.
    pub(super) fn times(&mut self) {
        self.head(" fastest peer / ours |");
        let mut ratios = Vec::new();
        for row in self.rows.clone() {
            let _ = write!(self.text, "| {} | {} |", row.problem, figure(1e3 * row.seconds));
            let mut best = f64::INFINITY;
            for name in self.names.clone() {
                match self.peer(name, &row.problem) {
                    Some(peer) => {
                        best = best.min(peer.seconds);
                        let _ = write!(self.text, " {} |", figure(1e3 * peer.seconds));
                    }
                    None => self.text.push_str(" – |"),
                }
            }
            if best.is_finite() {
                ratios.push(best / row.seconds);
                let _ = writeln!(self.text, " {:.1} |", best / row.seconds);
            } else {
                self.text.push_str(" – |\n");
            }
        }
        if !ratios.is_empty() {
            let mean = (ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp();
            let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let lost = ratios.iter().filter(|&&r| r < 1.0).count();
            self.text(&format!(
                "Fastest peer over ours: geometric mean {mean:.2} over {} rows, smallest {least:.2}, {lost} rows lost.",
                ratios.len()
            ));
        }
    }

    /// Peak memory in MiB.
    pub(super) fn memory(&mut self) {
        self.head("");
        for row in self.rows.clone() {
            let _ = write!(self.text, "| {} | {} |", row.problem, row.peak_mib.map_or("–".into(), figure));
            for name in self.names.clone() {
                let peak = self.peer(name, &row.problem).and_then(|p| p.peak_mib);
                let _ = write!(self.text, " {} |", peak.map_or("–".into(), figure));
            }
            self.text.push('\n');
        }
    }

    /// Relative gap, iterations and nonzeros.
    pub(super) fn gaps(&mut self) {
        self.text.push_str("\n| problem | relative gap | iterations | nonzeros |\n|---|---|---|---|\n");
        for row in &self.rows {
            let gap = row.gap.max(0.0);
            let _ = writeln!(self.text, "| {} | {gap:.0e} | {} | {} |", row.problem, row.iterations, row.nnz);
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Puts `text` into the section of a page that begins with the line `<!-- measured by COMMAND -->` and ends at the next such line, or
/// at the end of the page: what other commands wrote stays.
pub(super) fn replace_section(path: &Path, command: &str, text: &str) -> Outcome {
    let page = read(path)?;
    let mark = format!("{MARK}{command} -->\n");
    let start =
        page.find(&mark).ok_or_else(|| format!("{}: there is no line {}", path.display(), mark.trim()))?;
    let (head, rest) = page.split_at(start + mark.len());
    let tail = rest.find(MARK).map_or("", |at| &rest[at..]);
    let space = if tail.is_empty() { "" } else { "\n" };
    std::fs::write(path, format!("{head}{text}{space}{tail}")).map_err(|e| format!("{}: {e}", path.display()))
}

const MARK: &str = "<!-- measured by ";

/// About three digits.
fn figure(v: f64) -> String {
    let digits = if v < 10.0 { 2 } else { usize::from(v < 100.0) };
    format!("{v:.digits$}")
}

/// Processor and compiler.
pub(super) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        info.lines().find(|l| l.starts_with(key)).and_then(|l| l.split(':').nth(1)).unwrap_or("?")
    };
    let cores = info.lines().filter(|l| l.starts_with("processor")).count();
    let wide = if of("flags").contains("avx512f") { "AVX-512" } else { "AVX2" };
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    format!("{cores} virtual cores of {} ({wide}), {rustc}", of("model name").trim())
}

#[cfg(test)]
mod tests {
    use super::replace_section;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let path = std::env::temp_dir().join(format!("page-{}.md", std::process::id()));
        let page = "# Title\n<!-- measured by a -->\nold a\n\n<!-- measured by a --more -->\nold more\n";
        std::fs::write(&path, page).unwrap();
        replace_section(&path, "a", "new a\n").unwrap();
        replace_section(&path, "a --more", "new more\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let wrong = replace_section(&path, "b", "");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text, page.replace("old", "new"));
        assert!(wrong.is_err());
    }
}
