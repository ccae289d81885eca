//! The report: one HTML file with everything inside, no script needed to read it.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What one experiment shows.
#[derive(Debug)]
pub(super) struct Experiment {
    /// Short name, also the anchor.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What is asked, in one or two sentences.
    pub(super) question: String,
    /// What was found, in one or two sentences.
    pub(super) answer: String,
    pub(super) figures: Vec<Figure>,
    /// Figures with their names; the same numbers as in the JSON.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Machine-readable results.
    pub(super) results: Value,
    /// Whether every computation converged.
    pub(super) converged: bool,
    /// Wall time of the computations.
    pub(super) seconds: f64,
}

/// A picture with its caption.
#[derive(Debug)]
pub(super) struct Figure {
    content: Content,
    caption: String,
}

#[derive(Debug)]
enum Content {
    Svg(String),
    /// A PNG as a data URI, and the width in pixels at which it is shown.
    Png {
        uri: String,
        width: usize,
    },
}

impl Figure {
    /// A plot.
    pub(super) fn svg(svg: String, caption: impl Into<String>) -> Self {
        Self { content: Content::Svg(svg), caption: caption.into() }
    }

    /// A picture in PNG, shown `width` pixels wide without smoothing.
    pub(super) fn png(png: &[u8], width: usize, caption: impl Into<String>) -> Self {
        let uri = format!("data:image/png;base64,{}", STANDARD.encode(png));
        Self { content: Content::Png { uri, width }, caption: caption.into() }
    }
}

impl Experiment {
    /// The experiment's entry in the JSON output.
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "title": self.title,
            "status": if self.converged { "converged" } else { "max_iterations" },
            "seconds": self.seconds,
            "results": self.results,
        })
    }

    fn shown_seconds(&self) -> String {
        format!("{:.2} s", self.seconds)
    }
}

#[derive(Debug, Template)]
#[template(path = "report.html")]
struct Page<'a> {
    version: &'static str,
    experiments: &'a [Experiment],
    total: String,
    threads: String,
    /// JSON whose `<` are escaped, so that it can't end the element it stands in.
    json: String,
}

/// The whole page.
pub(super) fn html(experiments: &[Experiment]) -> Result<String, askama::Error> {
    let entries: Vec<Value> = experiments.iter().map(Experiment::json).collect();
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        experiments,
        total: format!("{:.1} s", experiments.iter().map(|e| e.seconds).sum::<f64>()),
        threads: match rayon::current_num_threads() {
            1 => "1 thread".to_owned(),
            n => format!("{n} threads"),
        },
        json: Value::Array(entries).to_string().replace('<', "\\u003c"),
    };
    page.render()
}
