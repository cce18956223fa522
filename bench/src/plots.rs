//! Plots as SVG.

use crate::store::Peer;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (900, 420);
const FONT: (&str, i32) = ("sans-serif", 14);
const TITLE: (&str, i32) = ("sans-serif", 18);

const fn colour(peer: Peer) -> RGBColor {
    match peer {
        Peer::LiteStash => RGBColor(0xd6, 0x27, 0x28),
        Peer::LiteStashUncached => RGBColor(0xe3, 0x77, 0xc2),
        Peer::LiteStashRelaxed => RGBColor(0xff, 0x98, 0x96),
        Peer::Rusqlite => RGBColor(0x1f, 0x77, 0xb4),
        Peer::Lmdb => RGBColor(0x2c, 0xa0, 0x2c),
        Peer::Redb => RGBColor(0xff, 0x7f, 0x0e),
        Peer::Fjall => RGBColor(0x94, 0x67, 0xbd),
    }
}

/// A plot of numbers on a logarithmic axis for some labels.
pub(crate) struct Plot<'a> {
    pub(crate) title: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) labels: Vec<String>,
    pub(crate) series: Vec<(Peer, Vec<f64>)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::combinators::LogCoord<f64>>,
>;

impl Plot<'_> {
    /// A group of bars for each label.
    pub(crate) fn bars(&self, path: &Path) -> Result<()> {
        self.draw(path, |chart, floor| {
            let width = 0.8 / self.series.len() as f64;
            for (place, (peer, values)) in self.series.iter().enumerate() {
                let colour = colour(*peer);
                let bars =
                    values.iter().enumerate().filter(|(_, value)| value.is_finite()).map(|(label, value)| {
                        let left = label as f64 - 0.4 + place as f64 * width;
                        Rectangle::new([(left, floor), (left + width * 0.9, *value)], colour.filled())
                    });
                let drawn = chart.draw_series(bars).map_err(said)?;
                drawn
                    .label(peer.name())
                    .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
            }
            Ok(())
        })
    }

    /// A line for each store.
    pub(crate) fn lines(&self, path: &Path) -> Result<()> {
        self.draw(path, |chart, _| {
            for (peer, values) in &self.series {
                let colour = colour(*peer);
                let points: Vec<_> =
                    values.iter().enumerate().map(|(label, value)| (label as f64, *value)).collect();
                let dots = points.iter().map(|&point| Circle::new(point, 3, colour.filled()));
                chart.draw_series(dots).map_err(said)?;
                let line =
                    chart.draw_series(LineSeries::new(points, colour.stroke_width(2))).map_err(said)?;
                line.label(peer.name())
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 12, y)], colour.stroke_width(2)));
            }
            Ok(())
        })
    }

    fn draw(&self, path: &Path, series: impl FnOnce(&mut Chart<'_, '_>, f64) -> Result<()>) -> Result<()> {
        let area: Area<'_> = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(said)?;
        let values =
            || self.series.iter().flat_map(|(_, values)| values).copied().filter(|value| value.is_finite());
        let floor = 10_f64.powf((values().fold(f64::INFINITY, f64::min) * 0.8).log10().floor());
        let top = values().fold(0.0, f64::max) * 2.0;
        // The legend stands beside the data.
        let right = self.labels.len() as f64 * 1.25 - 0.5;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, TITLE)
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d(-0.5..right, (floor..top).log_scale())
            .map_err(said)?;
        let label = |at: &f64| {
            let whole = (at - at.round()).abs() < 0.01 && *at > -0.1;
            let name = if whole { self.labels.get(at.round() as usize) } else { None };
            name.cloned().unwrap_or_default()
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(BLACK.mix(0.05))
            .bold_line_style(BLACK.mix(0.15))
            .x_labels(3 * self.labels.len())
            .x_label_formatter(&label)
            .y_label_formatter(&|value| number(*value))
            .y_desc(self.unit)
            .label_style(FONT)
            .draw()
            .map_err(said)?;
        series(&mut chart, floor)?;
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font(FONT)
            .draw()
            .map_err(said)?;
        area.present().map_err(said)
    }
}

fn number(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// The backend's errors borrow from it.
fn said(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("plot: {error}")
}
