//! Figures as people read them.

use std::time::Duration;

/// Three digits and a unit: `980 ns`, `1.23 µs`, `12.3 ms`, `4.50 min`.
pub(super) fn brief(duration: Duration) -> String {
    const UNITS: [(f64, &str, f64); 7] = [
        (1e0, "ns", 999.5),
        (1e3, "µs", 999.5),
        (1e6, "ms", 999.5),
        (1e9, "s", 59.95),
        (60e9, "min", 59.95),
        (3_600e9, "h", 23.95),
        (86_400e9, "d", f64::INFINITY),
    ];
    let nanos = duration.as_nanos() as f64;
    for (unit, name, limit) in UNITS {
        let value = nanos / unit;
        if value < limit {
            let digits = match value {
                _ if unit == 1.0 => 0,
                _ if value < 9.995 => 2,
                _ if value < 99.95 => 1,
                _ => 0,
            };
            return format!("{value:.digits$} {name}");
        }
    }
    String::new()
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_in_a_fitting_unit() {
        for (nanos, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (9_996, "10.0 µs"),
            (123_456, "123 µs"),
            (999_600, "1.00 ms"),
            (12_340_000, "12.3 ms"),
            (59_940_000_000, "59.9 s"),
            (59_960_000_000, "1.00 min"),
            (5_400_000_000_000, "1.50 h"),
            (36_000_000_000_000, "10.0 h"),
            (4_000 * 86_400_000_000_000, "4000 d"),
        ] {
            assert_eq!(brief(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
