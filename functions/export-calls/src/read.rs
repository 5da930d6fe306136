//! Reading a file back, row by row: for whoever compares files with the table.

use bytes::Bytes;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use parquet::data_type::Decimal;
use parquet::errors::Result;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Value};

/// The rows of a file, each as an object: times in RFC 3339, amounts as digits. What is empty is null.
///
/// # Errors
/// Where it is no Parquet file.
pub fn rows(file: Vec<u8>) -> Result<Vec<Map<String, Value>>> {
    let reader = SerializedFileReader::new(Bytes::from(file))?;
    let rows = reader.get_row_iter(None)?;
    rows.map(|row| {
        let columns = row?.into_columns().into_iter();
        Ok(columns.map(|(name, field)| (name, value(&field))).collect())
    })
    .collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => (*flag).into(),
        Field::Int(number) => (*number).into(),
        Field::Long(number) => (*number).into(),
        Field::Str(text) => text.as_str().into(),
        Field::Date(days) => {
            let date = Date::constant(1970, 1, 1).checked_add(Span::new().days(*days));
            date.map_or(Value::Null, |date| date.to_string().into())
        }
        Field::TimestampMillis(millis) => {
            let time = Timestamp::from_millisecond(*millis);
            time.map_or(Value::Null, |time| format!("{time:.3}").into())
        }
        Field::Decimal(amount) => digits(amount).into(),
        Field::Group(group) => {
            group.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
        }
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        // No column has another type.
        other => other.to_string().into(),
    }
}

/// All digits of an amount.
fn digits(amount: &Decimal) -> String {
    let bytes = amount.data();
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let units =
        bytes.iter().fold(if negative { -1_i128 } else { 0 }, |units, byte| units << 8 | i128::from(*byte));
    let scale = usize::try_from(amount.scale()).unwrap_or_default();
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{part}", if negative { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_of_an_amount_is_read() {
        let text = |units: i128| digits(&Decimal::from_bytes(units.to_be_bytes().to_vec().into(), 38, 10));
        assert_eq!(text(1_000_000_000), "0.1000000000");
        assert_eq!(text(-1), "-0.0000000001");
        assert_eq!(
            text(99_999_999_999_999_999_999_999_999_999_999_999_999),
            "9999999999999999999999999999.9999999999"
        );
    }
}
