//! Options that several methods share.

/// The setters of fields of these names; their documentation is that of the fields.
macro_rules! setters {
    ($($name:ident),*) => { $($crate::options::setter!($name);)* };
}

/// One of them.
macro_rules! setter {
    (patch) => {
        /// Sets the side of a patch.
        #[must_use]
        pub fn patch(mut self, patch: usize) -> Self {
            self.patch = patch;
            self
        }
    };
    (n_atoms) => {
        /// Sets the number of atoms.
        #[must_use]
        pub fn n_atoms(mut self, n_atoms: usize) -> Self {
            self.n_atoms = n_atoms;
            self
        }
    };
    (rounds) => {
        /// Sets the number of rounds.
        #[must_use]
        pub fn rounds(mut self, rounds: usize) -> Self {
            self.rounds = rounds;
            self
        }
    };
    (coupling) => {
        /// Sets which differences are measured together.
        #[must_use]
        pub fn coupling(mut self, coupling: $crate::tv::Coupling) -> Self {
            self.coupling = coupling;
            self
        }
    };
    (tol) => {
        /// Sets the duality gap to reach, relative to the objective.
        #[must_use]
        pub fn tol(mut self, tol: T) -> Self {
            self.tol = tol;
            self
        }
    };
    (max_iter) => {
        /// Sets the largest number of iterations.
        #[must_use]
        pub fn max_iter(mut self, max_iter: usize) -> Self {
            self.max_iter = max_iter;
            self
        }
    };
    (time_limit) => {
        /// Sets the wall time limit.
        #[must_use]
        pub fn time_limit(mut self, limit: std::time::Duration) -> Self {
            self.time_limit = Some(limit);
            self
        }
    };
}

pub(crate) use {setter, setters};
