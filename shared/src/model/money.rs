//! Money, in decimal.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An amount of money, exact: never a binary floating-point number on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The amount, in units of the currency (dollars, not cents).
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub amount: Decimal,
    /// ISO 4217 code, `USD`.
    pub currency: String,
}

impl Money {
    /// Reads an amount as the providers write it, a decimal number or its text; `None` for what a decimal of 28 digits
    /// can't hold exactly.
    pub fn parse(amount: &str, currency: &str) -> Option<Self> {
        let amount = amount.trim();
        let exact = Decimal::from_str_exact(amount).or_else(|_| Decimal::from_scientific(amount)).ok()?;
        Some(Self { amount: exact, currency: currency.to_owned() })
    }
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

    proptest! {
        #[test]
        fn every_amount_of_money_reads_back_as_it_was(units in -10_000_000_000i64..10_000_000_000, scale in 0u32..10) {
            let money = Money { amount: Decimal::new(units, scale), currency: "EUR".to_owned() };
            let text = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), money.clone());
            prop_assert_eq!(Money::parse(&money.amount.to_string(), "EUR").unwrap(), money);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", number in "-?[0-9]{0,50}(\\.[0-9]{0,50})?([eE][+-]?[0-9]{1,12})?") {
            let _ = Money::parse(&text, "USD");
            let _ = Money::parse(&number, "USD");
        }
    }
}
