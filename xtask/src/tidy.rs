//! `cargo xtask tidy`: house rules that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Outcome, read, root, say};

/// Lines a source file may have, tests included, before it must be split.
const MAX_LINES: usize = 800;

/// The library crates: no faer calls outside spm-linalg, a README each.
const LIBRARIES: [&str; 6] =
    ["spm-linalg", "spm-solvers", "spm-models", "spm-image", "spm-timeseries", "sparse-modeling"];

/// Checks every rule and lists all violations.
pub(crate) fn run() -> Outcome {
    let root = root();
    let mut wrong = Vec::new();
    let sources = files(&root, "rs")?;
    for path in &sources {
        let text = read(path)?;
        let name = shown(&root, path);
        source_rules(&name, &text, &mut wrong);
    }
    catalogue(&root, &mut wrong)?;
    manifests(&root, &mut wrong)?;
    front_page(&root, &mut wrong)?;
    for path in files(&root, "md")? {
        links(&root, &path, &mut wrong)?;
    }
    if wrong.is_empty() {
        say(&format!("tidy: {} source files", sources.len()));
        Ok(())
    } else {
        Err(format!("tidy: {} violations\n{}", wrong.len(), wrong.join("\n")))
    }
}

fn source_rules(name: &str, text: &str, wrong: &mut Vec<String>) {
    let opening = text.lines().find(|l| !l.trim().is_empty() && !l.starts_with("#![")).unwrap_or_default();
    let is_crate_page = text.starts_with("#![doc = include_str!");
    if !opening.starts_with("//!") && !is_crate_page {
        wrong.push(format!("{name}: does not open with a //! line that says what it is"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        wrong.push(format!("{name}: {lines} lines, more than {MAX_LINES}"));
    }
    let marker = ["TO", "DO"].concat();
    if text.contains(&marker) || text.contains(&["FIX", "ME"].concat()) {
        wrong.push(format!("{name}: has an open {marker}"));
    }
    let library = LIBRARIES.iter().any(|l| name.starts_with(&format!("crates/{l}/src")));
    if library && !name.starts_with("crates/spm-linalg") {
        let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        for (k, line) in code.enumerate() {
            if line.contains("faer::linalg") || line.contains("faer::sparse::linalg") {
                wrong.push(format!(
                    "{name}: code line {}: calls the backend; that belongs to spm-linalg",
                    k + 1
                ));
            }
        }
    }
    if library && text.contains("Instant::now") && !name.ends_with("driver.rs") && !name.contains("/tests") {
        wrong.push(format!("{name}: reads the clock, which only the driver does"));
    }
}

/// Every public struct of `operator/` and `function/` is under the laws.
fn catalogue(root: &Path, wrong: &mut Vec<String>) -> Outcome {
    let crate_src = root.join("crates/spm-linalg/src");
    let mut listed = String::new();
    for path in files(&crate_src.join("testing"), "rs")? {
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("catalogue")) {
            listed.push_str(&read(&path)?);
        }
    }
    for folder in ["operator", "function"] {
        for path in files(&crate_src.join(folder), "rs")? {
            let text = read(&path)?;
            let implements = ["LinearOperator<", "Prox<", "Smooth<"];
            for line in text.lines().filter(|l| l.starts_with("pub struct ")) {
                let word =
                    line["pub struct ".len()..].split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
                let is_object = text.lines().any(|l| {
                    l.starts_with("impl")
                        && implements.iter().any(|t| l.contains(t))
                        && l.contains(&format!("for {word}"))
                });
                if is_object && !listed.contains(&format!("\"{word}\"")) {
                    wrong.push(format!("{}: {word} is not in the catalogue of the laws", shown(root, &path)));
                }
            }
        }
    }
    Ok(())
}

fn manifests(root: &Path, wrong: &mut Vec<String>) -> Outcome {
    for name in LIBRARIES.iter().chain(&["spm-cli"]) {
        let folder = root.join("crates").join(name);
        if !folder.join("README.md").exists() {
            wrong.push(format!("crates/{name}: has no README.md"));
        }
        let manifest = read(&folder.join("Cargo.toml"))?;
        for needed in ["description", "license.workspace", "rust-version.workspace", "[lints]"] {
            if !manifest.contains(needed) {
                wrong.push(format!("crates/{name}/Cargo.toml: has no {needed}"));
            }
        }
    }
    let records = read(&root.join("docs/decisions/README.md"))?;
    for path in files(&root.join("docs/decisions"), "md")? {
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if file != "README.md" && !records.contains(&file) {
            wrong.push(format!("docs/decisions/{file}: is not in the list of records"));
        }
    }
    Ok(())
}

/// Every line of Rust on the front page is a line of the test that runs it.
fn front_page(root: &Path, wrong: &mut Vec<String>) -> Outcome {
    let page = read(&root.join("README.md"))?;
    let test = read(&root.join("crates/sparse-modeling/tests/readme.rs"))?;
    let tested: Vec<&str> = test.lines().map(str::trim).collect();
    for block in page.split("```rust\n").skip(1) {
        for line in block.split("```").next().unwrap_or("").lines().map(str::trim).filter(|l| !l.is_empty()) {
            if !tested.contains(&line) {
                wrong.push(format!("README.md: '{line}' is not in crates/sparse-modeling/tests/readme.rs"));
            }
        }
    }
    Ok(())
}

/// Every relative link of a Markdown page leads somewhere.
fn links(root: &Path, path: &Path, wrong: &mut Vec<String>) -> Outcome {
    let text = read(path)?;
    let folder = path.parent().unwrap_or(root);
    for part in text.split("](").skip(1) {
        let target = part.split([')', '#', ' ']).next().unwrap_or("");
        if target.is_empty()
            || target.contains("://")
            || target.starts_with("mailto:")
            || target.contains("::")
        {
            continue;
        }
        if !folder.join(target).exists() && target.contains(['/', '.']) {
            wrong.push(format!("{}: the link to {target} leads nowhere", shown(root, path)));
        }
    }
    Ok(())
}

/// All files below `folder` with the extension, build output left out, in a fixed order.
fn files(folder: &Path, extension: &str) -> Outcome<Vec<PathBuf>> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                out.push(path);
            }
        }
    }
    out.sort();
    Ok(out)
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
