//! The spread of rows over shards and tables, drawn with block characters.

use crate::style::Style;
use crate::units;
use litestash_core::{Stats, limits};

/// Width of the longest bar, in cells.
const WIDTH: usize = 30;

const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `value` of `max` in eighths of `width` cells, rounded down, but never nothing for something.
fn eighths(value: u64, max: u64, width: usize) -> usize {
    let whole = width as u128 * 8;
    let part = (u128::from(value) * whole).checked_div(u128::from(max)).unwrap_or(0).min(whole) as usize;
    if value > 0 { part.max(1) } else { 0 }
}

/// A bar for `value`, where `max` fills `width` cells; padded to `width`.
fn bar(value: u64, max: u64, width: usize) -> String {
    let eighths = eighths(value, max, width);
    let mut bar: String = std::iter::repeat_n(EIGHTHS[8], eighths / 8).collect();
    let mut cells = eighths / 8;
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
        cells += 1;
    }
    bar.extend(std::iter::repeat_n(' ', width - cells));
    bar
}

/// A single cell whose height is that of `value` among `max`.
fn level(value: u64, max: u64) -> char {
    LEVELS[eighths(value, max, 1)]
}

/// One line for each of the sixteen shards: rows, their bar, and its four tables.
pub(crate) fn spread(stats: &Stats, style: Style) -> String {
    let rows_of = |shard: &litestash_core::ShardStats| shard.slots.iter().map(|slot| slot.rows).sum::<u64>();
    let most = stats.shards.iter().map(rows_of).max().unwrap_or(0);
    let most_in_table =
        stats.shards.iter().flat_map(|shard| &shard.slots).map(|slot| slot.rows).max().unwrap_or(0);
    let wide = units::count(most).len().max("rows".len());
    let wide_table = units::count(most_in_table).len();
    let tables_wide = limits::SLOTS * (wide_table + 3);
    let mut text = style.dim(format_args!(
        "shard  {:>wide$}  {:WIDTH$}  {:<tables_wide$}  {:>9}",
        "rows", "", "tables 0 to 3", "files"
    ));
    text.push('\n');
    for number in 0..limits::SHARDS {
        let Some(shard) = stats.shards.iter().find(|shard| usize::from(shard.shard) == number) else {
            text.push_str(&style.dim(format_args!("    {number:x}  {:>wide$}", "-")));
            text.push('\n');
            continue;
        };
        let rows = rows_of(shard);
        let tables: String = shard
            .slots
            .iter()
            .map(|slot| {
                let level = style.green(level(slot.rows, most_in_table));
                format!("{level} {:<wide_table$} ", units::count(slot.rows))
            })
            .collect();
        let line = format!(
            "    {number:x}  {:>wide$}  {}  {tables}  {:>9}",
            units::count(rows),
            style.cyan(bar(rows, most, WIDTH)),
            units::bytes(shard.file_bytes + shard.wal_bytes)
        );
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_by_eighths_and_keep_their_width() {
        assert_eq!(bar(0, 8, 2), "  ");
        assert_eq!(bar(8, 8, 2), "██");
        assert_eq!(bar(4, 8, 2), "█ ");
        assert_eq!(bar(5, 8, 2), "█▎");
        assert_eq!(bar(1, 1_000_000, 2), "▏ ");
        assert_eq!(bar(0, 0, 2), "  ");
        assert_eq!(bar(u64::MAX, u64::MAX, 1), "█");
        for value in 0..=100 {
            assert_eq!(bar(value, 100, 7).chars().count(), 7);
        }
    }

    #[test]
    fn levels_show_something_for_something() {
        assert_eq!((level(0, 9), level(1, 900), level(9, 9)), (' ', '▁', '█'));
    }

    #[test]
    fn the_spread_has_a_line_for_every_shard() {
        let stash = litestash_core::LiteStash::memory().unwrap();
        for number in 0..300 {
            stash.set(number, &number).unwrap();
        }
        let style = Style::new(crate::style::ColorChoice::Never, false);
        let text = spread(&stash.stats().unwrap(), style);
        assert_eq!(text.lines().count(), 17);
        let empty = spread(&litestash_core::LiteStash::memory().unwrap().stats().unwrap(), style);
        assert_eq!(empty.lines().count(), 17);
    }
}
