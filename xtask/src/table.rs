//! Tables for the terminal.

/// The rows with their cells in columns; the first row is the head. The last cell of a
/// shorter row may run over.
pub(crate) fn render(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let rows = rows.iter().filter(|row| column + 1 < row.len() || row.len() == columns);
        rows.filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        if index == 0 {
            let rules: Vec<_> = widths.iter().map(|&width| "-".repeat(width)).collect();
            text.push_str(&rules.join("  "));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_in_columns() {
        let rows = [["step", "s"], ["tidy", "12"], ["é", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(render(&rows), "step  s\n----  --\ntidy  12\né\n");
        let rows = [vec!["a", "b", "c"], vec!["1", "long reason"]]
            .map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(render(&rows), "a  b  c\n-  -  -\n1  long reason\n");
    }
}
