//! What a cell stands for.

use litestash_core::contract::interchange::value_from_json;
use litestash_core::{Result, Value};

/// How cells are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cells {
    /// As text.
    Text,
    /// As integer, float, boolean or nil where they look like one, else as text.
    Infer,
    /// As JSON.
    Json,
}

impl Cells {
    pub(super) fn value(self, cell: &str) -> Result<Value> {
        match self {
            Self::Text => Ok(Value::from(cell)),
            Self::Infer => Ok(infer(cell)),
            Self::Json => value_from_json(cell),
        }
    }
}

/// A number is what JSON takes for one, so `007`, `+5` and ` 5` stay text, as do integers beyond 64 bits.
fn infer(cell: &str) -> Value {
    match cell {
        "" => Value::Nil,
        "true" | "TRUE" | "True" => Value::Bool(true),
        "false" | "FALSE" | "False" => Value::Bool(false),
        _ => {
            let like_a_number = cell.starts_with(|c: char| c == '-' || c.is_ascii_digit())
                && cell.ends_with(|c: char| c.is_ascii_digit());
            let number = like_a_number.then(|| value_from_json(cell).ok()).flatten();
            number.unwrap_or_else(|| Value::from(cell))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_inferred_only_where_nothing_is_lost() {
        for (cell, value) in [
            ("", Value::Nil),
            ("true", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("0", Value::Int(0)),
            ("-12", Value::Int(-12)),
            ("18446744073709551615", Value::Uint(u64::MAX)),
            ("1.50", Value::Float(1.5)),
            ("-1e3", Value::Float(-1000.0)),
        ] {
            assert_eq!(infer(cell), value, "{cell}");
        }
        for text in [
            "007",
            "+5",
            " 5",
            "5 ",
            "1,5",
            ".5",
            "5.",
            "nan",
            "inf",
            "1e999",
            "0x10",
            "18446744073709551616",
            "2026-01-02",
            "yes",
            "null",
            "1 2",
            "--1",
        ] {
            assert_eq!(infer(text), Value::from(text), "{text}");
        }
    }

    #[test]
    fn json_cells_are_json() {
        assert_eq!(Cells::Json.value("[1]").unwrap(), Value::Array(vec![Value::Int(1)]));
        assert!(Cells::Json.value("").is_err());
        assert_eq!(Cells::Text.value("5").unwrap(), Value::from("5"));
    }
}
