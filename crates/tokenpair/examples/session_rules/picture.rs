//! Draws the picture: two bars for each rule; shorter is better. Plain SVG on white, so that it
//! reads anywhere.

use std::fmt::Write;

use super::world::Outcome;
use super::{Ends, RUNS, Results};

const LEFT: usize = 250;
const BAR: usize = 240;
/// The distance between the left ends of two columns of bars.
const COLUMN: usize = 330;
const TOP: usize = 110;
const ROW: usize = 32;
const GREY: &str = "fill=\"#59636e\"";
const WIDTH: usize = LEFT + COLUMN + BAR + 70;

/// Draws wrong logouts beside undetected thefts.
pub(crate) fn draw(honest: &Results, thefts: &Results) -> String {
    let height = TOP + ROW * honest.rules.len() + 42;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"14\" \
         fill=\"#1f2328\" role=\"img\">\n\
         <title>Rules for refresh tokens: honest people logged out, and thefts not seen</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let said = [
        ("Honest users logged out", honest),
        ("Undetected thefts", thefts),
    ];
    for (column, (title, results)) in said.into_iter().enumerate() {
        heading(&mut svg, LEFT + column * COLUMN, title, results.setting);
    }
    for (index, (wronged, stolen)) in honest.rules.iter().zip(&thefts.rules).enumerate() {
        let middle = TOP + ROW * index + ROW / 2;
        let ours = wronged.rule.starts_with("tokenpair");
        let weight = if ours { "bold" } else { "normal" };
        text(
            &mut svg,
            (LEFT - 12, middle + 5),
            &format!("text-anchor=\"end\" font-weight=\"{weight}\""),
            wronged.rule,
        );
        let logouts = wronged.count(|outcome| *outcome == Outcome::FalseLogout);
        bar(&mut svg, (LEFT, middle), logouts, "#bc4c00");
        bar(&mut svg, (LEFT + COLUMN, middle), unseen(stolen), "#0969da");
    }
    let below = format!("Runs of {RUNS} in which it happened: the shorter the bar, the better.");
    text(&mut svg, (LEFT, height - 14), GREY, &below);
    svg + "</svg>\n"
}

/// Counts thefts that no alarm ended.
fn unseen(ends: &Ends) -> usize {
    ends.count(|outcome| !matches!(outcome, Outcome::Seen(_)))
}

fn heading(svg: &mut String, x: usize, title: &str, setting: &str) {
    text(svg, (x, 30), "font-size=\"17\" font-weight=\"bold\"", title);
    for (line, part) in setting.split(&[';', ',']).enumerate() {
        text(svg, (x, 52 + 20 * line), GREY, part.trim());
    }
}

fn bar(svg: &mut String, (x, middle): (usize, usize), count: usize, colour: &str) {
    let (length, y) = (BAR * count / RUNS, middle - 10);
    line(
        svg,
        &format!("<rect x=\"{x}\" y=\"{y}\" width=\"{length}\" height=\"20\" fill=\"{colour}\"/>"),
    );
    text(
        svg,
        (x + length + 8, middle + 5),
        "font-weight=\"bold\"",
        &count.to_string(),
    );
    line(
        svg,
        &format!(
            "<path d=\"M{x} {}v{ROW}\" stroke=\"#59636e\"/>",
            middle - ROW / 2
        ),
    );
}

fn text(svg: &mut String, (x, y): (usize, usize), attributes: &str, words: &str) {
    line(
        svg,
        &format!("<text x=\"{x}\" y=\"{y}\" {attributes}>{words}</text>"),
    );
}

fn line(svg: &mut String, element: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "{element}");
}
