//! K-fold cross-validation of the strength of the penalty.

use spm_linalg::{LinearOperator, Scalar, check};

use super::Folds;
use crate::dictionary::parallel::map_blocks;
use crate::linear::path::{Grid, shift, solve};
use crate::linear::reduced::Moments;
use crate::linear::{ElasticNet, ElasticNetPath, FittedLinear, HmLassoPath, PathPoint};
use crate::rows::Rows;
use crate::{Design, Fit, ModelError, Xy};

/// Chooses `alpha` by K-fold cross-validation, then fits to all data.
///
/// For each fold the path is fitted without the fold's observations and judged on them:
/// $$E(\alpha) = \frac1K \sum_k \frac{\sum_{i \in F_k} s_i (y_i - \hat y_i^{(-k)}(\alpha))^2}{\sum_{i \in F_k} s_i},$$
/// in plain text `error(alpha) = mean over folds of the weighted mean squared error of the fold`, with the sample
/// weights `s`. All repeats count as folds. The standard error is the deviation of the fold errors, over `K − 1`,
/// divided by the square root of their number.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `path` | the Lasso's, 100 penalties | [`ElasticNetPath`], [`HmLassoPath`] | model and grid; the grid comes from all data |
/// | `n_folds` | 5 | 2 to n | ignored where the folds are given |
/// | `folds` | [`Folds::Contiguous`] | | how observations are dealt out |
/// | `repeats` | 1 | `>= 1`; more than 1 needs shuffled folds | |
/// | `rule` | [`Rule::Min`] | | which `alpha` the final fit takes |
///
/// With missing values ([`HmLassoPath`]) the error of a fold is that of its pairwise moments.
///
/// Folds run in parallel, each on its own: the same bits for any number of threads. Cost: a path for each fold. Memory: a copy
/// of the training rows for each fold at work; for tall dense data (`n >= 2p`) no copy, but `(p + 1)²` numbers a fold, all made in
/// one pass over the data.
///
/// Sources: Hastie, Tibshirani and Friedman 2009, section 7.10, for the rule of one standard error.
///
/// ```
/// use spm_models::{CrossValidation, Design, ElasticNetPath, Fit, Xy};
/// let x: Vec<f64> = (0..60).map(|i| f64::from(i * i % 31) - 15.0).collect();
/// let y: Vec<f64> = (0..30).map(|i| 0.5 * x[i] + f64::from(i as u32 % 5) - 2.0).collect();
/// let data = Xy::new(Design::dense(&x, 30, 2)?, &y);
/// let cv = CrossValidation::new(ElasticNetPath::lasso().n_alphas(20)).fit(data)?;
/// assert!(cv.alpha_1se() >= cv.alpha_min());
/// assert!((cv.fitted.coef[0] - 0.5).abs() < 0.1);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CrossValidation<P = ElasticNetPath<f64>> {
    /// The model and the grid.
    pub path: P,
    /// Into how many folds the observations are dealt.
    pub n_folds: usize,
    /// How.
    pub folds: Folds,
    /// How many times.
    pub repeats: usize,
    /// Which `alpha` is taken.
    pub rule: Rule,
}

/// Which `alpha` the final fit takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Rule {
    /// That of the smallest error.
    #[default]
    Min,
    /// The largest whose error is within one standard error of the smallest.
    OneStandardError,
}

/// The result of cross-validation: the curve, and the fit to all data at the `alpha` chosen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use = "a fit says whether it converged: see `fitted` and `all_converged`"]
pub struct FittedCv<T> {
    /// The fit to all data.
    pub fitted: FittedLinear<T>,
    /// The grid.
    pub alphas: Vec<T>,
    /// The error on each fold (outer, repeat after repeat) at each `alpha` (inner).
    pub fold_errors: Vec<Vec<T>>,
    /// Mean error at each `alpha`.
    pub errors: Vec<T>,
    /// Its standard error.
    pub standard_errors: Vec<T>,
    /// The index of the smallest error; of the largest `alpha` if several share it.
    pub index_min: usize,
    /// The index of the largest `alpha` within one standard error.
    pub index_1se: usize,
    /// Whether every point of every fold's path reached the tolerance.
    pub all_converged: bool,
}

impl<T: Scalar> FittedCv<T> {
    /// The `alpha` of the smallest error.
    #[must_use]
    pub fn alpha_min(&self) -> T {
        self.alphas[self.index_min]
    }

    /// The largest `alpha` whose error is within one standard error of the smallest; at least
    /// [`alpha_min`](Self::alpha_min).
    #[must_use]
    pub fn alpha_1se(&self) -> T {
        self.alphas[self.index_1se]
    }
}

impl<P> CrossValidation<P> {
    /// Five contiguous folds, the smallest error.
    #[must_use]
    pub fn new(path: P) -> Self {
        Self { path, n_folds: 5, folds: Folds::Contiguous, repeats: 1, rule: Rule::Min }
    }

    /// Sets the number of folds.
    #[must_use]
    pub fn n_folds(mut self, n_folds: usize) -> Self {
        self.n_folds = n_folds;
        self
    }

    /// Sets how observations are dealt out.
    #[must_use]
    pub fn folds(mut self, folds: Folds) -> Self {
        self.folds = folds;
        self
    }

    /// Sets the number of repeats.
    #[must_use]
    pub fn repeats(mut self, repeats: usize) -> Self {
        self.repeats = repeats;
        self
    }

    /// Sets the rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// The folds of all repeats.
    fn deal<T: Scalar>(&self, data: Xy<'_, T>) -> Result<Vec<Vec<Vec<usize>>>, ModelError> {
        check::non_empty("repeats", self.repeats)?;
        if self.repeats > 1 && !matches!(self.folds, Folds::Shuffled(_)) {
            return Err(ModelError::Unsupported {
                solver: "cross-validation",
                what: "repeats of folds that are not shuffled",
            });
        }
        let n = data.y.len();
        let repeats: Vec<Vec<Vec<usize>>> = (0..self.repeats)
            .map(|repeat| self.folds.deal(n, self.n_folds, repeat))
            .collect::<Result<_, _>>()?;
        if let Some(w) = data.sample_weight {
            check::len("sample_weight", n, w.len())?;
            check::all_non_negative("sample_weight", w)?;
            for fold in repeats.iter().flatten() {
                check::positive("weight of a fold", fold.iter().map(|&i| w[i]).sum::<T>())?;
            }
        }
        Ok(repeats)
    }

    /// The choice, and the fit to all data at the `alpha` chosen.
    fn conclude<T: Scalar>(
        &self,
        alphas: Vec<T>,
        results: Vec<FoldResult<T>>,
        fit: impl FnOnce(T) -> Result<FittedLinear<T>, ModelError>,
    ) -> Result<FittedCv<T>, ModelError> {
        let mut fold_errors = Vec::with_capacity(results.len());
        let mut all_converged = true;
        for result in results {
            let (errors, converged) = result?;
            fold_errors.push(errors);
            all_converged &= converged;
        }
        let (errors, standard_errors) = curve(&fold_errors, alphas.len());
        let (index_min, index_1se) = choose(&alphas, &errors, &standard_errors);
        let fitted = fit(alphas[if self.rule == Rule::Min { index_min } else { index_1se }])?;
        Ok(FittedCv {
            fitted,
            alphas,
            fold_errors,
            errors,
            standard_errors,
            index_min,
            index_1se,
            all_converged,
        })
    }
}

/// The error of each point on a fold, and whether all points converged.
type FoldResult<T> = Result<(Vec<T>, bool), ModelError>;

/// Each fold with the rows outside of it, in parallel.
fn each_fold<T: Scalar>(
    n: usize,
    repeats: &[Vec<Vec<usize>>],
    one: impl Fn(&[usize], &[usize]) -> FoldResult<T> + Sync,
) -> Vec<FoldResult<T>> {
    let folds: Vec<&Vec<usize>> = repeats.iter().flatten().collect();
    map_blocks(
        folds.len(),
        || (),
        |f, ()| {
            let mut held = vec![false; n];
            folds[f].iter().for_each(|&i| held[i] = true);
            let train: Vec<usize> = (0..n).filter(|&i| !held[i]).collect();
            one(&train, folds[f])
        },
    )
}

impl<T: Scalar> Fit<Xy<'_, T>> for CrossValidation<ElasticNetPath<T>> {
    type Fitted = FittedCv<T>;
    type Error = ModelError;

    /// Cross-validates and fits.
    ///
    /// # Errors
    /// As [`ElasticNetPath`]; for folds that are empty, have no weight, or leave no weight to train on.
    fn fit(&self, data: Xy<'_, T>) -> Result<FittedCv<T>, ModelError> {
        data.validate()?;
        let alphas = self.path.grid(data)?;
        let n = data.x.nrows();
        let repeats = self.deal(data)?;
        let spec = self.path.model.spec();
        let results = match &data.x {
            Design::Dense(x) if Moments::<T>::pay(n - n.div_ceil(repeats[0].len()), x.ncols()) => {
                self.by_moments(x, data, &repeats, &alphas)?
            }
            _ => each_fold(n, &repeats, |train, held| {
                let rows = Rows::gather(data, train);
                let path = solve(&spec, rows.data()?, Grid::Given(&alphas))?;
                let errors = path.points.iter().map(|p| error_on(data, held, p)).collect();
                Ok((errors, path.status().is_converged()))
            }),
        };
        self.conclude(alphas, results, |alpha| ElasticNet { alpha, ..self.path.model.clone() }.fit(data))
    }
}

impl<T: Scalar> Fit<Xy<'_, T>> for CrossValidation<HmLassoPath<T>> {
    type Fitted = FittedCv<T>;
    type Error = ModelError;

    /// Cross-validates by the moments of the rows held out, as [`HmLassoPath`] describes, and fits.
    ///
    /// # Errors
    /// As [`HmLassoPath`]; for folds that are empty, have no weight, or leave a feature without a value to train on.
    fn fit(&self, data: Xy<'_, T>) -> Result<FittedCv<T>, ModelError> {
        data.validate()?;
        let alphas = self.path.grid(data)?;
        let repeats = self.deal(data)?;
        let results = each_fold(data.y.len(), &repeats, |train, held| {
            let (train, held) = (Rows::gather(data, train), Rows::gather(data, held));
            self.path.errors(train.data()?, held.data()?, &alphas)
        });
        self.conclude(alphas, results, |alpha| {
            Ok(HmLassoPath::new(self.path.model.clone()).alphas(vec![alpha]).fit(data)?.fitted(0))
        })
    }
}

impl<T: Scalar> CrossValidation<ElasticNetPath<T>> {
    /// Every fold from the moments of the others.
    fn by_moments(
        &self,
        x: &spm_linalg::Dense<'_, T>,
        data: Xy<'_, T>,
        repeats: &[Vec<Vec<usize>>],
        alphas: &[T],
    ) -> Result<Vec<FoldResult<T>>, ModelError> {
        let spec = self.path.model.spec();
        x.check_finite("X")?;
        let weights = data.sample_weight;
        let shift = shift(&spec, x, data.y, weights);
        let mut results = Vec::new();
        for folds in repeats {
            let parts: Vec<Result<Moments<T>, ModelError>> =
                map_blocks(folds.len(), || (), |f, ()| Moments::new(x, data.y, weights, &folds[f], &shift));
            let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
            results.extend(map_blocks(
                folds.len(),
                || (),
                |f, ()| {
                    let mut others = (0..parts.len()).filter(|&k| k != f);
                    let mut train = parts[others.next().unwrap_or(f)].clone();
                    others.for_each(|k| train.add(&parts[k]));
                    let reduced = train.reduce(spec.fit_intercept, spec.standardize);
                    let path = reduced.path(&spec, data.y.len() - folds[f].len(), Grid::Given(alphas))?;
                    let error = |p: &PathPoint<T>| parts[f].mean_squared_error(&p.nonzeros, p.intercept);
                    Ok((path.points.iter().map(error).collect(), path.status().is_converged()))
                },
            ));
        }
        Ok(results)
    }
}

/// The weighted mean squared error of a point on the rows `rows`.
fn error_on<T: Scalar>(data: Xy<'_, T>, rows: &[usize], point: &PathPoint<T>) -> T {
    let mut residual: Vec<T> = rows.iter().map(|&i| data.y[i] - point.intercept).collect();
    match &data.x {
        Design::Sparse(x) => {
            let mut place = vec![usize::MAX; data.y.len()];
            rows.iter().enumerate().for_each(|(k, &i)| place[i] = k);
            for &(j, w) in &point.nonzeros {
                let (entries, values) = x.col(j);
                for (&i, &v) in entries.iter().zip(values).filter(|(i, _)| place[**i] != usize::MAX) {
                    residual[place[i]] -= w * v;
                }
            }
        }
        Design::Dense(x) => {
            for &(j, w) in &point.nonzeros {
                let col = x.col(j);
                residual.iter_mut().zip(rows).for_each(|(r, &i)| *r -= w * col[i]);
            }
        }
        _ => unreachable!("a design matrix is dense or sparse"),
    }
    let weight = |i: usize| data.sample_weight.map_or(T::one(), |w| w[i]);
    let total: T = rows.iter().map(|&i| weight(i)).sum();
    residual.iter().zip(rows).map(|(&r, &i)| weight(i) * r * r).sum::<T>() / total
}

/// Mean and standard error over the folds.
fn curve<T: Scalar>(fold_errors: &[Vec<T>], points: usize) -> (Vec<T>, Vec<T>) {
    let k = T::of_usize(fold_errors.len());
    let mut means = Vec::with_capacity(points);
    let mut standard_errors = Vec::with_capacity(points);
    for a in 0..points {
        let mean = fold_errors.iter().map(|e| e[a]).sum::<T>() / k;
        let variance = fold_errors.iter().map(|e| (e[a] - mean) * (e[a] - mean)).sum::<T>() / (k - T::one());
        means.push(mean);
        standard_errors.push((variance / k).sqrt());
    }
    (means, standard_errors)
}

/// The indices of the smallest error and of the largest `alpha` within one standard error of it.
fn choose<T: Scalar>(alphas: &[T], errors: &[T], standard_errors: &[T]) -> (usize, usize) {
    let mut min = 0;
    for k in 1..errors.len() {
        if errors[k] < errors[min] || (errors[k] == errors[min] && alphas[k] > alphas[min]) {
            min = k;
        }
    }
    let bound = errors[min] + standard_errors[min];
    let mut one_se = min;
    for k in 0..errors.len() {
        if errors[k] <= bound && alphas[k] > alphas[one_se] {
            one_se = k;
        }
    }
    (min, one_se)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_one_standard_error_looks_to_larger_alphas() {
        let alphas = [0.1, 1.0, 0.5, 0.2];
        let errors = [1.0, 3.0, 1.4, 1.1];
        assert_eq!(choose(&alphas, &errors, &[0.2; 4]), (0, 3));
        assert_eq!(choose(&alphas, &errors, &[0.5; 4]), (0, 2));
        assert_eq!(choose(&alphas, &errors, &[0.0; 4]), (0, 0));
        // The largest alpha of a tie.
        assert_eq!(choose(&alphas, &[1.0; 4], &[0.0; 4]), (1, 1));
        let (means, se) = curve(&[vec![1.0], vec![3.0]], 1);
        assert_eq!((means[0], se[0]), (2.0, 1.0));
    }
}
