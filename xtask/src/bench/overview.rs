//! `cargo xtask bench overview`: a few problems of every area.

use super::{Options, Row, emit, parse, program};
use crate::Outcome;

/// Runs the suite and prints or writes its lines.
pub(super) fn run(options: &Options) -> Outcome {
    if options.peers {
        return Err("the overview has no peers: run the suite of an area".into());
    }
    emit(options, &solve(&options.size, options.repeat)?)
}

/// Solves the problems of a size.
pub(super) fn solve(size: &str, repeat: usize) -> Outcome<Vec<Row>> {
    parse(&program("suite", &[size, &repeat.to_string()])?)
}
