//! The choice of a coder, common to the commands that code signals.

use clap::ValueEnum;
use sparse_modeling::linalg::{Dense, Scalar, vecops};
use sparse_modeling::models::dictionary::{
    AnyCoder, CoSaMp, Codes, Iht, JointCoder, LarsCoder, LassoCoder, NonNegativeOmp, Omp, Rule, Threshold,
};

use crate::args::{count, non_negative, positive};
use crate::error::CliError;

/// How signals are coded.
#[derive(Debug, clap::Args)]
pub(super) struct CoderArgs {
    /// How codes are found.
    #[arg(long, value_enum, default_value = "omp")]
    method: Method,
    /// At most this many atoms a signal.
    #[arg(long, value_parser = count)]
    k: Option<usize>,
    /// Stop when the residual's 2-norm is at most this.
    #[arg(long, value_parser = non_negative)]
    eps: Option<f64>,
    /// Weight of the 1-norm (lasso, lars: where the path ends), of the L2,1 norm (l21); the threshold (soft, hard).
    #[arg(long, value_parser = positive)]
    lambda: Option<f64>,
    /// Signals in a row that share their atoms (l21; default: all).
    #[arg(long, value_parser = count)]
    group: Option<usize>,
    /// Coefficients must be >= 0 (lasso, lars).
    #[arg(long)]
    positive: bool,
    /// omp: the atom most correlated with the residual. ols: the atom that lowers it most.
    #[arg(long, value_enum)]
    rule: Option<RuleName>,
    /// With missing entries, let atoms compete by what is seen of them as it stands, not as if that had unit norm.
    #[arg(long)]
    no_renormalize: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Method {
    /// Greedy: --k, --eps or both.
    Omp,
    /// Greedy with coefficients >= 0: --k.
    Nonneg,
    /// Half the squared residual plus lambda times the 1-norm: --lambda.
    Lasso,
    /// The path of lasso from large lambda down, to the first of --lambda, --k, --eps.
    Lars,
    /// Half the squared residual plus lambda times the L2,1 norm, signals of a group sharing their atoms: --lambda.
    L21,
    /// Correlations, soft-thresholded: --lambda.
    Soft,
    /// Correlations, hard-thresholded: --lambda.
    Hard,
    /// Iterative hard thresholding: --k.
    Iht,
    /// Compressive sampling matching pursuit: --k.
    Cosamp,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RuleName {
    Omp,
    Ols,
}

impl From<RuleName> for Rule {
    fn from(name: RuleName) -> Self {
        match name {
            RuleName::Omp => Self::Omp,
            RuleName::Ols => Self::Ols,
        }
    }
}

impl CoderArgs {
    /// The options given, by name.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let flags = [
            ("--k", self.k.is_some()),
            ("--eps", self.eps.is_some()),
            ("--lambda", self.lambda.is_some()),
            ("--group", self.group.is_some()),
            ("--positive", self.positive),
            ("--rule", self.rule.is_some()),
            ("--no-renormalize", self.no_renormalize),
        ];
        flags.into_iter().filter(|f| f.1).map(|f| f.0)
    }

    /// Whether nothing was said.
    pub(super) fn is_default(&self) -> bool {
        self.method == Method::Omp && self.given().next().is_none()
    }

    /// The coder asked for.
    pub(super) fn coder<T: Scalar>(&self) -> Result<AnyCoder<T>, CliError> {
        let (needed, allowed): (&[&str], &[&str]) = match self.method {
            Method::Omp => (&["--k", "--eps"], &["--rule", "--no-renormalize"]),
            Method::Nonneg => (&["--k"], &["--eps"]),
            Method::Lasso => (&["--lambda"], &["--positive"]),
            Method::Lars => (&["--lambda", "--k", "--eps"], &["--positive"]),
            Method::L21 => (&["--lambda"], &["--group"]),
            Method::Soft | Method::Hard => (&["--lambda"], &["--k"]),
            Method::Iht | Method::Cosamp => (&["--k"], &[]),
        };
        let name = self.method.to_possible_value().map_or(String::new(), |v| v.get_name().to_owned());
        if let Some(other) = self.given().find(|f| !needed.contains(f) && !allowed.contains(f)) {
            return Err(CliError::Usage(format!("{other} does not go with --method {name}")));
        }
        if !self.given().any(|f| needed.contains(&f)) {
            return Err(CliError::Usage(format!("--method {name} needs {}", needed.join(" or "))));
        }
        let (k, lambda) = (self.k.unwrap_or(usize::MAX), T::of(self.lambda.unwrap_or(0.0)));
        let eps = T::of(self.eps.unwrap_or(0.0));
        Ok(match self.method {
            Method::Omp => {
                let mut omp = Omp::default().rule(self.rule.map_or(Rule::Omp, Rule::from));
                (omp.k, omp.eps, omp.renormalize) = (self.k, self.eps.map(T::of), !self.no_renormalize);
                omp.into()
            }
            Method::Nonneg => NonNegativeOmp::new(k).eps(eps).into(),
            Method::Lasso => LassoCoder::new(lambda).positive(self.positive).into(),
            Method::Lars => {
                let mut lars = LarsCoder::new(lambda).eps(eps).positive(self.positive);
                lars.k = self.k;
                lars.into()
            }
            Method::L21 => {
                let mut joint = JointCoder::new(lambda);
                joint.group = self.group;
                joint.into()
            }
            Method::Soft | Method::Hard => {
                let mut threshold = Threshold::soft(lambda);
                (threshold.k, threshold.hard) = (self.k, self.method == Method::Hard);
                threshold.into()
            }
            Method::Iht => Iht::new(k).into(),
            Method::Cosamp => CoSaMp::new(k).into(),
        })
    }
}

/// What is known of codes that solve a convex problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) objective: f64,
    pub(super) gap: f64,
    /// Whether the gap is within the tolerance.
    pub(super) converged: bool,
}

/// Objective and duality gap of all codes, from signals and codes alone; `None` if the coder solves no convex problem to its end.
pub(super) fn judge<T: Scalar>(
    coder: &AnyCoder<T>,
    dictionary: Dense<'_, T>,
    signals: &[T],
    codes: &Codes<T>,
) -> Result<Option<Judged>, CliError> {
    let sum = |values: &[T]| values.iter().map(|v| v.as_f64()).sum::<f64>();
    let lasso = match coder {
        AnyCoder::Lasso(lasso) => Some(*lasso),
        AnyCoder::Lars(l) if l.k.is_none() && l.eps == T::zero() => {
            Some(LassoCoder::new(l.lambda).positive(l.positive))
        }
        _ => None,
    };
    let (objective, gap) = if let Some(lasso) = lasso {
        let rmse = codes.rmse(dictionary, signals).as_f64();
        let size = vecops::norm_1(codes.values()).as_f64();
        let objective = 0.5 * rmse * rmse * signals.len() as f64 + lasso.lambda.as_f64() * size;
        (objective, sum(&lasso.gaps(dictionary, signals, codes)?))
    } else if let AnyCoder::Joint(joint) = coder {
        let certificates = joint.certificates(dictionary, signals, codes)?;
        let primal: Vec<T> = certificates.iter().map(|c| c.primal).collect();
        let gaps: Vec<T> = certificates.iter().map(|c| c.gap()).collect();
        (sum(&primal), sum(&gaps))
    } else {
        return Ok(None);
    };
    let tol = 1e-6_f64.max(1e3 * T::epsilon().as_f64());
    let at_zero = 0.5 * sum(&signals.iter().map(|&v| v * v).collect::<Vec<T>>());
    Ok(Some(Judged { objective, gap: gap.max(0.0), converged: gap <= tol * at_zero }))
}
