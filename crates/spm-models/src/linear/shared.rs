//! The methods that models and fits of this module share.

/// Builder methods for the named options, in an `impl<T: Scalar>` block; their ranges are on the page of the model.
macro_rules! setters {
    (@ l1_ratio) => { setters!(@set "Sets the share of the L1 penalty.", l1_ratio: T); };
    (@ fit_intercept) => { setters!(@set "Sets whether an intercept is fitted.", fit_intercept: bool); };
    (@ standardize) => { setters!(@set "Sets whether columns are scaled to unit deviation.", standardize: bool); };
    (@ positive) => { setters!(@set "Sets whether coefficients must be `>= 0`.", positive: bool); };
    (@ penalty_weights) => {
        setters!(@some "Sets the penalty factors of the features.", penalty_weights: Vec<T>);
    };
    (@ bounds) => {
        setters!(@some "Sets the bounds of the coefficients, lower and upper.", bounds: Vec<(T, T)>);
    };
    (@ tol) => { setters!(@set "Sets the tolerance.", tol: T); };
    (@ max_iter) => { setters!(@set "Sets the iteration limit.", max_iter: usize); };
    (@ solver) => { setters!(@set "Sets the algorithm.", solver: Solver); };
    (@ alphas) => {
        setters!(@some "Sets the grid.", alphas: Vec<T>);
    };
    (@ n_alphas) => {
        setters!(@set "Sets the length of the grid that is made.", n_alphas: usize);
    };
    (@ eps) => {
        setters!(@set "Sets the end of the grid that is made.", eps: T);
    };
    (@set $doc:literal, $field:ident: $type:ty) => {
        #[doc = $doc]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    };
    (@some $doc:literal, $field:ident: $type:ty) => {
        #[doc = $doc]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = Some($field);
            self
        }
    };
    ($($field:ident),+) => { $(setters!(@ $field);)+ };
}

/// The methods of a model that its `spec()` states.
macro_rules! least_squares {
    ($model:ident) => {
        impl<T: spm_linalg::Scalar> $model<T> {
            /// Checks the options alone.
            ///
            /// # Errors
            /// [`ModelError::Linalg`](crate::ModelError::Linalg) naming the parameter outside its range.
            pub fn validate(&self) -> Result<(), $crate::ModelError> {
                self.spec().validate()
            }

            /// Fits under limits and before an onlooker.
            ///
            /// # Errors
            /// [`ModelError::Linalg`](crate::ModelError::Linalg) for options outside their range, lengths that disagree, empty data, and
            /// values that are NaN or infinite, with their row and column. Not converging is a status of the result, not an error.
            pub fn fit_with(
                &self,
                data: $crate::Xy<'_, T>,
                ctl: $crate::FitControl<'_, T>,
            ) -> Result<$crate::linear::FittedLinear<T>, $crate::ModelError> {
                self.spec().fit(data, ctl)
            }

            /// Fits each column of `y` (n × t, column by column) on its own, in parallel; the results do not depend on the
            /// number of threads.
            ///
            /// # Errors
            /// As [`fit_with`](Self::fit_with).
            pub fn fit_each(
                &self,
                x: $crate::Design<'_, T>,
                y: &[T],
                sample_weight: Option<&[T]>,
            ) -> Result<Vec<$crate::linear::FittedLinear<T>>, $crate::ModelError> {
                self.spec().fit_each(x, y, sample_weight)
            }

            /// The smallest `alpha` for which every penalised coefficient is 0, with the other options as they are.
            ///
            /// O(stored entries of `X`), plus the fit of the unpenalised features if there are any.
            ///
            /// # Errors
            /// As [`fit_with`](Self::fit_with), and without an L1 part.
            pub fn alpha_max(&self, data: $crate::Xy<'_, T>) -> Result<T, $crate::ModelError> {
                self.spec().alpha_max(data)
            }
        }
    };
}

/// Fitting by `fit_with` without limits.
macro_rules! fits {
    ($model:ident, $data:ident => $fitted:ident) => {
        impl<T: spm_linalg::Scalar> $crate::Fit<$data<'_, T>> for $model<T> {
            type Fitted = $fitted<T>;
            type Error = $crate::ModelError;

            fn fit(&self, data: $data<'_, T>) -> Result<$fitted<T>, $crate::ModelError> {
                self.fit_with(data, $crate::FitControl::default())
            }
        }
    };
}

/// What a fit with a duality gap says about itself, from its `certificate`, `objective_at_zero` and `report`.
macro_rules! certified {
    ($fitted:ident) => {
        impl<T: spm_linalg::Scalar> $fitted<T> {
            /// The objective at the solution.
            pub fn objective(&self) -> T {
                self.certificate.primal
            }

            /// The absolute duality gap: no coefficients have an objective lower by more than this.
            pub fn gap(&self) -> T {
                self.certificate.gap()
            }

            /// The gap relative to the objective at zero.
            pub fn relative_gap(&self) -> T {
                self.certificate.relative_gap(self.objective_at_zero)
            }
        }

        $crate::linear::shared::ended!($fitted, fit => fit.gap());
    };
}

/// How a fit ended, from its `report`; `$gap` is the number that the error names.
macro_rules! ended {
    ($fitted:ident, $fit:ident => $gap:expr) => {
        impl<T: spm_linalg::Scalar> $fitted<T> {
            /// Why the solver stopped.
            pub fn status(&self) -> spm_solvers::Status {
                self.report.status
            }

            /// Turns a fit that did not reach its tolerance into an error.
            ///
            /// # Errors
            /// [`ModelError::NotConverged`](crate::ModelError::NotConverged).
            pub fn require_converged(self) -> Result<Self, $crate::ModelError> {
                if self.report.status.is_converged() {
                    return Ok(self);
                }
                let $fit = &self;
                let gap = ($gap).as_f64();
                Err($crate::ModelError::NotConverged { status: self.report.status, gap })
            }
        }
    };
}

/// Predictions `intercept + X coef` and what is selected, from the fields of these names; as a model to save, of strength `$alpha`.
macro_rules! predicts {
    ($fitted:ident, $fit:ident => $alpha:expr) => {
        impl<T: spm_linalg::Scalar> $fitted<T> {
            /// The selected features: index and coefficient, in increasing order.
            pub fn nonzeros(&self) -> impl Iterator<Item = (usize, T)> + '_ {
                self.coef.iter().copied().enumerate().filter(|&(_, w)| w != T::zero())
            }

            /// How many features are selected.
            pub fn nnz(&self) -> usize {
                self.nonzeros().count()
            }
        }

        impl<T: spm_linalg::Scalar> $crate::Predict<T> for $fitted<T> {
            fn predict_into(
                &self,
                x: $crate::Design<'_, T>,
                out: &mut [T],
            ) -> Result<(), $crate::ModelError> {
                $crate::linear::model::predict_into(&self.coef, self.intercept, x, out)
            }
        }

        impl<T: spm_linalg::Scalar> $crate::Score<T> for $fitted<T> {}

        impl<T: spm_linalg::Scalar> From<$fitted<T>> for $crate::LinearModel<T> {
            fn from($fit: $fitted<T>) -> Self {
                Self { coef: $fit.coef, intercept: $fit.intercept, alpha: $alpha }
            }
        }
    };
}

pub(super) use {certified, ended, fits, least_squares, predicts, setters};
