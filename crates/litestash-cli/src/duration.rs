//! Spans of time as people write them: `90s`, `15m`, `1h30m`, `500ms`.

use std::time::Duration;

/// The units, greatest first, with their microseconds.
const UNITS: [(&str, u64); 7] = [
    ("w", 604_800_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Reads whole numbers, each with its unit. The message of a refusal is for the user.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut total: u64 = 0;
    if text.is_empty() {
        return Err(expected());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let Some((_, us)) = UNITS.iter().find(|(name, _)| *name == unit) else { return Err(expected()) };
        if number.is_empty() {
            return Err(expected());
        }
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*us));
        total = part.and_then(|part| total.checked_add(part)).ok_or("that is too long")?;
        rest = after;
    }
    if total == 0 {
        return Err("a time to live is at least 1us".to_owned());
    }
    Ok(Duration::from_micros(total))
}

fn expected() -> String {
    "expected whole numbers with a unit (us, ms, s, m, h, d, w), such as 500ms, 90s, 15m, 1h30m".to_owned()
}

/// In days, hours, minutes and whole seconds, or below a second in finer units: `1h 29m 59s`, `350ms`.
pub(crate) fn for_people(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    let units = if left < 1_000_000 { &UNITS[5..] } else { &UNITS[1..5] };
    for (name, us) in units {
        let number = left / us;
        left %= us;
        if number > 0 {
            parts.push(format!("{number}{name}"));
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// How long something took: `12.3 s`, `412 ms`, `3.1 µs`.
pub(crate) fn taken(duration: Duration) -> String {
    let us = duration.as_secs_f64() * 1e6;
    if us < 100.0 {
        format!("{us:.1} µs")
    } else if us < 10_000.0 {
        format!("{:.1} ms", us / 1e3)
    } else if us < 1e6 {
        format!("{:.0} ms", us / 1e3)
    } else {
        format!("{:.1} s", us / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_units() {
        for (text, us) in [
            ("500ms", 500_000),
            ("90s", 90_000_000),
            ("15m", 900_000_000),
            ("2h", 7_200_000_000),
            ("1d", 86_400_000_000),
            ("1w", 604_800_000_000),
            ("7us", 7),
            ("1h30m", 5_400_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_micros(us)), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in
            ["", "5", "s", "-5s", "1.5h", "5 s", "5S", "5y", "1h30", "0s", "99999999999999999999s", "١s"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("18446744073709551615w").is_err());
    }

    #[test]
    fn shows_what_matters() {
        for (us, text) in [
            (0, "0s"),
            (7, "7us"),
            (350_999, "350ms 999us"),
            (350_000, "350ms"),
            (1_999_999, "1s"),
            (5_399_000_000, "1h 29m 59s"),
            (86_400_000_000, "1d"),
        ] {
            assert_eq!(for_people(Duration::from_micros(us)), text);
        }
    }

    #[test]
    fn shows_how_long_it_took() {
        for (us, text) in [(3, "3.0 µs"), (2_500, "2.5 ms"), (412_000, "412 ms"), (12_300_000, "12.3 s")] {
            assert_eq!(taken(Duration::from_micros(us)), text);
        }
    }
}
