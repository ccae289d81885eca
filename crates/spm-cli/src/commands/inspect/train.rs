//! `spm inspect train`.

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use serde_json::json;
use sparse_modeling::image::inspect::{
    Comparison, HeldOut, Inspector, Light, Method, Planes, Preparation, Scope, Threshold,
};
use sparse_modeling::models::file;
use sparse_modeling::solvers::Status;

use super::files::{BATCH, Entry, first_shape, list, prepare_all, report_bad};
use super::rate;
use crate::Context;
use crate::args::count;
use crate::error::CliError;
use crate::outcome::{Outcome, number};

/// Learn what good parts look like, from images of good parts alone.
///
/// All images have one size. The threshold is set so that the given share of good parts is called defective; how far the true
/// share may be off, given how few good parts there are, is reported. An image that can't be used is named and left out; the
/// exit code is then 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Good parts: a folder of images, or a text file with a path a line.
    good: PathBuf,
    /// Where the model goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Examples of defective parts: a folder, or a text file with a path a line. What is learned from them is used if it does
    /// better on parts held out.
    #[arg(long, value_name = "PATH")]
    defective: Option<PathBuf>,
    /// Share of good parts that may be called defective, such as 0.01 or 1%.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = rate)]
    false_alarm: f64,
    /// What models the patches of a place.
    #[arg(long, value_enum, default_value = "gaussian")]
    method: MethodName,
    /// What whole rows and columns have in common: judged apart (smooth light is no defect, a line is), ignored (no line is a
    /// defect), kept in the picture, or both of the latter.
    #[arg(long, value_enum, default_value = "apart")]
    light: LightName,
    /// A model for every place (parts that lie alike), one for all places (textures), or whichever explains unseen good
    /// parts better.
    #[arg(long, value_enum, default_value = "auto")]
    scope: ScopeName,
    /// Move the parts over one another, by at most this many pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    register: usize,
    /// About how many values the longer side of an image is reduced to.
    #[arg(long, value_name = "N", default_value_t = Inspector::default().side, value_parser = count)]
    side: usize,
    /// Side of a patch, in reduced values.
    #[arg(long, value_name = "N", default_value_t = Inspector::default().patch, value_parser = count)]
    patch: usize,
    /// Distance of patches, in reduced values.
    #[arg(long, value_name = "N", default_value_t = Inspector::default().stride, value_parser = count)]
    stride: usize,
    /// Also take patches from this far beside their place, in reduced values.
    #[arg(long, value_name = "N", default_value_t = 0)]
    jitter: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodName {
    Gaussian,
    Dictionary,
    Combined,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LightName {
    Apart,
    Ignore,
    Keep,
    Both,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeName {
    Auto,
    Position,
    Anywhere,
}

impl Args {
    fn inspector(&self, seed: u64) -> Inspector {
        let mut inspector = Inspector::default();
        inspector.method = match self.method {
            MethodName::Gaussian => Method::Gaussian,
            MethodName::Dictionary => Method::Dictionary,
            MethodName::Combined => Method::Combined,
        };
        inspector.light = match self.light {
            LightName::Apart => Light::Apart,
            LightName::Ignore => Light::Ignore,
            LightName::Keep => Light::Keep,
            LightName::Both => Light::Both,
        };
        inspector.scope = match self.scope {
            ScopeName::Auto => None,
            ScopeName::Position => Some(Scope::Position),
            ScopeName::Anywhere => Some(Scope::Anywhere),
        };
        (inspector.side, inspector.patch, inspector.stride) = (self.side, self.patch, self.stride);
        (inspector.jitter, inspector.seed, inspector.false_alarm) = (self.jitter, seed, self.false_alarm);
        inspector
    }
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let entries = list(&args.good)?;
    let mut inspector = args.inspector(ctx.seed);
    let (size, channels) = first_shape(&entries)?;
    let preparation = inspector.preparation(size, channels)?;
    inspector.reach = args.register.div_ceil(preparation.block());
    let (parts, mut skipped) = read_parts(&entries, &preparation, ctx);
    let defective = match &args.defective {
        Some(source) => {
            let (found, left_out) = read_parts(&list(source)?, &preparation, ctx);
            skipped += left_out;
            found
        }
        None => Vec::new(),
    };
    let start = Instant::now();
    let bar = ctx.progress.bar(100, "learning");
    let model = inspector
        .train_with_defective(preparation, &parts, &defective, &mut |what, share| {
            bar.set_message(what);
            bar.set_position((100.0 * share) as u64);
        })
        .map_err(|e| CliError::from(e).within(&args.good))?;
    bar.finish_and_clear();
    let elapsed = start.elapsed();
    file::save(&model, &args.output).map_err(|e| CliError::from(e).within(&args.output))?;
    let threshold = model.threshold();
    let scope = scope_name(model.scope());
    let chosen = match model.evidence() {
        None => format!("{scope}, as asked for"),
        Some((position, anywhere)) => format!(
            "{scope} (unseen good parts: log density a patch {} by place, {} anywhere)",
            number(position),
            number(anywhere)
        ),
    };
    Ok(Outcome::new("inspect train")
        .status(Status::Converged)
        .set("images", parts.len())
        .set("skipped", skipped)
        .set_shown("scope", scope, vec![chosen])
        .set("evidence", model.evidence().map(|(p, a)| vec![p, a]))
        .set("threshold", threshold.value)
        .set("false_alarm", threshold.false_alarm)
        .set_shown(
            "false_alarm_interval",
            vec![threshold.interval.0, threshold.interval.1],
            vec![interval_text(&threshold, parts.len())],
        )
        .set("defective", defective.len())
        .set_shown(
            "second_stage",
            model.comparison().map(|c| comparison_json(&c)),
            model.comparison().iter().flat_map(comparison_text).collect(),
        )
        .bad_files(skipped)
        .seconds(elapsed))
}

/// Parts of the size that the model learns from, and how many files were left out.
fn read_parts(entries: &[Entry], preparation: &Preparation, ctx: &Context) -> (Vec<Planes>, usize) {
    let size = preparation.image_size();
    let bar = ctx.progress.bar(entries.len(), "reading");
    let (mut parts, mut skipped) = (Vec::with_capacity(entries.len()), 0);
    for batch in entries.chunks(BATCH) {
        for (entry, prepared) in batch.iter().zip(prepare_all(batch, preparation)) {
            let prepared = prepared.and_then(|(planes, found)| {
                let message = || {
                    format!("{} x {} pixels, the first image has {} x {}", found.0, found.1, size.0, size.1)
                };
                if found == size { Ok(planes) } else { Err(CliError::file(&entry.path, message())) }
            });
            match prepared {
                Ok(planes) => parts.push(planes),
                Err(e) => {
                    report_bad(&e);
                    skipped += 1;
                }
            }
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    (parts, skipped)
}

fn comparison_json(c: &Comparison) -> serde_json::Value {
    let held_out = |h: &HeldOut| json!({ "log_loss": h.log_loss, "detected": h.detected, "false_alarms": h.false_alarms });
    json!({ "adopted": c.adopted, "gain": c.gain.0, "gain_error": c.gain.1, "one_class": held_out(&c.one_class), "second": held_out(&c.second) })
}

/// What the defective parts were good for.
pub(super) fn comparison_text(c: &Comparison) -> Vec<String> {
    let held_out = |h: &HeldOut| {
        format!("finds {} of {} with {} false alarms of {}", h.detected, c.parts.1, h.false_alarms, c.parts.0)
    };
    let verdict = if c.adopted { "used" } else { "not used: held-out parts do not show that it is better" };
    vec![
        verdict.to_owned(),
        format!("on held-out parts it {}", held_out(&c.second)),
        format!("good parts alone: {}", held_out(&c.one_class)),
    ]
}

/// How sure the rate of false alarms is.
pub(super) fn interval_text(threshold: &Threshold, count: usize) -> String {
    let percent = |v: f64| format!("{}%", number((1e4 * v).round() / 100.0));
    let (low, high) = threshold.interval;
    format!("{} to {} (95% confidence from {count} good parts)", percent(low), percent(high))
}

pub(super) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Position => "position",
        Scope::Anywhere => "anywhere",
    }
}
