//! The fused lasso on any graph, exactly, by minimum cuts.

use std::collections::VecDeque;

use spm_linalg::{LinalgError, Scalar, check};
use spm_solvers::{Certificate, Status};

use crate::TimeSeriesError;

/// Excess that is left of rounding, relative to the flow through a network.
const ROUNDING: f64 = 1e-12;
const NONE: usize = usize::MAX;

/// The fused lasso on the nodes and edges of a graph: values that are constant on connected pieces.
///
/// $$\min_x\ \tfrac12 \sum_i w_i (y_i - x_i)^2 + \lambda \sum_{(i,j)} c_{ij} |x_i - x_j|$$
///
/// In plain text: `min_x 1/2 sum w[i] (y[i] - x[i])^2 + lambda sum c[e] |x[i] - x[j]|` over the edges `e = (i, j)`. Exact on every
/// graph up to rounding: a set of nodes starts at one level, its weighted mean. A maximum flow moves each node's excess over
/// the level along the edges; if all of it gets through, the level is the solution on the set, and the flow is its dual
/// variable. Otherwise a minimum cut separates nodes that lie above the level from those below, the cut edges pull
/// with their full weight from then on, and both sides go on as sets of their own (Hochbaum 2001, *An efficient algorithm for
/// image segmentation, Markov random fields and related problems*; Chambolle and Darbon 2009, section 4).
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | finite, `>= 0` | weight of the differences |
/// | `edges` | required | nodes `< n`, no loops | pairs of nodes; several between two nodes add up |
/// | `edge_weights` | 1 | finite, `>= 0` | factor of each edge |
/// | `weights` | 1 | finite, `> 0` | weight of each value |
///
/// One maximum flow (Dinic 1970) a level of the recursion on all nodes together: commonly about log n flows, n at worst.
///
/// ```
/// use spm_timeseries::GraphFused;
/// // A star: the centre and two leaves agree, the third leaf does not.
/// let edges = [(0, 1), (0, 2), (0, 3)];
/// let fit = GraphFused::new(0.5_f64).fit(&[1.0, 1.0, 1.0, 9.0], &edges)?;
/// assert_eq!(fit.x()[1], fit.x()[2]);
/// assert!((fit.x()[3] - 8.5).abs() < 1e-12);
/// assert!(fit.certificate().gap() < 1e-12);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GraphFused<T = f64> {
    /// Weight of the differences.
    pub lambda: T,
    /// Factor of each edge.
    pub edge_weights: Option<Vec<T>>,
    /// Weight of each value.
    pub weights: Option<Vec<T>>,
}

impl<T: Scalar> GraphFused<T> {
    /// The fused lasso with weight `lambda`.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, edge_weights: None, weights: None }
    }

    /// Sets the factor of each edge.
    #[must_use]
    pub fn edge_weights(mut self, edge_weights: Vec<T>) -> Self {
        self.edge_weights = Some(edge_weights);
        self
    }

    /// Sets the weight of each value.
    #[must_use]
    pub fn weights(mut self, weights: Vec<T>) -> Self {
        self.weights = Some(weights);
        self
    }

    /// Fits the values `y` of the nodes.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for invalid data or parameters, an edge to a node that is not there or from a node to
    /// itself.
    pub fn fit(&self, y: &[T], edges: &[(usize, usize)]) -> Result<FittedGraph<T>, TimeSeriesError> {
        let n = y.len();
        check::non_empty("y", n)?;
        check::finite("y", y)?;
        check::non_negative("lambda", self.lambda)?;
        if let Some(&(a, b)) = edges.iter().find(|(a, b)| *a >= n || *b >= n || a == b) {
            let expected = "edges between two different nodes of the graph";
            let got = if a >= n || a == b { a } else { b };
            return Err(LinalgError::InvalidParam { name: "edges", expected, got: got as f64 }.into());
        }
        if let Some(c) = &self.edge_weights {
            check::len("edge_weights", edges.len(), c.len())?;
            check::all_non_negative("edge_weights", c)?;
        }
        if let Some(w) = &self.weights {
            check::len("weights", n, w.len())?;
            for &w in w {
                check::positive("weights", w)?;
            }
        }
        let (lambda, of) =
            (self.lambda.as_f64(), |v: &Option<Vec<T>>, i: usize| v.as_ref().map_or(1.0, |v| v[i].as_f64()));
        // About their mean, so that a common offset costs no digits.
        let about = y.iter().map(|v| v.as_f64()).sum::<f64>() / n as f64;
        let mut cuts = Cuts {
            y: y.iter().map(|v| v.as_f64() - about).collect(),
            w: (0..n).map(|i| of(&self.weights, i)).collect(),
            edges,
            capacity: (0..edges.len()).map(|e| lambda * of(&self.edge_weights, e)).collect(),
            incident: incidence(n, edges),
            x: vec![0.0; n],
            u: vec![0.0; edges.len()],
            set: vec![0; n],
            pull: vec![0.0; n],
        };
        cuts.solve();
        let certificate = cuts.certificate();
        Ok(FittedGraph {
            x: cuts.x.iter().map(|v| T::of(v + about)).collect(),
            u: cuts.u.iter().map(|&v| T::of(v)).collect(),
            certificate: Certificate::new(T::of(certificate.primal), T::of(certificate.dual)),
        })
    }
}

/// A fitted [`GraphFused`].
#[derive(Debug, Clone, PartialEq)]
pub struct FittedGraph<T = f64> {
    x: Vec<T>,
    u: Vec<T>,
    certificate: Certificate<T>,
}

impl<T: Scalar> FittedGraph<T> {
    /// The fitted values; on a piece equal bit for bit.
    #[must_use]
    pub fn x(&self) -> &[T] {
        &self.x
    }

    /// The dual variable of each edge `(i, j)`: within `±lambda c`, at the bound of the sign of `x[j] - x[i]` where that is not 0,
    /// and its sums at the nodes are `w (y - x)`.
    #[must_use]
    pub fn dual(&self) -> &[T] {
        &self.u
    }

    /// The objective.
    #[must_use]
    pub fn objective(&self) -> T {
        self.certificate.primal
    }

    /// The objective and a lower bound of the optimum, from `x` and the dual variable.
    #[must_use]
    pub fn certificate(&self) -> Certificate<T> {
        self.certificate
    }

    /// Always [`Status::Converged`]: the method is direct.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::Converged
    }
}

/// The edges of each node.
fn incidence(n: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); n];
    for (e, &(a, b)) in edges.iter().enumerate() {
        out[a].push(e);
        out[b].push(e);
    }
    out
}

struct Cuts<'a> {
    y: Vec<f64>,
    w: Vec<f64>,
    edges: &'a [(usize, usize)],
    capacity: Vec<f64>,
    incident: Vec<Vec<usize>>,
    x: Vec<f64>,
    /// Flow along each edge, from its first node to its second where positive; at the solution `u` is its negative.
    u: Vec<f64>,
    /// Which set each node is in.
    set: Vec<usize>,
    /// What the cut edges pull with at each node.
    pull: Vec<f64>,
}

impl Cuts<'_> {
    fn solve(&mut self) {
        let n = self.y.len();
        let mut sets = vec![(0..n).collect::<Vec<usize>>()];
        let mut count = 1;
        let mut network = Network::default();
        let mut local = vec![NONE; n];
        while let Some(nodes) = sets.pop() {
            let total: f64 = nodes.iter().map(|&i| self.w[i]).sum();
            let level = nodes.iter().map(|&i| self.w[i] * self.y[i] + self.pull[i]).sum::<f64>() / total;
            let above = self.split(&nodes, level, &mut network, &mut local);
            if above.is_empty() {
                nodes.iter().for_each(|&i| self.x[i] = level);
                continue;
            }
            for &i in &above {
                self.set[i] = count;
            }
            let id = self.set[nodes.iter().copied().find(|&i| self.set[i] != count).unwrap_or(above[0])];
            for &i in &above {
                for &e in &self.incident[i] {
                    let (a, b) = self.edges[e];
                    let other = if a == i { b } else { a };
                    if self.set[other] == id {
                        // The node above is pulled down, the one below up.
                        self.pull[i] -= self.capacity[e];
                        self.pull[other] += self.capacity[e];
                        self.u[e] = if a == i { -self.capacity[e] } else { self.capacity[e] };
                    }
                }
            }
            let below: Vec<usize> = nodes.into_iter().filter(|&i| self.set[i] != count).collect();
            count += 1;
            sets.push(below);
            sets.push(above);
        }
    }

    /// The nodes above the level, none if the level is the solution; then the flow is the dual variable.
    fn split(&mut self, nodes: &[usize], level: f64, net: &mut Network, local: &mut [usize]) -> Vec<usize> {
        let m = nodes.len();
        if m == 1 {
            return Vec::new();
        }
        nodes.iter().enumerate().for_each(|(k, &i)| local[i] = k);
        net.reset(m + 2);
        let (source, sink) = (m, m + 1);
        let (mut supply, mut size) = (0.0, 0.0);
        for (k, &i) in nodes.iter().enumerate() {
            let excess = self.w[i] * (self.y[i] - level) + self.pull[i];
            size += self.w[i] * (self.y[i].abs() + level.abs()) + self.pull[i].abs();
            if excess > 0.0 {
                net.add(source, k, excess, 0.0);
                supply += excess;
            } else if excess < 0.0 {
                net.add(k, sink, -excess, 0.0);
            }
        }
        let mut inner = Vec::new();
        for (k, &i) in nodes.iter().enumerate() {
            for &e in &self.incident[i] {
                let (a, b) = self.edges[e];
                if a == i && local[b] != NONE {
                    inner.push((e, net.add(k, local[b], self.capacity[e], self.capacity[e])));
                }
            }
        }
        let flow = net.maximise(source, sink);
        nodes.iter().for_each(|&i| local[i] = NONE);
        let above: Vec<usize> = if supply - flow > ROUNDING * size { net.reached(nodes) } else { Vec::new() };
        if above.is_empty() || above.len() == m {
            for (e, arc) in inner {
                // What flows out of the first node is its excess: with x[j] - x[i] as the difference, u is its negative.
                self.u[e] = -(self.capacity[e] - net.residual(arc));
            }
            return Vec::new();
        }
        above
    }

    /// Fenchel and Young: `1/2 sum (w (y - x) - D'u)² / w + sum (lambda c |d| - u d)`, terms that are not negative.
    fn certificate(&self) -> Certificate<f64> {
        let n = self.y.len();
        let mut rest: Vec<f64> = (0..n).map(|i| self.w[i] * (self.y[i] - self.x[i])).collect();
        let (mut primal, mut gap) = (0.0, 0.0);
        for (e, &(a, b)) in self.edges.iter().enumerate() {
            let d = self.x[b] - self.x[a];
            let u = self.u[e].clamp(-self.capacity[e], self.capacity[e]);
            rest[a] += u;
            rest[b] -= u;
            primal += self.capacity[e] * d.abs();
            gap += self.capacity[e] * d.abs() - u * d;
        }
        for i in 0..n {
            primal += 0.5 * self.w[i] * (self.y[i] - self.x[i]).powi(2);
            gap += 0.5 * rest[i] * rest[i] / self.w[i];
        }
        Certificate::new(primal, primal - gap)
    }
}

/// A flow network: arcs in pairs, `2 k` forth and `2 k + 1` back.
#[derive(Debug, Default)]
struct Network {
    first: Vec<usize>,
    next: Vec<usize>,
    to: Vec<usize>,
    left: Vec<f64>,
    depth: Vec<usize>,
    at: Vec<usize>,
}

impl Network {
    fn reset(&mut self, nodes: usize) {
        self.first.clear();
        self.first.resize(nodes, NONE);
        self.next.clear();
        self.to.clear();
        self.left.clear();
    }

    fn add(&mut self, a: usize, b: usize, forth: f64, back: f64) -> usize {
        let arc = self.to.len();
        for (from, to, capacity) in [(a, b, forth), (b, a, back)] {
            self.next.push(self.first[from]);
            self.first[from] = self.to.len();
            self.to.push(to);
            self.left.push(capacity);
        }
        arc
    }

    fn residual(&self, arc: usize) -> f64 {
        self.left[arc]
    }

    /// Depths from the source in the residual network; whether the sink is reached.
    fn levels(&mut self, source: usize, sink: usize) -> bool {
        self.depth.clear();
        self.depth.resize(self.first.len(), NONE);
        self.depth[source] = 0;
        let mut queue = VecDeque::from([source]);
        while let Some(i) = queue.pop_front() {
            let mut arc = self.first[i];
            while arc != NONE {
                let j = self.to[arc];
                if self.left[arc] > 0.0 && self.depth[j] == NONE {
                    self.depth[j] = self.depth[i] + 1;
                    queue.push_back(j);
                }
                arc = self.next[arc];
            }
        }
        self.depth[sink] != NONE
    }

    /// Dinic's algorithm; every augmentation takes some arc to exactly 0.
    fn maximise(&mut self, source: usize, sink: usize) -> f64 {
        let mut flow = 0.0;
        let mut path: Vec<usize> = Vec::new();
        while self.levels(source, sink) {
            self.at.clone_from(&self.first);
            path.clear();
            loop {
                let i = path.last().map_or(source, |&arc| self.to[arc]);
                if i == sink {
                    let amount = path.iter().map(|&arc| self.left[arc]).fold(f64::INFINITY, f64::min);
                    for &arc in &path {
                        self.left[arc] -= amount;
                        self.left[arc ^ 1] += amount;
                    }
                    flow += amount;
                    let stuck = path.iter().position(|&arc| self.left[arc] <= 0.0).unwrap_or(0);
                    path.truncate(stuck);
                    continue;
                }
                let arc = self.at[i];
                if arc == NONE {
                    let Some(back) = path.pop() else { break };
                    let parent = self.to[back ^ 1];
                    self.at[parent] = self.next[self.at[parent]];
                } else if self.left[arc] > 0.0 && self.depth[self.to[arc]] == self.depth[i] + 1 {
                    path.push(arc);
                } else {
                    self.at[i] = self.next[arc];
                }
            }
        }
        flow
    }

    /// Of the nodes those on the source's side of the minimum cut.
    fn reached(&self, nodes: &[usize]) -> Vec<usize> {
        nodes.iter().enumerate().filter(|(k, _)| self.depth[*k] != NONE).map(|(_, &i)| i).collect()
    }
}
