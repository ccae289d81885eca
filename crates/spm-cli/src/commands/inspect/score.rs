//! `spm inspect score`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use sparse_modeling::image::inspect::{Finding, InspectionModel, Localization};
use sparse_modeling::models::file;
use sparse_modeling::solvers::Status;

use super::files::{BATCH, Entry, Prepared, list, prepare_all, report_bad};
use super::report::{self, Card};
use super::{rate, train};
use crate::Context;
use crate::error::CliError;
use crate::io::write_atomically;
use crate::outcome::Outcome;

/// Score images: how strange each is, and whether it is defective.
///
/// Scores of good parts are about standard normal. An image that can't be used (unreadable, or of another size than those
/// learned from where that matters) is named and left out; the exit code is then 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model, made by `spm inspect train`.
    model: PathBuf,
    /// Images: a folder, or a text file with a path a line.
    images: PathBuf,
    /// Where the scores go: path,score,defective for every image.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a picture for every image: where it is strange.
    #[arg(long, value_name = "DIR")]
    heatmaps: Option<PathBuf>,
    /// Write one HTML file with a sortable list, pictures and a histogram.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Pictures in the report: those of the strangest images.
    #[arg(long, value_name = "N", default_value_t = 100)]
    report_images: usize,
    /// Another share of false alarms than the model was trained for, such as 0.01 or 1%.
    #[arg(long, value_name = "SHARE", value_parser = rate)]
    false_alarm: Option<f64>,
}

/// An image that was judged.
struct Judged {
    name: String,
    path: PathBuf,
    finding: Finding,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let start = Instant::now();
    let model: InspectionModel =
        file::load(&args.model).map_err(|e| CliError::from(e).within(&args.model))?;
    let model = match args.false_alarm {
        Some(rate) => model.with_false_alarm(rate)?,
        None => model,
    };
    let entries = list(&args.images)?;
    if let Some(folder) = &args.heatmaps {
        std::fs::create_dir_all(folder).map_err(|e| CliError::io(folder, e))?;
    }
    let bar = ctx.progress.bar(entries.len(), "scoring");
    let (mut judged, mut skipped) = (Vec::with_capacity(entries.len()), 0);
    let mut seconds = Duration::ZERO;
    for batch in entries.chunks(BATCH) {
        let (mut parts, mut sizes, mut of) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, prepared) in batch.iter().zip(prepare_all(batch, &model.preparation())) {
            match prepared.and_then(|p| usable(&model, entry, p)) {
                Ok((planes, size)) => {
                    parts.push(planes);
                    sizes.push(size);
                    of.push(entry);
                }
                Err(e) => {
                    report_bad(&e);
                    skipped += 1;
                }
            }
        }
        let clock = Instant::now();
        let findings = model.score(&parts).map_err(|e| CliError::from(e).within(&args.images))?;
        seconds += clock.elapsed();
        for (((entry, mut finding), planes), size) in of.into_iter().zip(findings).zip(parts).zip(sizes) {
            if let Some(folder) = &args.heatmaps {
                let place = model.localize(&finding, size)?;
                let picture = report::heat_map(&planes, &place);
                write_atomically(&folder.join(flat_name(&entry.name)), &picture)?;
            }
            // Maps are made anew for the few images that need them.
            finding.z = Vec::new();
            judged.push(Judged { name: entry.name.clone(), path: entry.path.clone(), finding });
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    if judged.is_empty() {
        return Err(CliError::file(&args.images, "none of the images can be used"));
    }
    if let Some(path) = &args.csv {
        write_atomically(path, &table(&judged))?;
    }
    if let Some(path) = &args.report {
        write_report(args, ctx, &model, &judged, skipped, path)?;
    }
    let defective = judged.iter().filter(|j| j.finding.defective).count();
    let unseen = judged.iter().filter(|j| j.finding.unseen_look).count();
    let threshold = model.threshold();
    let rate = vec![train::interval_text(&threshold, model.calibration().count)];
    Ok(Outcome::new("inspect score")
        .status(Status::Converged)
        .set("images", judged.len())
        .set("skipped", skipped)
        .set("defective", defective)
        .set_shown("unseen_looks", unseen, vec![unseen_text(unseen)])
        .set("threshold", threshold.value)
        .set("false_alarm", threshold.false_alarm)
        .set_shown("false_alarm_interval", vec![threshold.interval.0, threshold.interval.1], rate)
        .set("seconds_per_image", start.elapsed().as_secs_f64() / judged.len() as f64)
        .bad_files(skipped)
        .seconds(seconds))
}

/// What the number of unseen looks means.
fn unseen_text(count: usize) -> String {
    match count {
        0 => "0".to_owned(),
        n => format!(
            "{n} (raised all over: a look that the training images do not have; add good parts of this look)"
        ),
    }
}

/// Whether the model can judge it.
fn usable(model: &InspectionModel, entry: &Entry, prepared: Prepared) -> Result<Prepared, CliError> {
    model.accepts(&prepared.0).map_err(|e| CliError::from(e).within(&entry.path))?;
    Ok(prepared)
}

/// `path,score,defective`.
fn table(judged: &[Judged]) -> Vec<u8> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let written = out.write_record(["path", "score", "defective"]).and_then(|()| {
        judged.iter().try_for_each(|j| {
            let defective = if j.finding.defective { "1" } else { "0" };
            out.write_record([&j.name, &j.finding.score.to_string(), defective])
        })
    });
    written.expect("writing to memory can't fail");
    out.into_inner().expect("writing to memory can't fail")
}

/// The name of a picture: folders become part of it, so that no two collide.
fn flat_name(name: &str) -> String {
    let flat: Vec<&str> = name.split(['/', '\\']).filter(|s| !matches!(*s, "" | "." | "..")).collect();
    format!("{}.png", flat.join("_"))
}

fn write_report(
    args: &Args,
    ctx: &Context,
    model: &InspectionModel,
    judged: &[Judged],
    skipped: usize,
    path: &Path,
) -> Result<(), CliError> {
    let mut order: Vec<usize> = (0..judged.len()).collect();
    order.sort_by(|&a, &b| judged[b].finding.score.total_cmp(&judged[a].finding.score));
    let bar = ctx.progress.bar(args.report_images.min(order.len()), "report");
    let card = |(rank, &i): (usize, &usize)| -> Result<Card, CliError> {
        let Judged { name, finding, path } = &judged[i];
        let card = Card::new(name, finding);
        if rank >= args.report_images {
            return Ok(card);
        }
        let entry = Entry { name: name.clone(), path: path.clone() };
        let (planes, size) =
            prepare_all(&[entry], &model.preparation()).pop().expect("one image in, one out")?;
        let again = model.score(std::slice::from_ref(&planes))?.pop().expect("one image in, one out");
        let place: Localization = model.localize(&again, size)?;
        let made = model.reconstruct(&planes)?;
        let why = place.regions.first().map(|r| model.explain(&planes, r)).transpose()?;
        bar.inc(1);
        Ok(card.with_pictures(&planes, &place, &made, why.as_ref()))
    };
    let cards: Vec<Card> = order.par_iter().enumerate().map(card).collect::<Result<_, _>>()?;
    bar.finish_and_clear();
    write_atomically(path, report::html(model, &cards, skipped).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_names_do_not_leave_the_folder() {
        assert_eq!(flat_name("../a/./b.png"), "a_b.png.png");
        assert_eq!(flat_name("/x/y.jpg"), "x_y.jpg.png");
    }
}
