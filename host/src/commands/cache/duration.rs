//! Durations as people write and read them: `90s`, `12h`, `3d 4h`.

use std::time::Duration;

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// Reads a whole number with a unit: `30s`, `15m`, `12h` or `7d`.
///
/// # Errors
/// If it is anything else.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let seconds = UNITS.iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(*seconds)
    });
    let expected = "expected a number with a unit, like 30s, 15m, 12h or 7d";
    seconds.map(Duration::from_secs).ok_or_else(|| expected.to_owned())
}

/// The two largest units, e.g. `1h 5m`.
pub(super) fn display(seconds: u64) -> String {
    let first = UNITS.iter().position(|(_, size)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let (unit, size) = UNITS[first];
    let rest = seconds % size;
    let next = UNITS.get(first + 1).filter(|(_, size)| rest >= *size);
    let next = next.map_or(String::new(), |(unit, size)| format!(" {}{unit}", rest / size));
    format!("{}{unit}{next}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        for (text, seconds) in [("0s", 0), ("30s", 30), ("15m", 900), ("12h", 43_200)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
        }
        assert_eq!(parse("7d"), Ok(Duration::from_secs(604_800)));
        for text in ["", "5", "d", "-1s", "+1s", "1.5h", "1 h", "1w", "1H", "1h5m", "1µs"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse("18446744073709551615d").is_err());
    }

    #[test]
    fn two_units_are_shown() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m 59s"),
            (3600, "1h"),
            (3601, "1h"),
            (3660, "1h 1m"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(display(seconds), expected);
        }
    }
}
