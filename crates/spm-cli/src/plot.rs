//! Line and scatter plots as SVG. The only module that knows the plotting library.

use kuva::prelude::*;

/// One curve or cloud of points.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    points: Vec<(f64, f64)>,
    label: Option<String>,
    color: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Line(f64),
    Dashed,
    Points(f64),
}

impl Series {
    /// A curve through `points`; points that are not finite are left out.
    pub(crate) fn line(points: impl IntoIterator<Item = (f64, f64)>, color: &'static str) -> Self {
        Self::new(points, color, Kind::Line(2.0))
    }

    /// A thin dashed curve.
    pub(crate) fn dashed(points: impl IntoIterator<Item = (f64, f64)>, color: &'static str) -> Self {
        Self::new(points, color, Kind::Dashed)
    }

    /// A cloud of dots of the given size.
    pub(crate) fn dots(points: impl IntoIterator<Item = (f64, f64)>, color: &'static str, size: f64) -> Self {
        Self::new(points, color, Kind::Points(size))
    }

    /// Names the series in the legend.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    fn new(points: impl IntoIterator<Item = (f64, f64)>, color: &'static str, kind: Kind) -> Self {
        let points = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        Self { points, label: None, color, kind }
    }

    fn into_plot(self) -> Plot {
        match self.kind {
            Kind::Points(size) => {
                let plot = ScatterPlot::new().with_data(self.points).with_color(self.color).with_size(size);
                self.label.map_or(plot.clone(), |l| plot.with_legend(l)).into()
            }
            Kind::Line(_) | Kind::Dashed => {
                let plot = LinePlot::new().with_data(self.points).with_color(self.color);
                let plot = match self.kind {
                    Kind::Line(width) => plot.with_stroke_width(width),
                    _ => plot.with_stroke_width(1.2).with_dashed(),
                };
                self.label.map_or(plot.clone(), |l| plot.with_legend(l)).into()
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Axes {
    Free,
    LogX,
    /// One scale for both.
    Equal,
}

/// Draws the series with axes, labels and a legend.
pub(crate) fn svg(title: &str, x_label: &str, y_label: &str, series: Vec<Series>) -> String {
    draw(title, x_label, y_label, series, Axes::Free)
}

/// As [`svg`], with one scale for both axes, to draw shapes.
pub(crate) fn svg_shape(title: &str, x_label: &str, y_label: &str, series: Vec<Series>) -> String {
    draw(title, x_label, y_label, series, Axes::Equal)
}

/// As [`svg`], with a logarithmic x axis.
pub(crate) fn svg_log_x(title: &str, x_label: &str, y_label: &str, series: Vec<Series>) -> String {
    draw(title, x_label, y_label, series, Axes::LogX)
}

fn draw(title: &str, x_label: &str, y_label: &str, series: Vec<Series>, axes: Axes) -> String {
    let plots: Vec<Plot> =
        series.into_iter().filter(|s| !s.points.is_empty()).map(Series::into_plot).collect();
    let layout = Layout::auto_from_plots(&plots)
        .with_title(title)
        .with_x_label(x_label)
        .with_y_label(y_label)
        .with_width(960.0);
    let layout = match axes {
        Axes::Free => layout.with_height(420.0),
        Axes::LogX => layout.with_height(420.0).with_log_x(),
        Axes::Equal => layout.with_height(720.0).with_equal_aspect(),
    };
    kuva::render_to_svg(plots, layout)
}
