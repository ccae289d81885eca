//! Tables of PSNR: what a choice is worth in the mean over the photographs, and on each of them.

use std::fmt::Write;

use super::Row;

/// First words of problems, headings, and what the columns are.
const TABLES: [(&str, &str, &str); 3] = [
    ("ksvd", "Denoising by K-SVD, choice by choice", "sigma"),
    ("weight", "Total variation: how the weight is chosen", "sigma"),
    ("fill", "Missing pixels", "% missing"),
];

/// A result: `METHOD PHOTOGRAPH LEVEL`.
fn words(row: &Row) -> Option<[&str; 3]> {
    let mut words = row.problem.split(' ');
    Some([words.next()?, words.next()?, words.next()?])
}

/// All tables.
pub(super) fn tables(rows: &[Row]) -> String {
    let mut out = String::new();
    for (method, title, unit) in TABLES {
        let rows: Vec<(&Row, [&str; 3])> =
            rows.iter().filter_map(|r| Some((r, words(r)?))).filter(|(_, w)| w[0] == method).collect();
        if rows.is_empty() {
            continue;
        }
        let (photos, levels) = (distinct(&rows, |w, _| w[1]), distinct(&rows, |w, _| w[2]));
        let choices = distinct(&rows, |_, r| r.solver.as_str());
        let psnr = |photo: &str, level: &str, choice: &str| {
            rows.iter()
                .find(|(r, w)| w[1..] == [photo, level] && r.solver == choice)
                .map_or(f64::NAN, |(r, _)| r.objective)
        };
        let mean = |level: &str, choice: &str| {
            photos.iter().map(|p| psnr(p, level, choice)).sum::<f64>() / photos.len() as f64
        };
        let overall =
            |choice: &str| levels.iter().map(|l| mean(l, choice)).sum::<f64>() / levels.len() as f64;
        let seconds = |choice: &str| {
            let times = rows.iter().filter(|(r, _)| r.solver == choice).map(|(r, _)| r.seconds);
            times.sum::<f64>() / (photos.len() * levels.len()) as f64
        };
        let _ = write!(out, "\n## {title}\nMean over {} photographs, dB.\n\n| {unit}:", photos.len());
        let _ = writeln!(out, " | {} | mean | over the first | s a picture |", levels.join(" | "));
        let _ = writeln!(out, "|{}", "---|".repeat(levels.len() + 4));
        for choice in &choices {
            let _ = write!(out, "| {choice} |");
            for level in &levels {
                let _ = write!(out, " {:.2} |", mean(level, choice));
            }
            let gain = overall(choice) - overall(choices[0]);
            let _ = writeln!(out, " {:.2} | {gain:+.2} | {:.2} |", overall(choice), seconds(choice));
        }
        let _ = write!(out, "\nPhotograph by photograph, mean over the levels.\n\n| |");
        let _ = writeln!(out, " {} |", photos.join(" | "));
        let _ = writeln!(out, "|{}", "---|".repeat(photos.len() + 1));
        for choice in &choices {
            let _ = write!(out, "| {choice} |");
            for photo in &photos {
                let sum: f64 = levels.iter().map(|l| psnr(photo, l, choice)).sum();
                let _ = write!(out, " {:.2} |", sum / levels.len() as f64);
            }
            out.push('\n');
        }
    }
    out
}

/// The different values, in order of appearance.
fn distinct<'a>(
    rows: &[(&'a Row, [&'a str; 3])],
    of: impl Fn(&[&'a str; 3], &'a Row) -> &'a str,
) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (row, words) in rows {
        let value = of(words, row);
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}
