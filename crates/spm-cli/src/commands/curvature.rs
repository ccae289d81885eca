//! `spm curvature`: the outline of a shape, its curvature and its parts.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};
use sparse_modeling::image::contour::{Contour, Curvature, CurvatureProfile, Outline, PartKind};
use sparse_modeling::image::{Gray, ImageError};

use crate::Context;
use crate::args::{non_negative, positive};
use crate::error::CliError;
use crate::io::{Array, encode_array, extension, read_array, write_all};
use crate::outcome::Outcome;
use crate::pixels::read_image;
use crate::plot::{self, Series};

/// Curvature along the outline of a shape, smoothed, and its corners, arcs and straight parts.
///
/// From an image: total variation, threshold, the largest outline by marching squares. Or from a contour, a table with a
/// column and a row coordinate a line. The output has a line for each point: arc length, column, row, curvature of its part,
/// smoothed curvature, raw curvature.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image (also as a table of numbers, .npy or .csv), or a contour as a table of two columns.
    input: PathBuf,
    /// Where the curvature goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Value at the boundary; by default half way between the two classes of Otsu's method, taken again within the shape while
    /// that runs along the border of the image.
    #[arg(long, allow_negative_numbers = true)]
    level: Option<f64>,
    /// The shape is darker than what is around it.
    #[arg(long)]
    dark: bool,
    /// Weight of the total variation before the threshold, 0 for none; by default twice the noise.
    #[arg(long, value_name = "W", value_parser = non_negative, allow_negative_numbers = true)]
    tv: Option<f64>,
    /// Distance of the points along the outline, in pixels.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    spacing: f64,
    /// Weight of the steps of curvature; by default from the noise of the angle.
    #[arg(long, value_parser = non_negative, allow_negative_numbers = true)]
    lambda: Option<f64>,
    /// Draw the curvature along the outline (SVG).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Draw the outline with its corners and change points (SVG).
    #[arg(long, value_name = "FILE")]
    plot_outline: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let within = |e: ImageError| CliError::from(e).within(&args.input);
    let spinner = ctx.progress.spinner("curvature");
    let table = match extension(&args.input).as_str() {
        "csv" | "txt" | "tsv" | "npy" => Some(read_array(&args.input)?),
        _ => None,
    };
    let (contour, elapsed) = if let Some(points) = table.as_ref().filter(|t| is_contour(t)) {
        (read_contour(args, points)?, None)
    } else {
        let image = match table {
            Some(t) => {
                let (h, w) = t.rows_cols(&args.input)?;
                Gray::new(h, w, t.data).map_err(within)?
            }
            None => read_image(&args.input)?.0.into_gray(),
        };
        let mut outline = Outline::new();
        (outline.level, outline.dark, outline.tv) = (args.level, args.dark, args.tv);
        let start = Instant::now();
        let contour = outline.find(image.view()).map_err(within)?;
        (contour, Some(start.elapsed()))
    };
    let mut model = Curvature::new().spacing(args.spacing);
    model.lambda = args.lambda;
    let start = Instant::now();
    let profile = model.of(&contour).map_err(within)?;
    let elapsed = start.elapsed() + elapsed.unwrap_or_default();
    spinner.finish_and_clear();

    let curvature = profile.curvature();
    let rows = (0..profile.points.len()).flat_map(|i| {
        let [x, y] = profile.points[i];
        [profile.arc_length[i], x, y, curvature[i], profile.smooth[i], profile.raw[i]]
    });
    let table = Array::matrix(profile.points.len(), 6, rows.collect());
    let mut bytes = encode_array(&args.output, &table);
    if extension(&args.output) == "csv" {
        bytes.splice(0..0, *b"arc_length,column,row,curvature,smooth,raw\n");
    }
    let mut files = vec![(args.output.as_path(), bytes)];
    if let Some(path) = &args.plot {
        files.push((path, along(&profile, &curvature).into_bytes()));
    }
    if let Some(path) = &args.plot_outline {
        files.push((path, around(&profile).into_bytes()));
    }
    let files: Vec<_> = files.iter().map(|(path, bytes)| (*path, bytes.as_slice())).collect();
    write_all(&files)?;
    Ok(report(&profile, &contour).seconds(elapsed))
}

/// Two columns, or the six that `spm curvature` writes; any other table is an image.
fn is_contour(table: &Array) -> bool {
    matches!(table.shape[..], [_, 2 | 6])
}

fn read_contour(args: &Args, table: &Array) -> Result<Contour, CliError> {
    let columns = table.shape[1];
    let first = usize::from(columns == 6);
    let points = table.data.chunks_exact(columns).map(|row| [row[first], row[first + 1]]).collect();
    Contour::new(points).map_err(|e| CliError::from(e).within(&args.input))
}

fn report(profile: &CurvatureProfile, contour: &Contour) -> Outcome {
    let n = profile.parts.len();
    let mut corners: Vec<Value> = Vec::new();
    let (mut parts, mut shown) = (Vec::new(), Vec::new());
    for part in &profile.parts {
        let kind = match part.kind {
            PartKind::Corner => "corner",
            PartKind::Straight => "straight",
            _ => "arc",
        };
        if part.kind == PartKind::Corner {
            let at = part.start + 0.5 * part.length;
            let [x, y] = profile.point_at(at);
            corners.push(
                json!({ "column": x, "row": y, "arc_length": at % profile.length, "turn": part.turn() }),
            );
        }
        let radius = (part.kind != PartKind::Straight).then(|| part.radius());
        shown.push(match radius {
            Some(r) => format!("{kind} from {:.1}, {:.1} long, radius {r:.2}", part.start, part.length),
            None => format!("{kind} from {:.1}, {:.1} long", part.start, part.length),
        });
        parts.push(json!({
            "kind": kind, "start": part.start, "length": part.length,
            "curvature": part.curvature, "radius": radius, "turn": part.turn(),
        }));
    }
    let changes: Vec<f64> = if n > 1 { profile.parts.iter().map(|p| p.start).collect() } else { Vec::new() };
    Outcome::new("curvature")
        .status(profile.status)
        .set("points", profile.points.len())
        .set("length", profile.length)
        .set("area", contour.area())
        .set("corners", corners)
        .set("change_points", changes)
        .set_shown("parts", parts, shown)
        .set("lambda", profile.lambda)
        .set("objective", profile.certificate.primal)
        .set("gap", profile.certificate.gap())
        .set("seam", profile.seam)
}

/// The curvature along the outline as a plot.
pub(crate) fn along(profile: &CurvatureProfile, curvature: &[f64]) -> String {
    let s = &profile.arc_length;
    // Raw curvature is mostly noise: what lies far outside of the result would hide it.
    let top = 3.0 * curvature.iter().chain(&profile.smooth).fold(0.0, |m: f64, k| m.max(k.abs()));
    let pairs = |v: &[f64]| s.iter().copied().zip(v.iter().copied()).collect::<Vec<_>>();
    let raw: Vec<_> = pairs(&profile.raw).into_iter().filter(|p| p.1.abs() <= top).collect();
    let boundaries = profile.parts.iter().map(|p| (p.start, p.curvature));
    plot::svg(
        "Curvature along the outline",
        "arc length (pixels)",
        "curvature (1 / pixel)",
        vec![
            Series::dots(raw, "#c8d0d8", 1.5).label("raw"),
            Series::line(pairs(&profile.smooth), "#e8a33d").label("trend filter"),
            Series::line(pairs(curvature), "#0b6e99").label("parts"),
            Series::dots(boundaries, "#d9480f", 3.5).label("change points"),
        ],
    )
}

fn around(profile: &CurvatureProfile) -> String {
    // Rows go down in the image and up in the plot.
    let flip = |p: [f64; 2]| (p[0], -p[1]);
    let mut outline: Vec<_> = profile.points.iter().map(|&p| flip(p)).collect();
    outline.push(outline[0]);
    let starts = profile.parts.iter().map(|p| flip(profile.point_at(p.start)));
    let corners = profile.parts.iter().filter(|p| p.kind == PartKind::Corner);
    let corners = corners.map(|p| flip(profile.point_at(p.start + 0.5 * p.length)));
    plot::svg_shape(
        "Outline",
        "column (pixels)",
        "row (pixels, downwards negative)",
        vec![
            Series::line(outline, "#0b6e99").label("outline"),
            Series::dots(starts, "#d9480f", 3.5).label("change points"),
            Series::dots(corners, "#7048e8", 5.0).label("corners"),
        ],
    )
}
