//! Money, in decimal.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The most digits that an amount has before its point, and behind it.
const MAX_DIGITS: usize = 128;

/// An amount of money, exact: never a binary floating-point number on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The amount, in units of the currency (dollars, not cents).
    pub amount: Amount,
    /// ISO 4217 code, `USD`.
    pub currency: String,
}

/// A decimal number in plain digits, `-12.5`: without an exponent, and without zeros before it. It is a number in JSON; one of more
/// digits than the stores' readers take comes back from them as text, and is one all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount(String);

impl Money {
    /// Reads an amount as the providers write it, a decimal number or its text; `None` for what is no number, or one of more than 128 digits on
    /// either side of the point.
    pub fn parse(amount: &str, currency: &str) -> Option<Self> {
        Some(Self { amount: Amount::parse(amount)?, currency: currency.to_owned() })
    }
}

impl Amount {
    /// Reads a decimal number, with or without an exponent. `None` as for [`Money::parse`].
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let exponent: isize = exponent.parse().ok()?;
        let significant = all.trim_start_matches('0');
        let leading_zeros = isize::try_from(all.len() - significant.len()).ok()?;
        if significant.is_empty() {
            let zeros = &fraction[..fraction.len().min(MAX_DIGITS)];
            return Some(Self(if zeros.is_empty() { "0".to_owned() } else { format!("0.{zeros}") }));
        }
        // Where the point stands, counted from before the first significant digit.
        let point = isize::try_from(whole.len()).ok()?.checked_sub(leading_zeros)?.checked_add(exponent)?;
        let before = usize::try_from(point).unwrap_or_default();
        let zeros = if point < 0 { point.unsigned_abs() } else { 0 };
        let behind = significant.len().saturating_sub(before).checked_add(zeros)?;
        if before > MAX_DIGITS || behind > MAX_DIGITS {
            return None;
        }
        let (whole, fraction) = significant.split_at(before.min(significant.len()));
        let sign = if text.starts_with('-') { "-" } else { "" };
        Some(Self(match (whole, fraction) {
            (whole, "") => format!("{sign}{whole:0<before$}"),
            ("", fraction) => format!("{sign}0.{:0>behind$}", fraction),
            (whole, fraction) => format!("{sign}{whole}.{fraction}"),
        }))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As JSON has it.
    pub(crate) fn into_number(self) -> Value {
        // Plain digits are a number.
        self.0.parse().map_or(Value::String(self.0), Value::Number)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.clone().into_number().serialize(serializer)
    }
}

/// A number, or its text: what the stores' readers could not take as a number is stored as that.
impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let amount = match Value::deserialize(deserializer)? {
            Value::Number(number) => Self::parse(number.as_str()),
            Value::String(text) => Self::parse(&text),
            _ => None,
        };
        amount.ok_or_else(|| D::Error::custom("no amount of money"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    #[test]
    fn amounts_are_exact_and_stay_numbers() {
        let money = Money::parse("0.1234567890123456789", "USD").unwrap();
        assert_eq!(
            serde_json::to_string(&money).unwrap(),
            r#"{"amount":0.1234567890123456789,"currency":"USD"}"#
        );
        for (text, digits) in [
            ("0.1234567890123456789012345678901234567890", "0.1234567890123456789012345678901234567890"),
            (
                " 12345678901234567890123456789012345678901234567890.50 ",
                "12345678901234567890123456789012345678901234567890.50",
            ),
            ("-0.10", "-0.10"),
            ("+007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-0.00", "0.00"),
            ("1e30", "1000000000000000000000000000000"),
            ("12.5E-3", "0.0125"),
            ("1.25e1", "12.5"),
            ("120e-1", "12.0"),
        ] {
            assert_eq!(Amount::parse(text).unwrap().as_str(), digits, "{text}");
        }
        for no_amount in
            ["free", "", "-", ".", "e5", "1e", "1,5", "1_000", "0x1", "--1", "1.2.3", "1e129", "1e-200", "１"]
        {
            assert_eq!(Money::parse(no_amount, "USD"), None, "{no_amount}");
        }
        let longest = "9".repeat(128);
        assert_eq!(Amount::parse(&longest).unwrap().as_str(), longest);
        assert_eq!(Amount::parse(&format!("{longest}9")), None);
    }

    /// Usual ones, all that a decimal can hold, and longer ones.
    fn amounts() -> impl Strategy<Value = String> {
        let most = Decimal::MAX.mantissa();
        let units = prop_oneof![-10_000_000_000i128..10_000_000_000, -most..=most];
        let decimals = (units, 0u32..=28)
            .prop_map(|(units, scale)| Decimal::from_i128_with_scale(units, scale).to_string());
        prop_oneof![3 => decimals, 1 => "-?(0|[1-9][0-9]{20,60})(\\.[0-9]{1,60})?"]
    }

    /// Without zeros that say nothing: as numbers are stored.
    fn trimmed(amount: &str) -> &str {
        match amount.contains('.') {
            true => amount.trim_end_matches('0').trim_end_matches('.'),
            false => amount,
        }
    }

    proptest! {
        #[test]
        fn every_amount_of_money_reads_back_as_it_was(text in amounts()) {
            let money = Money::parse(&text, "EUR").unwrap();
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money.clone());
            let value = serde_json::to_value(&money).unwrap();
            prop_assert!(value["amount"].is_number(), "{}", value);
            prop_assert_eq!(serde_json::from_value::<Money>(value).unwrap(), money.clone());
            // As it is stored: what is too long for a number is text.
            let stored = crate::record::storable::storable(serde_json::to_value(&money).unwrap());
            let stored: Money = serde_json::from_value(stored).unwrap();
            prop_assert_eq!(trimmed(stored.amount.as_str()), trimmed(money.amount.as_str()));
            if let Ok(exact) = Decimal::from_str_exact(&text) {
                prop_assert_eq!(Decimal::from_str_exact(money.amount.as_str()).unwrap(), exact);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", number in "-?[0-9]{0,50}(\\.[0-9]{0,50})?([eE][+-]?[0-9]{1,25})?") {
            let _ = Money::parse(&text, "USD");
            let _ = Money::parse(&number, "USD");
        }
    }
}
