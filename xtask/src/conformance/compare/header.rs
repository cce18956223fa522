//! The header of an SQLite file, field by field
//! (<https://www.sqlite.org/fileformat2.html#the_database_header>).

/// Name, offset and length of each field.
const FIELDS: &[(&str, usize, usize)] = &[
    ("magic", 0, 16),
    ("page size", 16, 2),
    ("write version", 18, 1),
    ("read version", 19, 1),
    ("reserved bytes of a page", 20, 1),
    ("payload fractions", 21, 3),
    ("change counter", 24, 4),
    ("pages", 28, 4),
    ("first freelist page", 32, 4),
    ("freelist pages", 36, 4),
    ("schema cookie", 40, 4),
    ("schema format", 44, 4),
    ("default cache size", 48, 4),
    ("largest root page (auto-vacuum)", 52, 4),
    ("text encoding", 56, 4),
    ("user_version", 60, 4),
    ("incremental vacuum", 64, 4),
    ("application_id", 68, 4),
    ("reserved", 72, 20),
    ("version-valid-for", 92, 4),
    ("SQLite version", 96, 4),
];

/// Bytes of the header.
pub(super) const BYTES: usize = 100;

pub(super) fn differences(expected: &[u8], got: &[u8]) -> Vec<String> {
    let (Some(old), Some(new)) = (expected.get(..BYTES), got.get(..BYTES)) else {
        let lengths = format!("{} and {} bytes", expected.len(), got.len());
        return if expected == got { Vec::new() } else { vec![format!("no header to compare: {lengths}")] };
    };
    let mut lines = Vec::new();
    for (name, offset, length) in FIELDS {
        let (old, new) = (&old[*offset..offset + length], &new[*offset..offset + length]);
        if old != new {
            let range = format!("{offset}-{}", offset + length - 1);
            lines.push(format!(
                "header {name} (bytes {range}): expected {}, got {}",
                number(old),
                number(new)
            ));
        }
    }
    lines
}

/// Big-endian numbers as such, all else in hexadecimal.
fn number(field: &[u8]) -> String {
    if field.len() <= 4 {
        field.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)).to_string()
    } else {
        field.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_cover_the_header_without_gaps() {
        let end = FIELDS.iter().fold(0, |at, (name, offset, length)| {
            assert_eq!(at, *offset, "{name}");
            at + length
        });
        assert_eq!(end, BYTES);
    }

    #[test]
    fn a_changed_field_is_named() {
        let old = [0; BYTES];
        for (byte, name) in
            [(27, "change counter"), (64, "incremental vacuum"), (99, "SQLite version"), (0, "magic")]
        {
            let mut new = old;
            new[byte] = 3;
            let lines = differences(&old, &new);
            assert!(lines.len() == 1 && lines[0].contains(name), "{lines:?}");
        }
        assert!(differences(&old, &old).is_empty());
    }
}
