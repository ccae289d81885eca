//! The regression suite: single fits, paths and cross-validation of the Lasso, one JSON line each.
//!
//! `dump SIZE FOLDER` writes the problems of a size (`tiny`, `small`, `medium`); `solve FOLDER INDEX TASK REPEAT` solves one task
//! (`alpha_max/10`, `alpha_max/100`, `path`, `cv`) of one of them: a process for each, so that memory is that of the task.
//!
//! Seconds are those of all threads together on the processor, the median of the repetitions, so that other programs on the
//! machine disturb as little as possible; run it with `RAYON_NUM_THREADS=1` for one thread. The gap is recomputed from the
//! coefficients alone; for a path it is the largest of its points, for cross-validation that of the final fit. Memory is what
//! one run needs at its peak above what the process held with the data loaded.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sparse_modeling::models::{
    CrossValidation, Design, ElasticNet, ElasticNetPath, Fit, FittedLinear, Lasso, Xy,
};
use spm_benches::problems::{Size, regressions};
use spm_linalg::DesignMatrix;
use spm_linalg::testing::Rng;

/// Duality gap, relative to the objective at zero.
const TOL: f64 = 1e-6;

type Failure = Box<dyn std::error::Error>;

/// A regression problem, dense (`indptr` empty) or in compressed columns.
struct Problem {
    name: String,
    n: usize,
    p: usize,
    values: Vec<f64>,
    indptr: Vec<usize>,
    indices: Vec<usize>,
    y: Vec<f64>,
}

impl Problem {
    fn design(&self) -> Result<Design<'_, f64>, Failure> {
        Ok(if self.indptr.is_empty() {
            Design::dense(&self.values, self.n, self.p)?
        } else {
            Design::sparse(self.n, &self.indptr, &self.indices, &self.values)?
        })
    }
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["dump", size, folder] => {
            let size = Size::parse(size).ok_or("the size is tiny, small or medium")?;
            write(&problems(size), Path::new(folder))
        }
        ["solve", folder, index, task, repeat] => {
            solve(&read(Path::new(folder), index.parse()?)?, task, repeat.parse()?)
        }
        _ => Err("the arguments are `dump SIZE FOLDER` or `solve FOLDER INDEX TASK REPEAT`".into()),
    }
}

/// Those of the general suite, and a small, a sparse and a wide one.
fn problems(size: Size) -> Vec<Problem> {
    let mut all: Vec<Problem> = regressions(size)
        .into_iter()
        .map(|r| Problem {
            name: r.name.trim_start_matches("lasso-").to_owned(),
            n: r.n,
            p: r.p,
            values: r.x,
            indptr: vec![],
            indices: vec![],
            y: r.y,
        })
        .collect();
    let mut rng = Rng::new(77);
    for (kind, n, p, density) in [
        ("small", size.pick(30, 50, 50), size.pick(60, 200, 200), 1.0),
        (
            "sparse",
            size.pick(100, 1000, 5000),
            size.pick(300, 5000, 50_000),
            size.pick(50, 10, 5) as f64 / 1e3,
        ),
        ("wide", size.pick(40, 200, 500), size.pick(400, 20_000, 100_000), 1.0),
    ] {
        let (mut values, mut indptr, mut indices) = (vec![], vec![], vec![]);
        if density == 1.0 {
            values = rng.normals(n * p);
        } else {
            indptr.push(0);
            for _ in 0..p {
                for i in 0..n {
                    if rng.uniform::<f64>() < density {
                        indices.push(i);
                        values.push(rng.normal::<f64>());
                    }
                }
                indptr.push(indices.len());
            }
        }
        let mut problem =
            Problem { name: format!("{kind}/n={n},p={p}"), n, p, values, indptr, indices, y: vec![0.0; n] };
        let mut y = vec![0.0; n];
        if let Ok(x) = problem.design() {
            for k in 0..20 {
                x.col_axpy(k * p / 20, if k % 2 == 0 { 1.0 } else { -1.0 }, &mut y);
            }
        }
        let spread = (y.iter().map(|v| v * v).sum::<f64>() / n as f64).sqrt();
        y.iter_mut().for_each(|v| *v += 0.3 * spread * rng.normal::<f64>() + 2.0);
        problem.y = y;
        all.push(problem);
    }
    all
}

fn bytes(data: &[f64]) -> Vec<u8> {
    data.iter().flat_map(|v| v.to_ne_bytes()).collect()
}

fn doubles(path: &Path) -> Result<Vec<f64>, Failure> {
    let bytes = fs::read(path)?;
    Ok(bytes
        .chunks_exact(8)
        .map(|b| f64::from_ne_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
        .collect())
}

/// Writes the problems: arrays as raw doubles, and `problems.json` that names them.
fn write(problems: &[Problem], folder: &Path) -> Result<(), Failure> {
    let mut list = Vec::new();
    for (k, problem) in problems.iter().enumerate() {
        let (x, y) = (format!("{k}.x.f64"), format!("{k}.y.f64"));
        fs::write(folder.join(&x), bytes(&problem.values))?;
        fs::write(folder.join(&y), bytes(&problem.y))?;
        let mut entry =
            json!({ "name": problem.name, "n": problem.n, "p": problem.p, "x": x, "y": y, "tol": TOL });
        if !problem.indptr.is_empty() {
            for (key, list) in [("indptr", &problem.indptr), ("indices", &problem.indices)] {
                let name = format!("{k}.{key}.f64");
                let list: Vec<f64> = list.iter().map(|&v| v as f64).collect();
                fs::write(folder.join(&name), bytes(&list))?;
                entry[key] = json!(name);
            }
        }
        list.push(entry);
    }
    fs::write(folder.join("problems.json"), Value::Array(list).to_string())?;
    Ok(())
}

/// Reads one of what [`write`](fn@write) writes.
fn read(folder: &Path, index: usize) -> Result<Problem, Failure> {
    let list: Value = serde_json::from_str(&fs::read_to_string(folder.join("problems.json"))?)?;
    let entry = &list[index];
    let text = |key: &str| entry[key].as_str().map(str::to_owned).ok_or(format!("{key} is missing"));
    let number = |key: &str| entry[key].as_u64().ok_or(format!("{key} is missing"));
    let whole = |key: &str| -> Result<Vec<usize>, Failure> {
        match entry[key].as_str() {
            Some(name) => Ok(doubles(&folder.join(name))?.into_iter().map(|v| v as usize).collect()),
            None => Ok(vec![]),
        }
    };
    Ok(Problem {
        name: text("name")?,
        n: number("n")? as usize,
        p: number("p")? as usize,
        values: doubles(&folder.join(text("x")?))?,
        indptr: whole("indptr")?,
        indices: whole("indices")?,
        y: doubles(&folder.join(text("y")?))?,
    })
}

/// Seconds that all threads of this process have spent on a processor.
fn processor_seconds() -> f64 {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return f64::NAN };
    let nanoseconds: f64 = tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .sum();
    nanoseconds * 1e-9
}

/// A line of `/proc/self/status`, in MiB.
fn memory(key: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
    line.trim_start_matches(':')
        .split_whitespace()
        .next()
        .and_then(|v| v.parse::<f64>().ok())
        .unwrap_or(f64::NAN)
        / 1024.0
}

/// Solves in `repeat` batches of runs that are long enough for the clock: the last result, the median seconds of a run, the peak
/// memory of the first.
fn timed<R>(repeat: usize, mut solve: impl FnMut() -> Result<R, Failure>) -> Result<(R, f64, f64), Failure> {
    // Sets the peak back to what is held now, where the system allows it.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let held = memory("VmRSS");
    let watch = std::time::Instant::now();
    let mut last = Some(solve()?);
    let peak = memory("VmHWM") - held;
    let batch = ((0.1 / watch.elapsed().as_secs_f64()).ceil() as usize).clamp(1, 200);
    let mut times = Vec::new();
    for _ in 0..repeat.max(1) {
        let start = processor_seconds();
        for _ in 0..batch {
            drop(last.take());
            last = Some(solve()?);
        }
        times.push((processor_seconds() - start) / batch as f64);
        if times.iter().sum::<f64>() * batch as f64 > 5.0 {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((last.ok_or("nothing was solved")?, times[times.len() / 2], peak))
}

struct Line {
    iterations: usize,
    seconds: f64,
    objective: f64,
    gap: f64,
    nnz: usize,
    peak: f64,
}

#[allow(clippy::print_stdout)]
fn solve(problem: &Problem, task: &str, repeat: usize) -> Result<(), Failure> {
    let data = Xy::new(problem.design()?, &problem.y);
    let path = ElasticNetPath::new(ElasticNet::new(1.0, 1.0).tol(TOL));
    let line = match task {
        "path" => {
            let (path, seconds, peak) = timed(repeat, || Ok(path.fit(data)?))?;
            let gaps = path.points.iter().map(|q| lasso_gap(data, &q.nonzeros, q.intercept, q.alpha).1);
            let last = path.points.last().ok_or("an empty path")?;
            Line {
                iterations: path.points.iter().map(|q| q.report.last.iter).sum(),
                seconds,
                objective: last.certificate.primal,
                gap: gaps.fold(0.0, f64::max) / path.objective_at_zero,
                nnz: last.nnz(),
                peak,
            }
        }
        "cv" => {
            let cv = CrossValidation::new(path);
            let (cv, seconds, peak) = timed(repeat, || Ok(cv.fit(data)?))?;
            single(data, &cv.fitted, seconds, peak)
        }
        _ => {
            let share: f64 = task.strip_prefix("alpha_max/").ok_or("no such task")?.parse()?;
            let model = Lasso::new(Lasso::new(1.0).alpha_max(data)? / share).tol(TOL);
            let (fitted, seconds, peak) = timed(repeat, || Ok(model.fit(data)?))?;
            single(data, &fitted, seconds, peak)
        }
    };
    println!(
        "{}",
        json!({ "problem": format!("{} {task}", problem.name), "solver": "ours", "tol": TOL,
                "iterations": line.iterations, "seconds": line.seconds, "objective": line.objective, "gap": line.gap,
                "nnz": line.nnz, "peak_mib": line.peak })
    );
    Ok(())
}

fn single(data: Xy<'_, f64>, fitted: &FittedLinear<f64>, seconds: f64, peak: f64) -> Line {
    let coef: Vec<(usize, f64)> = fitted.nonzeros().collect();
    let (objective, gap) = lasso_gap(data, &coef, fitted.intercept, fitted.alpha);
    Line {
        iterations: fitted.report.last.iter,
        seconds,
        objective,
        gap: gap / fitted.objective_at_zero,
        nnz: coef.len(),
        peak,
    }
}

/// Objective and duality gap of `1/(2n)‖y − Xw − b‖² + alpha‖w‖₁`, from the definition.
fn lasso_gap(data: Xy<'_, f64>, coef: &[(usize, f64)], b: f64, alpha: f64) -> (f64, f64) {
    let n = data.y.len() as f64;
    let mut r: Vec<f64> = data.y.iter().map(|y| y - b).collect();
    for &(j, w) in coef {
        data.x.col_axpy(j, -w, &mut r);
    }
    let primal = r.iter().map(|v| v * v).sum::<f64>() / (2.0 * n)
        + alpha * coef.iter().map(|c| c.1.abs()).sum::<f64>();
    let mean = r.iter().sum::<f64>() / n;
    let theta: Vec<f64> = r.iter().map(|v| (v - mean) / n).collect();
    let p = spm_linalg::LinearOperator::ncols(&data.x);
    let largest = (0..p).map(|j| data.x.col_dot(j, &theta).abs()).fold(0.0, f64::max);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let s = if largest > alpha { alpha / largest } else { 1.0 };
    (primal, primal - (s * dot(&theta, data.y) - s * s * n / 2.0 * dot(&theta, &theta)))
}
