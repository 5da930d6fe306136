//! What was measured, as tables to read and as JSON.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table as Printed};
use serde::Serialize;

/// What a run of the benchmark came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The machine: its processor and how many cores it has.
    pub(super) machine: String,
    /// The parts, in the order in which they ran.
    pub(super) sections: Vec<Section>,
}

/// One part of the benchmark.
#[derive(Debug, Default, Serialize)]
pub(super) struct Section {
    /// Its name, as `--only` knows it.
    pub(super) name: &'static str,
    /// What was measured.
    pub(super) tables: Vec<Table>,
    /// What it comes to.
    pub(super) ratios: Vec<Ratio>,
    /// How to read it, and what it doesn't say.
    pub(super) notes: Vec<String>,
}

/// Measurements of several things in the same figures.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    /// What is measured.
    pub(super) title: String,
    /// The figures, each with its unit.
    pub(super) columns: Vec<String>,
    /// The things, each with its figures; none where there is nothing to measure.
    pub(super) rows: Vec<(String, Vec<Option<f64>>)>,
}

/// One measurement by another.
#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    /// What by what.
    pub(super) what: String,
    /// How many times the other it is.
    pub(super) value: f64,
    /// The bound it has to keep, if any.
    pub(super) bound: Option<Bound>,
}

/// A bound, inclusive.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl Report {
    /// Writes it to be read.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.machine)?;
        for section in &self.sections {
            writeln!(out, "\n== {}", section.name)?;
            for table in &section.tables {
                writeln!(out, "\n{}\n{}", table.title, table.printed())?;
            }
            if !section.ratios.is_empty() {
                writeln!(out, "\n{}", ratios(&section.ratios))?;
            }
            for note in &section.notes {
                writeln!(out, "- {note}")?;
            }
        }
        Ok(())
    }
}

impl Table {
    /// A table without rows yet.
    pub(super) fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { title: title.into(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, what: impl Into<String>, figures: impl IntoIterator<Item = Option<f64>>) {
        self.rows.push((what.into(), figures.into_iter().collect()));
    }

    fn printed(&self) -> Printed {
        let mut printed = printed();
        printed.set_header(std::iter::once("").chain(self.columns.iter().map(String::as_str)));
        for (what, figures) in &self.rows {
            let figures = figures.iter().map(|figure| figure.map(readable).unwrap_or_default());
            printed.add_row(std::iter::once(what.clone()).chain(figures));
        }
        for column in printed.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        printed
    }
}

fn ratios(ratios: &[Ratio]) -> Printed {
    let mut printed = printed();
    printed.set_header(["ratio", "times", "bound", ""]);
    for ratio in ratios {
        let bound = match ratio.bound {
            Some(Bound::AtMost(most)) => format!("at most {most}"),
            Some(Bound::AtLeast(least)) => format!("at least {least}"),
            None => String::new(),
        };
        let verdict = ratio.bound.map(|bound| if bound.holds(ratio.value) { "kept" } else { "broken" });
        printed.add_row([
            ratio.what.clone(),
            readable(ratio.value),
            bound,
            verdict.unwrap_or_default().to_owned(),
        ]);
    }
    printed
}

fn printed() -> Printed {
    let mut table = Printed::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A figure with as many digits as it is worth.
fn readable(figure: f64) -> String {
    match figure.abs() {
        large if large >= 100.0 => format!("{figure:.0}"),
        medium if medium >= 10.0 => format!("{figure:.1}"),
        _ if figure.fract() == 0.0 => format!("{figure:.0}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_which_bounds_are_kept() {
        let ratio = |what: &str, value, bound| Ratio { what: what.to_owned(), value, bound };
        let mut table = Table::new("pushes", &["ms", "requests"]);
        table.row("one", [Some(1.234), Some(2.0)]);
        table.row("none", [None, Some(0.0)]);
        let section = Section {
            name: "warm",
            tables: vec![table],
            ratios: vec![
                ratio("on it", 1.5, Some(Bound::AtMost(1.5))),
                ratio("over it", 1.51, Some(Bound::AtMost(1.5))),
                ratio("under it", 0.79, Some(Bound::AtLeast(0.8))),
                ratio("free", 7.0, None),
            ],
            notes: vec!["a note".to_owned()],
        };
        let report = Report { machine: "a machine".to_owned(), sections: vec![section] };
        let mut text = Vec::new();
        report.write(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = |what: &str| text.lines().find(|line| line.contains(what)).unwrap();
        assert!(line("on it").contains("kept"), "{text}");
        assert!(line("over it").contains("broken"), "{text}");
        assert!(line("under it").contains("broken"), "{text}");
        assert!(!line("free").contains("kept"), "{text}");
        assert!(line("one").contains("1.23") && line("one").contains(" 2 "), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["sections"][0]["ratios"][0]["bound"]["at_most"], 1.5);
        assert_eq!(json["sections"][0]["tables"][0]["rows"][0][1][0], 1.234);
    }
}
