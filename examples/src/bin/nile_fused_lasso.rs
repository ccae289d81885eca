//! When did the Nile change: exact one-dimensional total variation on a hundred yearly flows.
//!
//! `cargo run --release -p spm-examples --bin nile_fused_lasso`

use sparse_modeling::timeseries::{FusedLasso, Series};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let table = include_str!("../../../crates/spm-cli/data/nile.csv");
    let rows: Vec<(u32, f64)> = table
        .lines()
        .skip(1)
        .filter_map(|l| l.split_once(','))
        .map(|(year, flow)| Ok((year.parse()?, flow.parse()?)))
        .collect::<Result<_, Box<dyn std::error::Error>>>()?;
    let flow: Vec<f64> = rows.iter().map(|r| r.1).collect();

    let most = FusedLasso::new(0.0).fit(Series::new(&flow))?.lambda_max();
    for ratio in [0.1, 0.25, 0.5] {
        let fitted = FusedLasso::new(ratio * most).fit(Series::new(&flow))?;
        println!("lambda = {ratio} lambda_max, gap {:.1e}:", fitted.certificate().gap());
        for segment in fitted.segments() {
            let (first, last) = (rows[segment.range.start].0, rows[segment.range.end - 1].0);
            println!("  {first}–{last}: {:.0}", segment.value);
        }
    }
    Ok(())
}
