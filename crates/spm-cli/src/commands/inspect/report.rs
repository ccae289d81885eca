//! The report on a scored folder: one HTML file with everything inside.

use std::io::Cursor;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sparse_modeling::image::Gray;
use sparse_modeling::image::dictionary::dictionary_picture;
use sparse_modeling::image::inspect::{
    Explanation, Finding, InspectionModel, Localization, Planes, Reconstruction,
};
use sparse_modeling::linalg::Dense;

use super::train::{comparison_text, interval_text, scope_name};
use crate::outcome::number;
use crate::plot::{Series, svg};

/// One image in the report.
#[derive(Debug)]
pub(super) struct Card {
    name: String,
    /// The name in two: up to the last slash, and the rest.
    folder: String,
    file: String,
    value: f64,
    score: String,
    p: f64,
    p_value: String,
    defective: bool,
    unseen: bool,
    pictures: Option<Pictures>,
}

#[derive(Debug)]
struct Pictures {
    original: String,
    heat: String,
    residual: String,
    similarity: String,
    regions: Vec<String>,
    more: usize,
    why: String,
}

/// A p-value as people read it.
pub(crate) fn p_text(p: f64) -> String {
    if p < 1e-3 { format!("{p:.1e}") } else { format!("{p:.3}") }
}

/// Regions described for each image.
const REGIONS: usize = 3;

impl Card {
    pub(super) fn new(name: &str, finding: &Finding) -> Self {
        let (folder, file) = name.split_at(name.rfind(['/', '\\']).map_or(0, |k| k + 1));
        let p = finding.p_value;
        Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            file: file.to_owned(),
            value: finding.score,
            score: format!("{:.2}", finding.score),
            p,
            p_value: p_text(p),
            defective: finding.defective,
            unseen: finding.unseen_look,
            pictures: None,
        }
    }

    pub(super) fn with_pictures(
        self,
        planes: &Planes,
        place: &Localization,
        made: &Reconstruction,
        why: Option<&Explanation>,
    ) -> Self {
        let regions = place.regions.iter().take(REGIONS).map(|r| {
            let (top, left, height, width) = r.bounds;
            let (bottom, right) = (top + height - 1, left + width - 1);
            let (i, j) = r.peak;
            format!(
                "rows {top}–{bottom}, columns {left}–{right}: {} pixels, z = {:.1} at ({i}, {j})",
                r.area, r.peak_z
            )
        });
        let why = why.map_or_else(String::new, |e| {
            let parts: Vec<String> = e.atoms.iter().map(|(j, v)| format!("{v:+.2} × atom {j}")).collect();
            let energy: f32 = e.patch.iter().map(|v| v * v).sum();
            let left: f32 = e.patch.iter().zip(&e.sum).map(|(a, b)| (a - b) * (a - b)).sum();
            format!(
                "The patch at the peak is {}, which leaves {:.2} % of its energy over.",
                parts.join(" "),
                100.0 * left / energy.max(f32::MIN_POSITIVE)
            )
        });
        let residual = made.residual.data();
        let scale = residual_scale(residual);
        let (h, w) = planes.size();
        let residual: Vec<f32> = residual.iter().map(|v| v / scale).collect();
        Self {
            pictures: Some(Pictures {
                original: uri(&picture(planes)),
                heat: uri(&heat_map(planes, place)),
                residual: uri(&rgb_png(h, w, |k| ramp(residual[k]))),
                similarity: format!("PSNR {:.1} dB, SSIM {:.3}", made.psnr, made.ssim),
                regions: regions.collect(),
                more: place.regions.len().saturating_sub(REGIONS),
                why,
            }),
            ..self
        }
    }
}

/// What is drawn at full brightness in a residual map: what one value in two hundred exceeds, at least 0.03 of the median
/// brightness, so that noise stays dark.
fn residual_scale(residual: &[f32]) -> f32 {
    let mut sorted = residual.to_vec();
    let rank = sorted.len() - 1 - sorted.len() / 200;
    sorted.select_nth_unstable_by(rank, f32::total_cmp).1.max(0.03)
}

#[derive(Template)]
#[template(path = "inspect.html")]
struct Page<'a> {
    version: &'static str,
    cards: &'a [Card],
    total: usize,
    defective: usize,
    unseen: usize,
    skipped: usize,
    shown: usize,
    threshold: String,
    false_alarm: String,
    interval: String,
    scope: &'static str,
    second: String,
    good: usize,
    histogram: String,
    atoms: Option<String>,
}

/// The whole report. `cards` are sorted, strangest first.
pub(super) fn html(model: &InspectionModel, cards: &[Card], skipped: usize) -> String {
    let threshold = model.threshold();
    let count = |f: fn(&Card) -> bool| cards.iter().filter(|c| f(c)).count();
    let dictionary = model.dictionary().dictionary();
    let side = model.lattice().patch;
    // Atoms of grey parts can be drawn; those of colour have three planes.
    let atoms = Dense::from_column_major(dictionary.atoms(), dictionary.dim(), dictionary.n_atoms())
        .ok()
        .and_then(|d| dictionary_picture(d, (side, side)).ok())
        .map(|p| uri(&gray_png(&p)));
    Page {
        version: env!("CARGO_PKG_VERSION"),
        cards,
        total: cards.len(),
        defective: count(|c| c.defective),
        unseen: count(|c| c.unseen),
        skipped,
        shown: count(|c| c.pictures.is_some()),
        threshold: format!("{:.2}", threshold.value),
        false_alarm: format!("{} %", number(100.0 * threshold.false_alarm)),
        interval: interval_text(&threshold, model.good_scores().len()),
        scope: scope_name(model.scope()),
        second: model.comparison().iter().flat_map(comparison_text).collect::<Vec<_>>().join("; "),
        good: model.good_scores().len(),
        histogram: histogram(model.good_scores(), cards, threshold.value),
        atoms,
    }
    .render()
    .expect("the template renders to memory")
}

/// Bins of the histogram.
const BINS: usize = 48;

/// Shares of the good parts and of the scored images by score, and the threshold.
fn histogram(good: &[f64], cards: &[Card], threshold: f64) -> String {
    let scored: Vec<f64> = cards.iter().map(|c| c.value).collect();
    let all = || good.iter().chain(&scored).copied().chain([threshold]);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let width = ((high - low) / BINS as f64).max(1e-9);
    let steps = |values: &[f64]| {
        let mut counts = vec![0_usize; BINS];
        for v in values {
            counts[(((v - low) / width) as usize).min(BINS - 1)] += 1;
        }
        let share = 100.0 / values.len().max(1) as f64;
        let mut points = vec![(low, 0.0)];
        for (k, n) in counts.into_iter().enumerate() {
            let height = share * n as f64;
            points.push((low + k as f64 * width, height));
            points.push((low + (k + 1) as f64 * width, height));
        }
        points.push((high, 0.0));
        points
    };
    let (good, scored) = (steps(good), steps(&scored));
    let top = good.iter().chain(&scored).map(|p| p.1).fold(0.0, f64::max);
    let series = vec![
        Series::line(good, "#1a7f4b").label("good parts, not seen by the detector"),
        Series::line(scored, "#0b6e99").label("scored images"),
        Series::dashed([(threshold, 0.0), (threshold, top)], "#b3261e").label("threshold"),
    ];
    svg("Scores", "score", "share of images in %", series)
}

/// The part in grey with its strange places in colour.
pub(crate) fn heat_map(planes: &Planes, place: &Localization) -> Vec<u8> {
    let (h, w) = planes.size();
    let gray = luminance(planes);
    let z = place.z.data();
    rgb_png(h, w, |k| {
        // From half the level on, full colour at twice the level.
        let t = ((z[k] / place.level.max(1e-3) - 0.5) / 1.5).clamp(0.0, 1.0);
        let color = [1.0, 0.85 * (1.0 - t), 0.0];
        let a = if t > 0.0 { 0.25 + 0.6 * t } else { 0.0 };
        [0, 1, 2].map(|c| (1.0 - a) * gray[k] + a * color[c])
    })
}

/// The mean of the channels with the median in the middle of the range.
fn luminance(planes: &Planes) -> Vec<f32> {
    let (h, w) = planes.size();
    let n = planes.channels() as f32;
    let mut out = vec![0.0; h * w];
    for plane in planes.data().chunks_exact(h * w) {
        out.iter_mut().zip(plane).for_each(|(o, v)| *o += v / n * 0.6);
    }
    out
}

fn picture(planes: &Planes) -> Vec<u8> {
    let (h, w) = planes.size();
    if planes.channels() == 3 {
        let data = planes.data();
        rgb_png(h, w, |k| [0, 1, 2].map(|c| 0.6 * data[c * h * w + k]))
    } else {
        let gray = luminance(planes);
        rgb_png(h, w, |k| [gray[k]; 3])
    }
}

/// Black, violet, orange, white.
fn ramp(v: f32) -> [f32; 3] {
    const STOPS: [[f32; 3]; 4] = [[0.0, 0.0, 0.05], [0.45, 0.1, 0.45], [0.95, 0.5, 0.1], [1.0, 1.0, 0.85]];
    let x = v.clamp(0.0, 1.0) * 2.999;
    let (k, f) = (x as usize, x.fract());
    [0, 1, 2].map(|c| (1.0 - f) * STOPS[k][c] + f * STOPS[k + 1][c])
}

fn rgb_png(h: usize, w: usize, color: impl Fn(usize) -> [f32; 3]) -> Vec<u8> {
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    let bytes: Vec<u8> = (0..h * w).flat_map(|k| color(k).map(byte)).collect();
    let mut out = Cursor::new(Vec::new());
    ::image::RgbImage::from_raw(w as u32, h as u32, bytes)
        .expect("three bytes a pixel")
        .write_to(&mut out, ::image::ImageFormat::Png)
        .expect("writing to memory can't fail");
    out.into_inner()
}

fn gray_png(image: &Gray<f32>) -> Vec<u8> {
    let (h, w) = image.size();
    rgb_png(h, w, |k| [image.data()[k]; 3])
}

fn uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}
