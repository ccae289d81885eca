//! The examples of the front page, compiled and run. `cargo xtask tidy` checks that they are the same lines.

use std::error::Error;

#[test]
fn spm_models_example() -> Result<(), Box<dyn Error>> {
    use spm_models::{Design, Fit, Lasso, Score, Xy};

    let x = [1.0, 2.0, 3.0, 4.0, 1.0, -1.0, 1.0, -1.0]; // 4 × 2, column by column
    let y = [2.1, 3.9, 6.2, 7.8];
    let data = Xy::new(Design::dense(&x, 4, 2)?, &y);
    let fitted = Lasso::new(0.1).fit(data)?.require_converged()?;
    assert_eq!(fitted.coef[1], 0.0);
    assert!(fitted.relative_gap() <= 1e-6 && fitted.score(data)? > 0.98);
    Ok(())
}

#[test]
fn spm_timeseries_example() -> Result<(), Box<dyn Error>> {
    use spm_timeseries::{FusedLasso, Series};

    let y = [0.1, -0.1, 0.0, f64::NAN, 5.1, 4.9, 5.0]; // NaN: missing
    let fitted = FusedLasso::new(0.5).fit(Series::new(&y))?;
    assert_eq!(fitted.segments().len(), 2);
    assert!(fitted.certificate().gap() < 1e-12);
    Ok(())
}

#[test]
fn spm_image_example() -> Result<(), Box<dyn Error>> {
    use spm_image::{Gray, metrics::psnr, tv::TvDenoise};

    let noisy = Gray::new(2, 3, vec![0.1, 0.0, 0.9, 0.0, 0.1, 1.0])?;
    let result = TvDenoise::new(0.05).denoise(noisy.view())?;
    assert!(result.status().is_converged());
    assert!(psnr(noisy.view(), result.image.view(), 1.0)? > 20.0);
    Ok(())
}

#[test]
fn spm_solvers_example() -> Result<(), Box<dyn Error>> {
    use spm_linalg::{Dense, penalty::L1};
    use spm_solvers::{Control, CoordinateDescent, Iteration, run, stop::Gap};

    let x = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
    let mut cd = CoordinateDescent::new(x, &[3.0, -0.5], 1.0, L1::new(1.0)?)?;
    let report = run(&mut cd, Control::new(100, &mut Gap { tol: 1e-12 }))?;
    assert!(report.status.is_converged());
    assert_eq!(cd.iterate(), [2.0, 0.0]);
    Ok(())
}

#[test]
fn spm_linalg_example() -> Result<(), Box<dyn Error>> {
    use spm_linalg::{LinearOperatorExt, Prox, Workspace, operator::Difference, penalty::L1};

    let d = Difference::even(4, 1)?;
    assert_eq!(d.apply_vec(&[1.0, 4.0, 4.0, 9.0]), [3.0, 0.0, 5.0]);
    let (g, mut out) = (L1::new(1.0)?, [0.0; 3]);
    g.prox_into(&[3.0, 0.5, -2.0], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
    assert_eq!(out, [2.0, 0.0, -1.0]);
    Ok(())
}
