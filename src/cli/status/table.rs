//! A table that fits: what does not is cut, and columns that people can do
//! without are left out. No line is ever wrapped.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: usize = 2;

/// What is known of a column beforehand.
pub(super) struct Column {
    pub head: &'static str,
    /// The higher, the sooner it is left out; 0: never.
    pub expendable: u8,
    /// To how much it may be cut; `None`: it is never cut.
    pub least: Option<usize>,
    /// What is cut is the beginning, not the end.
    pub cut_left: bool,
    /// Where all of its cells are empty it is left out on a terminal.
    pub optional: bool,
}

/// Text, and how it looks on a terminal.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub text: String,
    pub style: Style,
}

/// A line of the table.
pub(super) enum Row {
    /// A cell for each column.
    Cells(Vec<Cell>),
    /// The first column's cell, and a text instead of all others.
    Said(Cell, Cell),
}

impl Row {
    fn cell(&self, at: usize) -> Option<&Cell> {
        match self {
            Self::Cells(cells) => cells.get(at),
            Self::Said(first, _) => (at == 0).then_some(first),
        }
    }
}

/// The lines of a table; `width`: the terminal's, or `None` for all there is.
/// Empty cells are dashes.
pub(super) fn lines(columns: &[Column], rows: &[Row], width: Option<usize>) -> Vec<String> {
    let shown = choose(columns, rows, width);
    let mut lines = Vec::with_capacity(rows.len() + 1);
    let heads = shown.iter().map(|(at, wide)| {
        let text = columns[*at].head.to_owned();
        (Cell { text, style: Style::new().bold() }, *wide, false)
    });
    lines.push(line(heads));
    for row in rows {
        match row {
            Row::Cells(cells) => {
                lines.push(line(shown.iter().map(|(at, wide)| {
                    let cell = match cells.get(*at) {
                        Some(cell) if !cell.text.is_empty() => cell.clone(),
                        _ => Cell { text: "-".into(), style: Style::new().dimmed() },
                    };
                    (cell, *wide, columns[*at].cut_left)
                })));
            }
            Row::Said(first, said) => {
                let wide = shown.first().map_or(0, |(_, wide)| *wide);
                let left = width.map_or(usize::MAX, |width| width.saturating_sub(wide + GAP));
                let parts = [(first.clone(), wide, false), (said.clone(), left, false)];
                lines.push(line(parts.into_iter().filter(|(_, wide, _)| *wide > 0)));
            }
        }
    }
    lines
}

/// The columns that are shown, by number, and how wide.
fn choose(columns: &[Column], rows: &[Row], width: Option<usize>) -> Vec<(usize, usize)> {
    let natural = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.cell(at)).map(|cell| cell.text.width().max(1));
        cells.chain([columns[at].head.width()]).max().unwrap_or_default()
    };
    let is_empty = |at: usize| rows.iter().filter_map(|row| row.cell(at)).all(|cell| cell.text.is_empty());
    let mut shown: Vec<(usize, usize)> = (0..columns.len()).map(|at| (at, natural(at))).collect();
    let Some(width) = width else { return shown };
    shown.retain(|(at, _)| !(columns[*at].optional && is_empty(*at)));
    let least = |(at, wide): &(usize, usize)| columns[*at].least.map_or(*wide, |least| least.min(*wide));
    let gaps = |shown: &[(usize, usize)]| GAP * shown.len().saturating_sub(1);
    while shown.iter().map(least).sum::<usize>() + gaps(&shown) > width {
        let expendable = |(at, _): &&(usize, usize)| columns[*at].expendable;
        match shown.iter().max_by_key(expendable).copied() {
            Some((at, _)) if columns[at].expendable > 0 => shown.retain(|(other, _)| *other != at),
            _ => break,
        }
    }
    // What people can most easily do without is cut first.
    let mut order: Vec<usize> = (0..shown.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(columns[shown[*at].0].expendable));
    for at in order {
        let total = shown.iter().map(|(_, wide)| wide).sum::<usize>() + gaps(&shown);
        let too_much = total.saturating_sub(width);
        let least = least(&shown[at]);
        shown[at].1 = shown[at].1.saturating_sub(too_much).max(least);
    }
    // Narrower than any table.
    for (_, wide) in &mut shown {
        *wide = (*wide).min(width);
    }
    shown
}

/// Cells with their widths; the last one is not filled up.
fn line(cells: impl Iterator<Item = (Cell, usize, bool)>) -> String {
    let mut line = String::new();
    let mut cells = cells.peekable();
    while let Some((cell, wide, cut_left)) = cells.next() {
        let text = cut(&cell.text, wide, cut_left);
        line.push_str(&format!("{}{text}{:#}", cell.style, cell.style));
        if cells.peek().is_some() {
            let fill = wide.saturating_sub(text.width()) + GAP;
            line.extend(std::iter::repeat_n(' ', fill));
        }
    }
    line
}

/// `text` in so many columns of a terminal.
pub(super) fn cut(text: &str, wide: usize, from_left: bool) -> String {
    if text.width() <= wide {
        return text.to_owned();
    }
    let mut left = wide.saturating_sub(1);
    let fits = |letter: &char| {
        let of_letter = letter.width().unwrap_or(0);
        let fits = of_letter <= left;
        left = left.saturating_sub(of_letter);
        fits
    };
    if wide == 0 {
        return String::new();
    }
    if from_left {
        let kept: Vec<char> = text.chars().rev().take_while(fits).collect();
        return std::iter::once('…').chain(kept.into_iter().rev()).collect();
    }
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: [Column; 4] = [
        Column { head: "NAME", expendable: 0, least: Some(4), cut_left: false, optional: false },
        Column { head: "NUMBER", expendable: 1, least: None, cut_left: false, optional: false },
        Column { head: "MAYBE", expendable: 2, least: None, cut_left: false, optional: true },
        Column { head: "PATH", expendable: 3, least: Some(8), cut_left: true, optional: false },
    ];

    fn rows(cells: &[[&str; 4]]) -> Vec<Row> {
        let cell = |text: &&str| Cell { text: (*text).to_owned(), style: Style::new() };
        cells.iter().map(|cells| Row::Cells(cells.iter().map(cell).collect())).collect()
    }

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn what_is_not_needed_goes_first() {
        let mut rows = rows(&[["application", "7", "", "/home/user/src/application"]]);
        let said = |text: &str| Cell { text: text.to_owned(), style: Style::new() };
        rows.push(Row::Said(said("gone"), said("there is no repository any more")));
        let at = |width| plain(&lines(&COLUMNS, &rows, width)).join("\n");
        assert_eq!(
            at(None),
            "NAME         NUMBER  MAYBE  PATH\n\
             application  7       -      /home/user/src/application\n\
             gone         there is no repository any more"
        );
        assert_eq!(
            at(Some(40)),
            "NAME         NUMBER  PATH\n\
             application  7       …er/src/application\n\
             gone         there is no repository any…"
        );
        assert_eq!(at(Some(20)), "NAME         NUMBER\napplication  7\ngone         there …");
        assert_eq!(at(Some(12)), "NAME  NUMBER\napp…  7\ngone  there…");
        assert_eq!(at(Some(6)), "NAME\nappli…\ngone");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            cells in proptest::collection::vec(proptest::array::uniform4("[a-z漢é ]{0,30}"), 0..5),
            width in 1_usize..100,
        ) {
            let cells: Vec<[&str; 4]> =
                cells.iter().map(|row| [&*row[0], &*row[1], &*row[2], &*row[3]]).collect();
            for line in plain(&lines(&COLUMNS, &rows(&cells), Some(width))) {
                // Of columns that are never cut one may be left.
                prop_assert!(line.width() <= width, "{line:?}");
            }
        }

        #[test]
        fn what_is_cut_has_its_width(text in "[a-z漢é]{0,20}", wide in 0_usize..20, from_left: bool) {
            let cut = cut(&text, wide, from_left);
            prop_assert!(cut.width() <= wide);
            prop_assert!(text.width() > wide || cut == text);
        }
    }
}
