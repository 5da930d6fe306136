//! Money, in decimal.

use rust_decimal::Decimal;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

/// An amount of money, exact: never a binary floating-point number on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The amount, in units of the currency (dollars, not cents).
    #[serde(
        serialize_with = "rust_decimal::serde::arbitrary_precision::serialize",
        deserialize_with = "number"
    )]
    pub amount: Decimal,
    /// ISO 4217 code, `USD`.
    pub currency: String,
}

impl Money {
    /// Reads an amount as the providers write it, a decimal number or its text; `None` for what a decimal of 28 digits
    /// can't hold exactly.
    pub fn parse(amount: &str, currency: &str) -> Option<Self> {
        Some(Self { amount: exact(amount.trim())?, currency: currency.to_owned() })
    }
}

fn exact(amount: &str) -> Option<Decimal> {
    Decimal::from_str_exact(amount).or_else(|_| Decimal::from_scientific(amount)).ok()
}

/// Reads a number of JSON by its text. The way of `rust_decimal`'s own takes no integer of more than 64 bits.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?.to_string();
    exact(&number)
        .ok_or_else(|| D::Error::invalid_value(Unexpected::Other("a number"), &"a decimal of 28 digits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_exact_and_stay_numbers() {
        let money = Money::parse("0.1234567890123456789", "USD").unwrap();
        assert_eq!(
            serde_json::to_string(&money).unwrap(),
            r#"{"amount":0.1234567890123456789,"currency":"USD"}"#
        );
        assert_eq!(
            Money::parse("0.1234567890123456789012345678901234567890", "USD"),
            None,
            "more than it can hold"
        );
        assert_eq!(Money::parse("free", "USD"), None);
        assert_eq!(Money::parse("", "USD"), None);
    }

    /// Usual ones, and all that a decimal can hold.
    fn amounts() -> impl Strategy<Value = i128> {
        let most = Decimal::MAX.mantissa();
        prop_oneof![-10_000_000_000i128..10_000_000_000, -most..=most]
    }

    proptest! {
        #[test]
        fn every_amount_of_money_reads_back_as_it_was(units in amounts(), scale in 0u32..=28) {
            let money = Money { amount: Decimal::from_i128_with_scale(units, scale), currency: "EUR".to_owned() };
            let text = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), money.clone());
            let value = serde_json::to_value(&money).unwrap();
            prop_assert_eq!(serde_json::from_value::<Money>(value).unwrap(), money.clone());
            prop_assert_eq!(Money::parse(&money.amount.to_string(), "EUR").unwrap(), money);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", number in "-?[0-9]{0,50}(\\.[0-9]{0,50})?([eE][+-]?[0-9]{1,12})?") {
            let _ = Money::parse(&text, "USD");
            let _ = Money::parse(&number, "USD");
        }
    }
}
