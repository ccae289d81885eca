//! The ELPV data: defects of solar cells found from 60 good cells. One JSON line a draw, then the mean and deviation.
//!
//! `elpv DIR [draws] [seed]`, where DIR has `labels.csv` and `images/`. Monocrystalline cells only. Each draw takes 60 cells of
//! defect probability 0 for training and the threshold, everything else is scored. Files are read anew each time.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;
use sparse_modeling::image::inspect::{Inspector, Planes, Preparation};
use sparse_modeling::image::io::read;
use spm_linalg::testing::Rng;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Good cells learned from, and the size of a cell in pixels.
const GOOD: usize = 60;
const SIDE: (usize, usize) = (300, 300);

/// A cell: its file, the probability of a defect, and the module it comes from.
struct Cell {
    path: PathBuf,
    probability: f64,
    module: usize,
}

impl Cell {
    fn bad(&self) -> bool {
        self.probability >= 0.5
    }

    /// Whether the experts were sure.
    fn certain(&self) -> bool {
        self.probability == 0.0 || self.probability == 1.0
    }
}

/// First cell number of each monocrystalline module. The data set does not name modules; cells are in their order, and runs of
/// monocrystalline cells divide into modules of 60, 72, 54 and 48 cells. The place of the one with 54 among the eleven with 60 in
/// the run from 901 is the one that makes modules most alike inside.
const MODULES: [usize; 18] =
    [1, 361, 421, 481, 901, 961, 1021, 1081, 1141, 1201, 1255, 1315, 1375, 1435, 1495, 1555, 2145, 2397];

fn cells(folder: &Path) -> Result<Vec<Cell>, Failure> {
    let text = std::fs::read_to_string(folder.join("labels.csv"))?;
    let mut out = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(p), Some("mono")) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let number: usize = name.chars().filter(char::is_ascii_digit).collect::<String>().parse()?;
        let module = MODULES.iter().rposition(|&first| first <= number).ok_or("cell number 0")?;
        out.push(Cell { path: folder.join(name), probability: p.parse()?, module });
    }
    Ok(out)
}

fn load(cells: &[&Cell], preparation: &Preparation) -> Result<Vec<Planes>, Failure> {
    let one = |c: &&Cell| Ok(preparation.apply(read::<f32>(&c.path)?.0.into_gray().view())?);
    cells.par_iter().map(one).collect()
}

/// Share of pairs of a bad and a good one that are in the right order.
fn auc(judged: &[(&Cell, f64)]) -> f64 {
    let (won, pairs) = pairs(judged);
    won / pairs
}

/// Pairs in the right order, and pairs.
fn pairs(judged: &[(&Cell, f64)]) -> (f64, f64) {
    let mut good: Vec<f64> = judged.iter().filter(|j| !j.0.bad()).map(|j| j.1).collect();
    good.sort_by(f64::total_cmp);
    let bad: Vec<f64> = judged.iter().filter(|j| j.0.bad()).map(|j| j.1).collect();
    let won = |s: f64| (good.partition_point(|&g| g < s) + good.partition_point(|&g| g <= s)) as f64 / 2.0;
    (bad.iter().map(|&s| won(s)).sum(), (good.len() * bad.len()) as f64)
}

/// The figures of one draw, in percent but for the times.
struct Figures {
    names: Vec<&'static str>,
    values: Vec<f64>,
}

fn judge(train: &[&Cell], test: &[&Cell]) -> Result<Figures, Failure> {
    let inspector = Inspector::default();
    let clock = Instant::now();
    let preparation = inspector.preparation(SIDE, 1)?;
    let model = inspector.train(preparation, &load(train, &preparation)?, &mut |_, _| ())?;
    let seconds_train = clock.elapsed().as_secs_f64();
    let clock = Instant::now();
    let mut judged = Vec::with_capacity(test.len());
    for batch in test.chunks(64) {
        let found = model.score(&load(batch, &preparation)?)?;
        judged.extend(batch.iter().copied().zip(found.into_iter().map(|f| f.score)));
    }
    let seconds_score = clock.elapsed().as_secs_f64();
    let threshold = model.threshold().value;
    let certain: Vec<(&Cell, f64)> = judged.iter().copied().filter(|j| j.0.certain()).collect();
    let accuracy = |of: &[(&Cell, f64)]| {
        of.iter().filter(|j| (j.1 > threshold) == j.0.bad()).count() as f64 / of.len() as f64
    };
    let (mut won, mut all) = (0.0, 0.0);
    for module in 0..MODULES.len() {
        let own: Vec<(&Cell, f64)> = judged.iter().copied().filter(|j| j.0.module == module).collect();
        let (w, p) = pairs(&own);
        (won, all) = (won + w, all + p);
    }
    let good: Vec<f64> = judged.iter().filter(|j| j.0.probability == 0.0).map(|j| j.1).collect();
    let alarms = good.iter().filter(|&&s| s > threshold).count() as f64 / good.len() as f64;
    let named = [
        ("accuracy", 100.0 * accuracy(&judged)),
        ("accuracy_certain", 100.0 * accuracy(&certain)),
        ("auc", 100.0 * auc(&judged)),
        ("auc_certain", 100.0 * auc(&certain)),
        ("auc_within_modules", 100.0 * won / all),
        ("false_alarms", 100.0 * alarms),
        ("seconds_train", seconds_train),
        ("seconds_score", seconds_score),
    ];
    let (names, values) = named.into_iter().unzip();
    Ok(Figures { names, values })
}

/// Prints the mean and the standard deviation over draws.
fn summarize(what: &str, draws: &[Figures]) {
    let n = draws.len() as f64;
    for (k, name) in draws[0].names.iter().enumerate() {
        let mean = draws.iter().map(|d| d.values[k]).sum::<f64>() / n;
        let variance = draws.iter().map(|d| (d.values[k] - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        println!("{}", json!({ "what": what, "figure": name, "mean": mean, "deviation": variance.sqrt() }));
    }
}

/// `n` of `from`, by a shuffle.
fn draw<'a>(from: &[&'a Cell], n: usize, rng: &mut Rng) -> Vec<&'a Cell> {
    let mut order: Vec<usize> = (0..from.len()).collect();
    for k in 0..n {
        let other = k + rng.below(from.len() - k);
        order.swap(k, other);
    }
    order.truncate(n);
    order.sort_unstable();
    order.into_iter().map(|k| from[k]).collect()
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let folder = args.get(1).ok_or("usage: elpv DIR [draws] [seed]")?;
    let draws: usize = args.get(2).map_or(Ok(10), |v| v.parse())?;
    let seed: u64 = args.get(3).map_or(Ok(0), |v| v.parse())?;
    let all = cells(Path::new(folder))?;
    let good: Vec<&Cell> = all.iter().filter(|c| c.probability == 0.0).collect();
    let rest = |train: &[&Cell]| -> Vec<&Cell> {
        all.iter().filter(|&c| !train.iter().any(|&t| std::ptr::eq(t, c))).collect()
    };
    let mut drawn = Vec::with_capacity(draws);
    for k in 0..draws {
        let train = draw(&good, GOOD, &mut Rng::new(seed + k as u64));
        let figures = judge(&train, &rest(&train))?;
        let line: serde_json::Map<_, _> =
            figures.names.iter().zip(&figures.values).map(|(n, v)| ((*n).to_owned(), json!(v))).collect();
        println!("{}", json!({ "draw": k, "figures": line }));
        drawn.push(figures);
    }
    summarize("60 good cells", &drawn);
    // Looks never seen: every third module is scored by a model of cells of the others.
    let mut unseen = Vec::new();
    for group in 0..3 {
        let others: Vec<&Cell> = good.iter().copied().filter(|c| c.module % 3 != group).collect();
        let own: Vec<&Cell> = all.iter().filter(|c| c.module % 3 == group).collect();
        unseen.push(judge(&draw(&others, GOOD, &mut Rng::new(seed + group as u64)), &own)?);
    }
    summarize("60 good cells of other modules", &unseen);
    Ok(())
}
