//! Exact decimal numbers for money: what a JSON number says, digit for digit. Knows nothing of steps.
//! Invariant: the scale is at most `DIGITS_MAX`, and the mantissa is not `i128::MIN`, so that every number
//! has its negative and any two can be compared.

use std::cmp::Ordering;
use std::fmt::{self, Display};
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Digits before and behind the point together: what 128 bits hold.
const DIGITS_MAX: u32 = 38;

/// An exact decimal number. `0.1 + 0.2` is `0.3`, and `12.10` stays `12.10`.
///
/// Reads a JSON number (`12.10`, `1e3`) or a text with one in it (`"12.10"`), writes a JSON number. Equal and ordered
/// by value: `1.0 == 1.00`. It reads the number's own characters, so it works in structs, lists and maps, but not
/// below `#[serde(flatten)]` or in untagged enums, where serde has already made a float of them.
///
/// ```
/// # use saga_step::Decimal;
/// let price: Decimal = "0.1".parse()?;
/// assert_eq!((price + "0.2".parse()?).to_string(), "0.3");
/// # Ok::<(), saga_step::decimal::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Decimal {
    /// The number times ten to the power of `scale`.
    mantissa: i128,
    scale: u32,
}

/// The text is no decimal number, or has more than 38 digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    text: String,
}

impl Decimal {
    /// Nought.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// An amount in its smallest unit: 1210 with scale 2 is 12.10. None if the scale is above 38.
    pub fn from_units(units: i128, scale: u32) -> Option<Self> {
        (scale <= DIGITS_MAX && units != i128::MIN).then_some(Self { mantissa: units, scale })
    }

    /// The sum; none if it has too many digits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let mantissa = self.units_at(scale)?.checked_add(other.units_at(scale)?)?;
        Self::from_units(mantissa, scale)
    }

    /// The difference; none if it has too many digits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(-other)
    }

    /// Above nought.
    pub fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    /// Below nought.
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    fn units_at(self, scale: u32) -> Option<i128> {
        self.mantissa.checked_mul(10_i128.checked_pow(scale - self.scale)?)
    }

    /// What stands before the point, and what stands behind it written with `DIGITS_MAX` digits.
    fn parts(self) -> (i128, i128) {
        let unit = 10_i128.pow(self.scale);
        (self.mantissa / unit, self.mantissa % unit * 10_i128.pow(DIGITS_MAX - self.scale))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// # Panics
/// If the sum has more than 38 digits: bound what comes in, or use [`Decimal::checked_add`].
impl Add for Decimal {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.checked_add(other).expect("the sum of two decimals has at most 38 digits")
    }
}

/// # Panics
/// If the difference has more than 38 digits: bound what comes in, or use [`Decimal::checked_sub`].
impl Sub for Decimal {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.checked_sub(other).expect("the difference of two decimals has at most 38 digits")
    }
}

impl AddAssign for Decimal {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Decimal {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Decimal {
    type Output = Self;

    fn neg(self) -> Self {
        Self { mantissa: -self.mantissa, scale: self.scale }
    }
}

impl From<i64> for Decimal {
    fn from(whole: i64) -> Self {
        Self { mantissa: whole.into(), scale: 0 }
    }
}

impl From<u32> for Decimal {
    fn from(whole: u32) -> Self {
        Self { mantissa: whole.into(), scale: 0 }
    }
}

impl Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let behind = self.scale as usize;
        let text = if behind == 0 {
            digits
        } else {
            let digits = format!("{digits:0>width$}", width = behind + 1);
            let (whole, fraction) = digits.split_at(digits.len() - behind);
            format!("{whole}.{fraction}")
        };
        f.pad_integral(self.mantissa >= 0, "", &text)
    }
}

impl FromStr for Decimal {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text).ok_or_else(|| ParseError { text: text.chars().take(64).collect() })
    }
}

fn parse(text: &str) -> Option<Decimal> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (digits, ""),
    };
    if whole.is_empty() {
        return None;
    }
    let mut mantissa = 0_i128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
    if scale < 0 {
        let factor = 10_i128.checked_pow(u32::try_from(-scale).ok()?)?;
        return Some(Decimal { mantissa: sign * mantissa.checked_mul(factor)?, scale: 0 });
    }
    let scale = u32::try_from(scale).ok().filter(|scale| *scale <= DIGITS_MAX)?;
    Some(Decimal { mantissa: sign * mantissa, scale })
}

impl Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a decimal number of at most {DIGITS_MAX} digits", self.text)
    }
}

impl std::error::Error for ParseError {}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A decimal number always is a JSON number, so it goes out with all of its digits.
        RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let number = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').unwrap_or(rest),
            None => text,
        };
        number.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn digits_come_out_as_they_went_in() {
        for text in ["0", "12.10", "-0.50", "9007199254740993", "0.00000000000000000001", "-123456789012345678901.5"] {
            assert_eq!(decimal(text).to_string(), text);
            let read: Decimal = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    #[test]
    fn exponents_and_quoted_numbers_are_read() {
        assert_eq!(decimal("1e3").to_string(), "1000");
        assert_eq!(decimal("1.25E+1").to_string(), "12.5");
        assert_eq!(decimal("5e-2").to_string(), "0.05");
        assert_eq!(serde_json::from_str::<Decimal>("\"12.10\"").unwrap().to_string(), "12.10");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let many = "1".repeat(40);
        for text in ["", "-", ".", ".5", "5.", "1_000", "0x1", "+1", "--1", "1e", "1e99", "1e-99", "nan", " 1", &many] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
        for json in ["true", "null", "[1]", "{}", "\"\"", "\"a\""] {
            assert!(serde_json::from_str::<Decimal>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn equal_and_ordered_by_value() {
        assert_eq!(decimal("1.0"), decimal("1.00"));
        assert_eq!(decimal("-0"), Decimal::ZERO);
        assert!(decimal("-1.5") < decimal("-1.05"));
        assert!(
            decimal("99999999999999999999999999999999999999") > decimal("0.00000000000000000000000000000000000001")
        );
    }

    #[test]
    fn a_sum_that_does_not_fit_is_none() {
        let big = decimal(&"9".repeat(38));
        assert_eq!(big.checked_add(decimal("0.1")), None);
        assert_eq!(big.checked_add(big), None);
        assert!(big.checked_add(decimal("1")).is_some_and(|sum| sum > big));
    }

    #[test]
    fn works_inside_structs_lists_and_maps() {
        #[derive(Serialize, Deserialize)]
        struct Order {
            amounts: Vec<Option<Decimal>>,
        }
        let text = r#"{"amounts":[1.10,null,-3]}"#;
        assert_eq!(serde_json::to_string(&serde_json::from_str::<Order>(text).unwrap()).unwrap(), text);
    }

    proptest! {
        #[test]
        fn adding_and_taking_away_again_changes_nothing(a in any::<i64>(), b in any::<i64>(),
                                                        x in 0u32..12, y in 0u32..12) {
            let (a, b) = (Decimal::from_units(a.into(), x).unwrap(), Decimal::from_units(b.into(), y).unwrap());
            prop_assert_eq!(a + b - b, a);
            prop_assert_eq!(a + b, b + a);
            prop_assert_eq!(a > b, (a - b).is_positive());
            prop_assert_eq!(decimal(&a.to_string()), a);
        }
    }
}
