//! A bar chart as SVG, readable on light and dark pages.

use std::fmt::Write;

const LABEL_WIDTH: f64 = 250.0;
const BAR_WIDTH: f64 = 430.0;
const NOTE_WIDTH: f64 = 200.0;
const ROW_HEIGHT: f64 = 26.0;
const BAR_HEIGHT: f64 = 16.0;
const TOP: f64 = 48.0;
const MARGIN: f64 = 16.0;

/// One bar.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    /// Behind the value.
    pub(super) note: String,
    pub(super) is_ours: bool,
}

/// A chart of bars below each other, from zero.
pub(super) fn svg(title: &str, bars: &[Bar]) -> String {
    let width = MARGIN * 2.0 + LABEL_WIDTH + BAR_WIDTH + NOTE_WIDTH;
    let height = TOP + ROW_HEIGHT * bars.len() as f64 + MARGIN;
    let longest = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
    let title = escape(title);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{title}">
<style>
text {{ font: 13px system-ui, sans-serif; fill: #1f2328 }}
.page {{ fill: #ffffff }} .title {{ font-weight: 600; font-size: 15px }} .ours {{ fill: #0969da }} .theirs {{ fill: #8c959f }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .page {{ fill: #0d1117 }} .ours {{ fill: #4493f8 }} .theirs {{ fill: #6e7681 }} }}
</style>
<rect class="page" width="{width}" height="{height}" rx="6"/>
<text class="title" x="{MARGIN}" y="28">{title}</text>
"#
    );
    for (position, bar) in bars.iter().enumerate() {
        let y = TOP + ROW_HEIGHT * position as f64;
        let baseline = y + BAR_HEIGHT - 3.5;
        let left = MARGIN + LABEL_WIDTH;
        let length = (bar.value / longest * BAR_WIDTH).max(1.0);
        let class = if bar.is_ours { "ours" } else { "theirs" };
        let label = escape(&bar.label);
        let note = if bar.note.is_empty() { String::new() } else { format!(" = {}", bar.note) };
        let value = escape(&format!("{:.0}{note}", bar.value));
        let (label_end, value_start) = (left - 8.0, left + length + 6.0);
        let _ = writeln!(
            svg,
            r#"<text x="{label_end}" y="{baseline}" text-anchor="end">{label}</text><rect class="{class}" x="{left}" y="{y}" width="{length:.1}" height="{BAR_HEIGHT}" rx="2"/><text x="{value_start:.1}" y="{baseline}">{value}</text>"#
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
