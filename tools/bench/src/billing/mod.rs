//! What DynamoDB would bill: the read and write units of every request, by the table and its indexes.
//!
//! The embedded DynamoDB costs nothing. So a [`Meter`] stands before it and reckons what the documented rules
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>, and "Considerations for global secondary
//! indexes") ask for: an item's size in whole KB for each write, once more for each index that it changes, and a refused conditional write as
//! well.

mod life;
mod meter;
mod section;
mod units;

use std::collections::BTreeMap;

pub use life::{COMPLETE, Life, Step, lives};
pub use meter::Meter;
pub(crate) use section::run;
pub use units::{Written, item_bytes, read_units, write_units};

/// What one request costs, of the table or of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// The operation, as DynamoDB names it: `PutItem`.
    pub operation: String,
    /// The item that it is for, by what its sort key begins with: `call`, `push`; what a query reads is `query`.
    pub item: String,
    /// The index that it is for; `None` for the table itself.
    pub index: Option<&'static str>,
    /// Write request units.
    pub write: f64,
    /// Read request units.
    pub read: f64,
}

/// What a number of requests cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// Each charge, in the order of the requests.
    pub charges: Vec<Charge>,
    /// How many requests there were.
    pub requests: u64,
}

impl Bill {
    /// All write units.
    #[must_use]
    pub fn write(&self) -> f64 {
        self.charges.iter().map(|charge| charge.write).sum()
    }

    /// All read units.
    #[must_use]
    pub fn read(&self) -> f64 {
        self.charges.iter().map(|charge| charge.read).sum()
    }

    /// The write units by what they are for: an item's kind, or the index.
    #[must_use]
    pub fn writes_by_target(&self) -> BTreeMap<String, f64> {
        let mut targets = BTreeMap::new();
        for charge in self.charges.iter().filter(|charge| charge.write > 0.0) {
            let target = charge.index.unwrap_or(&charge.item);
            *targets.entry(target.to_owned()).or_default() += charge.write;
        }
        targets
    }
}
