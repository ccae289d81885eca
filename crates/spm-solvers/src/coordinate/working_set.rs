//! Which coordinates an epoch visits.

use spm_linalg::Scalar;

/// The first working set has at most this many columns outside the support.
const START: usize = 100;

/// The coordinates in play: the support and the worst offenders outside it.
///
/// The set grows to at most twice the support (Bertrand et al. 2022, algorithm 1, line 5), at least `START`.
#[derive(Debug)]
pub(super) struct WorkingSet {
    /// All coordinates, those of the set first.
    order: Vec<usize>,
    len: usize,
}

impl WorkingSet {
    pub(super) fn new(p: usize) -> Self {
        Self { order: (0..p).collect(), len: 0 }
    }

    /// The coordinates of the set, increasing.
    pub(super) fn indices(&self) -> &[usize] {
        &self.order[..self.len]
    }

    /// Takes the support and the coordinates of largest violation. O(p), and O(k log k) for k coordinates taken.
    pub(super) fn select<T: Scalar>(&mut self, w: &[T], violation: &[T], step_size: &[T]) {
        // Candidates to the front, in increasing order of index, so that ties fall the same way every time.
        let (mut taken, mut support) = (0, 0);
        for j in 0..w.len() {
            let supported = w[j] != T::zero();
            if supported || (violation[j] > T::zero() && step_size[j] > T::zero()) {
                self.order[taken] = j;
                taken += 1;
                support += usize::from(supported);
            }
        }
        let size = (2 * support).max(support + START);
        if taken > size {
            // A violation measured per unit of curvature: the decrease that the coordinate promises.
            let score = |j: usize| {
                if w[j] == T::zero() { violation[j] * violation[j] * step_size[j] } else { T::infinity() }
            };
            self.order[..taken].select_nth_unstable_by(size - 1, |&a, &b| {
                score(b).partial_cmp(&score(a)).unwrap_or(core::cmp::Ordering::Equal).then(a.cmp(&b))
            });
            taken = size;
        }
        self.order[..taken].sort_unstable();
        self.len = taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_support_and_the_worst() {
        let p = 500;
        let mut w = vec![0.0; p];
        w[7] = 1.0;
        let violation: Vec<f64> = (0..p).map(|j| j as f64).collect();
        let mut set = WorkingSet::new(p);
        set.select(&w, &violation, &vec![1.0; p]);
        let expected: Vec<usize> = core::iter::once(7).chain(400..500).collect();
        assert_eq!(set.indices(), expected);
        set.select(&w, &vec![0.0; p], &vec![1.0; p]);
        assert_eq!(set.indices(), [7]);
    }
}
