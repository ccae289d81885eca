//! A trend through uneven times with gaps: trend filtering of order 1.
//!
//! `cargo run --release -p spm-examples --bin gaps_trend_filtering`

use sparse_modeling::timeseries::{Series, TrendFilter, trend_lambda_max};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Slope 1 up to t = 10, slope -0.5 after it, every seventh value missing.
    let times: Vec<f64> = (0..80).map(|i| 0.2 * f64::from(i) + 0.15 * f64::from(i % 2)).collect();
    let truth = |t: f64| if t < 10.0 { t } else { 15.0 - 0.5 * t };
    let values: Vec<f64> = times
        .iter()
        .enumerate()
        .map(|(i, &t)| if i % 7 == 3 { f64::NAN } else { truth(t) + 0.2 * (12.9 * i as f64).sin() })
        .collect();

    let series = Series::new(&values).positions(&times);
    let lambda = 0.02 * trend_lambda_max(series, 1)?;
    let fitted = TrendFilter::new(1, lambda).fit(series)?.require_converged()?;
    println!("gap {:.1e} at objective {:.3}", fitted.certificate().gap(), fitted.objective());
    for knot in fitted.knots() {
        println!("kink at t = {:.2}, slope changes by {:+.3}", times[knot.index], knot.jump);
    }
    let worst = fitted.x().iter().zip(&times).map(|(x, &t)| (x - truth(t)).abs()).fold(0.0, f64::max);
    println!("largest error {worst:.3}, also where values were missing");
    Ok(())
}
