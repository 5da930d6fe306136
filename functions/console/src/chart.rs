//! Charts: SVG made here, each with its table. Without styles of their own, which the pages' policy refuses: what they look like stands in
//! the stylesheet.

use maud::{Markup, html};

use crate::frame::{Frame, grouped, percent};

/// The size of the chart of hours, in its own units.
const WIDTH: u64 = 480;
const HEIGHT: u64 = 118;
/// What is left below the bars for the hours' names, and above them for the most: a phone's letters are larger.
const FOOT: u64 = 18;
const HEAD: u64 = 18;

/// How many calls there were in each hour of the day.
pub(crate) fn hours(frame: &Frame<'_>, counts: &[u64]) -> Markup {
    let w = frame.words;
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let first_most = (0..).zip(counts).find(|(_, count)| **count == most).map(|(hour, _)| hour);
    let step = WIDTH / 24;
    let height = |count: u64| if count == 0 { 0 } else { (count * (HEIGHT - FOOT - HEAD) / most).max(2) };
    html! {
        figure.chart {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(w.by_hour) {
                line.axis x1="0" x2=(WIDTH) y1=(HEIGHT - FOOT) y2=(HEIGHT - FOOT) {}
                @for (hour, count) in (0..).zip(counts.iter().copied()) {
                    @let tall = height(count);
                    @if tall > 0 {
                        rect.bar x=(hour * step + 2) width=(step - 4) y=(HEIGHT - FOOT - tall) height=(tall) rx="1.5" {
                            title { (format!("{hour:02}:00 · {}", grouped(count))) }
                        }
                    }
                    // One tells the scale. Others beside it would stand over each other.
                    @if first_most == Some(hour) {
                        text.value x=(hour * step + step / 2) y=(HEIGHT - FOOT - tall - 3) { (grouped(count)) }
                    }
                    @if hour % 3 == 0 { text x=(hour * step + step / 2) y=(HEIGHT - 3) { (format!("{hour:02}")) } }
                }
            }
            details {
                summary { (w.table) }
                table.data {
                    caption.hidden { (w.by_hour) }
                    thead { tr { th scope="col" { (w.hour) } th.number scope="col" { (w.count) } } }
                    tbody {
                        @for (hour, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                            tr { th scope="row" { (format!("{hour:02}:00–{:02}:00", hour + 1)) } td.number { (grouped(*count)) } }
                        }
                    }
                }
            }
        }
    }
}

/// A row of a chart of shares.
pub(crate) struct Share {
    pub(crate) name: String,
    /// What is to be known of the name beside.
    pub(crate) title: Option<String>,
    pub(crate) count: u64,
    /// Where the calls are.
    pub(crate) href: Option<String>,
}

/// How a whole is divided: a table whose rows have bars. `of` names the first column.
pub(crate) fn shares(frame: &Frame<'_>, caption: &str, of: &str, rows: &[Share], whole: u64) -> Markup {
    let w = frame.words;
    let most = rows.iter().map(|row| row.count).max().unwrap_or(0).max(1);
    html! {
        @if rows.is_empty() { p.blank { (w.none) } } @else {
            table.shares {
                caption.hidden { (caption) }
                thead.hidden {
                    tr { th scope="col" { (of) } th scope="col" { (caption) } th scope="col" { (w.count) } th scope="col" { (w.share) } }
                }
                tbody {
                    @for Share { name, title, count, href } in rows {
                        tr {
                            th scope="row" title=[title] {
                                @match href { Some(href) => a href=(href) { (name) }, None => (name) }
                            }
                            td.bars {
                                svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                                    rect.track width="100" height="8" {}
                                    rect.bar width=(format!("{:.1}", *count as f64 * 100.0 / most as f64)) height="8" {}
                                }
                            }
                            td.number { (grouped(*count)) }
                            td.number.quiet { (percent(*count, whole)) }
                        }
                    }
                }
            }
        }
    }
}
