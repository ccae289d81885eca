//! `cargo xtask docs`: the documentation, warnings denied, formulas typeset without a network.

use std::fs;
use std::path::Path;

use crate::{Outcome, cargo, root};

/// How.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Open the result in a browser.
    #[arg(long)]
    open: bool,
}

/// Builds the documentation of every crate of the workspace.
pub(crate) fn run(args: &Args) -> Outcome {
    let katex = root().join("docs/katex");
    let header = katex.join("header.html");
    let flags = format!("-D warnings --html-in-header {}", header.display());
    let mut list = vec!["doc", "--workspace", "--all-features", "--no-deps"];
    if args.open {
        list.push("--open");
    }
    crate::must(cargo(&list).env("RUSTDOCFLAGS", flags))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    copy(&katex, &target.join("doc/katex"))
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let fail = |e: std::io::Error| format!("{}: {e}", to.display());
    fs::create_dir_all(to).map_err(fail)?;
    for entry in fs::read_dir(from).map_err(fail)?.filter_map(Result::ok) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(fail)?;
        }
    }
    Ok(())
}
