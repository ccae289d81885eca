//! The results as Markdown.

use std::fmt::Write;

use serde_json::Value;

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// The distinct values of `key`, in the order of their first row.
fn distinct<'a>(rows: &[&'a Value], key: &str) -> Vec<&'a str> {
    let mut all = Vec::new();
    for row in rows {
        if !all.contains(&text(row, key)) {
            all.push(text(row, key));
        }
    }
    all
}

fn figure(row: Option<&Value>, key: &str, digits: usize) -> String {
    row.and_then(|r| r[key].as_f64()).map_or("–".into(), |v| format!("{v:.digits$}"))
}

/// Rows of one table.
struct Table<'a>(Vec<&'a Value>);

impl<'a> Table<'a> {
    fn of(rows: &'a [Value], name: &str) -> Self {
        Self(rows.iter().filter(|r| text(r, "table") == name).collect())
    }

    fn threads(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.0.iter().filter_map(|r| r["threads"].as_u64()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn find(&self, case: &str, solver: &str, threads: Option<u64>) -> Option<&'a Value> {
        let fits = |r: &&&Value| {
            text(r, "case") == case
                && text(r, "solver") == solver
                && (threads.is_none() || r["threads"].as_u64() == threads)
        };
        self.0.iter().find(fits).copied()
    }
}

fn head(out: &mut String, columns: &[String]) {
    let _ = writeln!(out, "\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
}

/// All tables.
pub(super) fn render(rows: &[Value]) -> String {
    let mut out = String::new();
    if let Some(machine) = rows.iter().find(|r| text(r, "table") == "machine") {
        let _ = writeln!(out, "\n{}; {}.", text(machine, "processor"), text(machine, "versions"));
    }
    out.push_str("\n## Coding\nMicroseconds a signal.\n");
    per_thread(&mut out, &Table::of(rows, "coding"), &["omp", "ols", "spams"], "ols", ["rmse", "error"]);
    out.push_str("\n## Lasso coding\nlambda = 30; microseconds a signal.\n");
    per_thread(&mut out, &Table::of(rows, "lasso"), &["lasso", "spams"], "lasso", ["objective", "objective"]);
    out.push_str("\n## Training\nRoot mean square error after coding anew by exact OMP with 5 atoms.\n");
    training(&mut out, &Table::of(rows, "training"));
    out.push_str("\n## Recovery\nPer cent of atoms recovered.\n");
    let recovery = Table::of(rows, "recovery");
    let cases = distinct(&recovery.0, "case");
    let columns: Vec<String> =
        std::iter::once("method").chain(cases.iter().copied()).map(String::from).collect();
    head(&mut out, &columns);
    for solver in distinct(&recovery.0, "solver") {
        let shares: Vec<String> =
            cases.iter().map(|case| figure(recovery.find(case, solver, None), "share", 1)).collect();
        let _ = writeln!(out, "| {solver} | {} |", shares.join(" | "));
    }
    out.push_str("\n## Memory\nPeak memory beyond the input, f64, MiB.\n");
    head(&mut out, &["what".into(), "method".into(), "MiB".into()]);
    for row in Table::of(rows, "memory").0 {
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            text(row, "case"),
            text(row, "solver"),
            figure(Some(row), "mib", 0)
        );
    }
    out
}

/// Times of `solvers` for every number of threads, SPAMS' over those of `ours`, and what was reached by ours and by SPAMS; other
/// solvers in a list.
fn per_thread(out: &mut String, table: &Table<'_>, solvers: &[&str], ours: &str, [key, reached]: [&str; 2]) {
    let threads = table.threads();
    let mut columns = vec!["case".to_owned()];
    for t in &threads {
        columns.extend(solvers.iter().map(|s| format!("{s}, {t} thr.")));
        columns.push(format!("spams / {ours}"));
    }
    columns.push(format!("{reached}, {ours}"));
    columns.push(format!("{reached}, spams"));
    head(out, &columns);
    for case in distinct(&table.0, "case") {
        let mut cells = vec![case.to_owned()];
        for &t in &threads {
            let us = |solver: &str| table.find(case, solver, Some(t)).and_then(|r| r["us"].as_f64());
            cells.extend(solvers.iter().map(|s| us(s).map_or("–".into(), |v| format!("{v:.2}"))));
            let ratio = us("spams").zip(us(ours)).map(|(a, b)| a / b);
            cells.push(ratio.map_or("–".into(), |v| format!("**{v:.2}**")));
        }
        cells.extend([ours, "spams"].map(|s| figure(table.find(case, s, None), key, 4)));
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    let others = table.0.iter().filter(|r| ![&["omp"], solvers].concat().contains(&text(r, "solver")));
    let others: Vec<String> = others
        .map(|r| {
            let (solver, case) = (text(r, "solver"), text(r, "case"));
            format!(
                "{solver} ({case}) {} with {reached} {}",
                figure(Some(r), "us", 1),
                figure(Some(r), key, 4)
            )
        })
        .collect();
    if !others.is_empty() {
        let _ = writeln!(out, "\nOne thread: {}.", others.join("; "));
    }
}

fn training(out: &mut String, table: &Table<'_>) {
    let threads = table.threads();
    let mut columns: Vec<String> = ["signals", "method"].map(String::from).to_vec();
    columns.extend(threads.iter().map(|t| format!("s an iteration, {t} thr.")));
    columns.extend(["error, training signals", "error, other signals"].map(String::from));
    head(out, &columns);
    for case in distinct(&table.0, "case") {
        let of: Vec<&Value> = table.0.iter().copied().filter(|r| text(r, "case") == case).collect();
        for solver in distinct(&of, "solver") {
            let mut cells = vec![case.to_owned(), solver.to_owned()];
            cells.extend(threads.iter().map(|&t| figure(table.find(case, solver, Some(t)), "seconds", 4)));
            cells.extend(["train", "test"].map(|key| figure(table.find(case, solver, None), key, 3)));
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
    }
}
