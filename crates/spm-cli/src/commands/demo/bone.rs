//! The outline of a bone: where it bends, and by how much.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::image::Gray;
use sparse_modeling::image::contour::{ArcShape, Curvature, Outline, PartKind};

use super::report::{Experiment, Figure};
use super::{data, timed};
use crate::commands::curvature::along;
use crate::error::CliError;
use crate::pixels::png;

/// Noise, where the shape is 1 and the ground 0.
const NOISE: f64 = 0.08;
/// How far the picture ends from the shape, in pixels.
const MARGIN: f64 = 12.0;

pub(super) fn run(seed: u64) -> Result<Experiment, CliError> {
    let bone = ArcShape::bone();
    let (clean, _) = bone.render(MARGIN)?;
    let (h, w) = clean.size();
    let noise = data::noise(h * w, seed.wrapping_add(80));
    let pixels = clean.data().iter().zip(&noise).map(|(v, e)| 0.15 + 0.7 * v + 0.7 * NOISE * e).collect();
    let image = Gray::new(h, w, pixels)?;
    let mut time = Duration::ZERO;
    let contour = timed(&mut time, || Outline::new().find(image.view()))?;
    let profile = timed(&mut time, || Curvature::new().of(&contour))?;
    let mut drawn = image.clone().into_data();
    for [x, y] in &profile.points {
        let (i, j) = ((y.round() as usize).min(h - 1), (x.round() as usize).min(w - 1));
        drawn[i * w + j] = 0.0;
    }
    let curvature = profile.curvature();
    let arcs: Vec<_> = profile.parts.iter().filter(|p| p.kind == PartKind::Arc).collect();
    // The heads are the longest arcs that bulge.
    let mut heads: Vec<_> = arcs.iter().filter(|p| p.curvature > 0.0).collect();
    heads.sort_by(|a, b| b.length.total_cmp(&a.length));
    let radii: Vec<f64> = heads.iter().take(2).map(|p| p.radius()).collect();
    let radii_text = radii.iter().map(|r| format!("{r:.1}")).collect::<Vec<_>>().join(" and ");
    Ok(Experiment {
        id: "bone",
        title: "The outline of a bone",
        question: "A bone-like shape of circular arcs in noise: two heads of radius 50 and 40 pixels, hollows of radius 30, a straight \
                   shaft with a notch of radius 16. Can the outline say so?"
            .to_owned(),
        answer: format!(
            "The outline is {} parts; its two longest arcs, the heads, have radius {radii_text}.",
            profile.parts.len()
        ),
        figures: vec![
            Figure::png(&png(&Gray::new(h, w, drawn)?), 2 * w, "The picture, and the outline found in black."),
            Figure::svg(
                along(&profile, &curvature),
                "Curvature along the outline: the trend filter, and the parts of constant curvature.",
            ),
        ],
        facts: vec![
            ("length of the outline", format!("{:.1} pixels, in truth {:.1}", profile.length, bone.length())),
            ("parts", profile.parts.len().to_string()),
            ("radii of the heads", format!("{radii_text} pixels")),
        ],
        results: json!({
            "noise": NOISE, "length": { "found": profile.length, "truth": bone.length() },
            "parts": profile.parts.len(), "heads": radii,
        }),
        converged: profile.status.is_converged(),
        seconds: time.as_secs_f64(),
    })
}
