//! The ELPV data: defects of solar cells found from some good cells, or from some of either. One JSON line a draw and method,
//! then a line of means and deviations for every method.
//!
//! `elpv DIR [draws] [seed] [only]`, where DIR has `labels.csv` and `images/`; `only` is a part of the name of the methods to run.
//! Monocrystalline cells only. A cell is defective if its probability is at least 0.5.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;
use sparse_modeling::image::inspect::{Calibration, Inspector, Light, Method, Planes, Preparation, Scope};
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

/// Which cells are learned from, and which are judged.
struct Split<'a> {
    good: Vec<&'a Cell>,
    defective: Vec<&'a Cell>,
    test: Vec<&'a Cell>,
}

impl<'a> Split<'a> {
    /// What is not learned from is judged.
    fn new(all: &'a [Cell], good: Vec<&'a Cell>, defective: Vec<&'a Cell>) -> Self {
        let learned = |c: &Cell| good.iter().chain(&defective).any(|&t| std::ptr::eq(t, c));
        let test = all.iter().filter(|&c| !learned(c)).collect();
        Self { good, defective, test }
    }

    /// Good and defective cells of those that `learn` names are learned from, the others judged.
    fn by(all: &'a [Cell], learn: impl Fn(&Cell) -> bool) -> Self {
        let of = |bad: bool| all.iter().filter(|c| learn(c) && c.bad() == bad).collect();
        Self::new(all, of(false), of(true))
    }
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

/// Figures of the scores of cells against a threshold.
fn figures(judged: &[(&Cell, f64)], threshold: f64) -> Figures {
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
        ("accuracy", 100.0 * accuracy(judged)),
        ("accuracy_certain", 100.0 * accuracy(&certain)),
        ("auc", 100.0 * auc(judged)),
        ("auc_certain", 100.0 * auc(&certain)),
        ("auc_within_modules", 100.0 * won / all),
        ("false_alarms", 100.0 * alarms),
    ];
    let (names, values) = named.into_iter().unzip();
    Figures { names, values }
}

/// Trains and judges, files included.
fn judge(inspector: &Inspector, split: &Split<'_>) -> Result<Figures, Failure> {
    let clock = Instant::now();
    let preparation = inspector.preparation(SIDE, 1)?;
    let (good, defective) = (load(&split.good, &preparation)?, load(&split.defective, &preparation)?);
    let model = inspector.train_with_defective(preparation, &good, &defective, &mut |_, _| ())?;
    let seconds_train = clock.elapsed().as_secs_f64();
    let clock = Instant::now();
    let judged = scored(&split.test, &preparation, |parts| {
        Ok(model.score(parts)?.into_iter().map(|f| f.score).collect())
    })?;
    let seconds_score = clock.elapsed().as_secs_f64();
    let mut out = figures(&judged, model.threshold().value);
    out.names.extend(["seconds_train", "seconds_score", "second_stage"]);
    let adopted = model.comparison().is_some_and(|c| c.adopted);
    out.values.extend([seconds_train, seconds_score, f64::from(u8::from(adopted))]);
    if let Some(c) = model.comparison() {
        out.names.push("gain_in_errors");
        out.values.push(c.gain.0 / c.gain.1);
    }
    Ok(out)
}

/// Scores of cells, some at a time.
fn scored<'a>(
    cells: &[&'a Cell],
    preparation: &Preparation,
    score: impl Fn(&[Planes]) -> Result<Vec<f64>, Failure>,
) -> Result<Vec<(&'a Cell, f64)>, Failure> {
    let mut judged = Vec::with_capacity(cells.len());
    for batch in cells.chunks(64) {
        judged.extend(batch.iter().copied().zip(score(&load(batch, preparation)?)?));
    }
    Ok(judged)
}

/// The similarity to what one dictionary of 40 good cells can show of a cell, the threshold from the other 20.
fn by_psnr(split: &Split<'_>) -> Result<Figures, Failure> {
    let mut inspector = Inspector::default();
    inspector.scope = Some(Scope::Anywhere);
    let preparation = inspector.preparation(SIDE, 1)?;
    let (learned, held) = split.good.split_at(40);
    let model = inspector.train(preparation, &load(learned, &preparation)?, &mut |_, _| ())?;
    let score = |parts: &[Planes]| -> Result<Vec<f64>, Failure> {
        let one = |p: &Planes| Ok(-model.reconstruct(p)?.psnr);
        parts.par_iter().map(one).collect()
    };
    let good: Vec<f64> = scored(held, &preparation, score)?.into_iter().map(|j| j.1).collect();
    let threshold = Calibration::new(&good)?.threshold(inspector.false_alarm)?.value;
    Ok(figures(&scored(&split.test, &preparation, score)?, threshold))
}

/// One dictionary for all places, but what is normal at each place its own: z scores of maps of cells that the dictionary
/// has not learned from, then the mean of the top 4 %.
fn by_place(split: &Split<'_>) -> Result<Figures, Failure> {
    let mut inspector = Inspector::default();
    (inspector.scope, inspector.method) = (Some(Scope::Anywhere), Method::Dictionary);
    let preparation = inspector.preparation(SIDE, 1)?;
    let good = load(&split.good, &preparation)?;
    let mut unseen = Vec::with_capacity(good.len());
    for fold in 0..inspector.folds {
        let (mut learned, mut held) = (Vec::new(), Vec::new());
        for (i, part) in good.iter().enumerate() {
            if i % inspector.folds == fold { held.push(part.clone()) } else { learned.push(part.clone()) }
        }
        let model = inspector.train(preparation, &learned, &mut |_, _| ())?;
        unseen.extend(model.score(&held)?.into_iter().map(|f| f.z[0].values.clone()));
    }
    let of_place = |q: usize| Calibration::new(&unseen.iter().map(|m| f64::from(m[q])).collect::<Vec<_>>());
    let places = (0..unseen[0].len()).map(of_place).collect::<Result<Vec<_>, _>>()?;
    let pooled = |map: &[f32]| {
        let mut z: Vec<f64> = map.iter().zip(&places).map(|(&v, p)| p.standardize(f64::from(v))).collect();
        z.sort_by(f64::total_cmp);
        let top = &z[z.len() - z.len() / 25..];
        top.iter().sum::<f64>() / top.len() as f64
    };
    let scores: Vec<f64> = unseen.iter().map(|m| pooled(m)).collect();
    let threshold = Calibration::new(&scores)?.threshold(inspector.false_alarm)?.value;
    let model = inspector.train(preparation, &good, &mut |_, _| ())?;
    let judged = scored(&split.test, &preparation, |parts| {
        Ok(model.score(parts)?.iter().map(|f| pooled(&f.z[0].values)).collect())
    })?;
    Ok(figures(&judged, threshold))
}

/// Predicts for every cell what most cells of its module are: how far a look at the module alone goes.
fn by_module(all: &[Cell]) -> Figures {
    let share = |certain: bool, module: usize| {
        let own: Vec<&Cell> =
            all.iter().filter(|c| c.module == module && (!certain || c.certain())).collect();
        own.iter().filter(|c| c.bad()).count() as f64 / own.len().max(1) as f64
    };
    let judged: Vec<(&Cell, f64)> = all.iter().map(|c| (c, share(false, c.module))).collect();
    let certain: Vec<(&Cell, f64)> = all.iter().map(|c| (c, share(true, c.module))).collect();
    let mut out = figures(&judged, 0.5);
    out.values[1] = figures(&certain, 0.5).values[1];
    out
}

/// Prints the mean and the standard deviation over draws.
fn summarize(what: &str, draws: &[Figures]) {
    let n = draws.len() as f64;
    let mut line = serde_json::Map::from_iter([
        ("what".to_owned(), json!(what)),
        ("draws".to_owned(), json!(draws.len())),
    ]);
    for (k, name) in draws[0].names.iter().enumerate() {
        let mean = draws.iter().map(|d| d.values[k]).sum::<f64>() / n;
        let variance = draws.iter().map(|d| (d.values[k] - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let round = |v: f64| (100.0 * v).round() / 100.0;
        line.insert((*name).to_owned(), json!([round(mean), round(variance.sqrt())]));
    }
    println!("{}", serde_json::Value::from(line));
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

/// Good cells learned from alone: what is changed of the defaults.
fn methods() -> Vec<(&'static str, Inspector)> {
    let with = |change: fn(&mut Inspector)| {
        let mut inspector = Inspector::default();
        change(&mut inspector);
        inspector
    };
    vec![
        ("60 good cells, defaults", with(|_| ())),
        ("60 good cells, --light ignore", with(|i| i.light = Light::Ignore)),
        ("60 good cells, --light keep", with(|i| i.light = Light::Keep)),
        ("60 good cells, --method dictionary", with(|i| i.method = Method::Dictionary)),
        ("60 good cells, --method combined", with(|i| i.method = Method::Combined)),
        ("60 good cells, --scope anywhere", with(|i| i.scope = Some(Scope::Anywhere))),
        (
            "60 good cells, --scope anywhere --method dictionary",
            with(|i| {
                (i.scope, i.method) = (Some(Scope::Anywhere), Method::Dictionary);
            }),
        ),
    ]
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let folder = args.get(1).ok_or("usage: elpv DIR [draws] [seed] [only]")?;
    let draws: usize = args.get(2).map_or(Ok(10), |v| v.parse())?;
    let seed: u64 = args.get(3).map_or(Ok(0), |v| v.parse())?;
    let only = args.get(4).map_or("", String::as_str);
    let all = cells(Path::new(folder))?;
    let of = |bad: bool| -> Vec<&Cell> { all.iter().filter(|c| c.certain() && c.bad() == bad).collect() };
    let (good, bad) = (of(false), of(true));
    let repeat = |what: &str,
                  count: usize,
                  one: &dyn Fn(u64) -> Result<Figures, Failure>|
     -> Result<(), Failure> {
        if !what.contains(only) {
            return Ok(());
        }
        let mut found = Vec::with_capacity(count);
        for k in 0..count as u64 {
            let figures = one(k)?;
            let line: serde_json::Map<_, _> =
                figures.names.iter().zip(&figures.values).map(|(n, v)| ((*n).to_owned(), json!(v))).collect();
            println!("{}", json!({ "what": what, "draw": k, "figures": line }));
            found.push(figures);
        }
        summarize(what, &found);
        Ok(())
    };
    let sixty = |k: u64| Split::new(&all, draw(&good, GOOD, &mut Rng::new(seed + k)), Vec::new());
    for (what, inspector) in methods() {
        repeat(what, draws, &|k| judge(&inspector, &sixty(k)))?;
    }
    repeat("60 good cells, one dictionary, z of each place", draws, &|k| by_place(&sixty(k)))?;
    repeat("60 good cells, PSNR of one dictionary", draws, &|k| by_psnr(&sixty(k)))?;
    let inspector = Inspector::default();
    // Looks never seen: every third module is judged by a model of cells of the others.
    repeat("60 good cells of other modules", 3, &|k| {
        let others: Vec<&Cell> = good.iter().copied().filter(|c| c.module % 3 != k as usize).collect();
        let mut split = Split::new(&all, draw(&others, GOOD, &mut Rng::new(seed + k)), Vec::new());
        split.test.retain(|c| c.module % 3 == k as usize);
        judge(&inspector, &split)
    })?;
    for few in [10, 30] {
        repeat(&format!("60 good and {few} defective cells"), draws, &|k| {
            let mut split = sixty(k);
            let defective = draw(&bad, few, &mut Rng::new(seed + k + 1000));
            split = Split::new(&all, split.good, defective);
            judge(&inspector, &split)
        })?;
    }
    // As in the paper: three quarters of all cells with their labels; and the same with modules kept apart.
    repeat("75 % of the cells with labels", draws, &|k| {
        let everything: Vec<&Cell> = all.iter().collect();
        let learned = draw(&everything, all.len() * 3 / 4, &mut Rng::new(seed + k));
        judge(&inspector, &Split::by(&all, |c| learned.iter().any(|&l| std::ptr::eq(l, c))))
    })?;
    repeat("75 % of the modules with labels", 4, &|k| {
        judge(&inspector, &Split::by(&all, |c| c.module % 4 != k as usize))
    })?;
    repeat("what most cells of the module are", 1, &|_| Ok(by_module(&all)))
}
