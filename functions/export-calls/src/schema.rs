//! The files' schema, made of the columns.
//!
//! Every column may be empty. Times are `TIMESTAMP(MILLIS, UTC)`, money is `DECIMAL(38,10)`, tags are a `LIST` of structs; see
//! <https://github.com/apache/parquet-format/blob/master/LogicalTypes.md>.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use crate::cell::{PRECISION, SCALE};
use crate::column::{Column, DataSet, Kind};

/// How much zstd tries: more costs time, and saves a few in a hundred.
const ZSTD_LEVEL: i32 = 5;
/// How many bytes an amount takes.
pub(crate) const AMOUNT_BYTES: i32 = 16;

/// The schema of a data set's files.
pub(crate) fn schema(set: &DataSet) -> Result<TypePtr> {
    let fields = set.columns.iter().map(field).collect::<Result<_>>()?;
    Ok(Arc::new(Type::group_type_builder(set.name).with_fields(fields).build()?))
}

fn field(column: &Column) -> Result<TypePtr> {
    let one = |physical: Physical, logical: Option<LogicalType>| {
        leaf(column.name, Repetition::OPTIONAL, physical, logical)
    };
    match column.kind {
        Kind::Text | Kind::Id | Kind::Json => one(Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Number => one(Physical::INT64, None),
        Kind::Flag => one(Physical::BOOLEAN, None),
        Kind::Time => one(Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
        Kind::Date => one(Physical::INT32, Some(LogicalType::Date)),
        Kind::Amount => {
            let (scale, precision) = (SCALE.cast_signed(), PRECISION.cast_signed());
            let amount = Type::primitive_type_builder(column.name, Physical::FIXED_LEN_BYTE_ARRAY)
                .with_repetition(Repetition::OPTIONAL)
                .with_length(AMOUNT_BYTES)
                .with_logical_type(Some(LogicalType::decimal(scale, precision)))
                .with_precision(precision)
                .with_scale(scale);
            Ok(Arc::new(amount.build()?))
        }
        Kind::Tags => {
            let text = Some(LogicalType::String);
            let name = leaf("name", Repetition::REQUIRED, Physical::BYTE_ARRAY, text.clone())?;
            let value = leaf("value", Repetition::OPTIONAL, Physical::BYTE_ARRAY, text)?;
            let tag = group("element", Repetition::REQUIRED, None, vec![name, value])?;
            let tags = group("list", Repetition::REPEATED, None, vec![tag])?;
            group(column.name, Repetition::OPTIONAL, Some(LogicalType::List), vec![tags])
        }
    }
}

fn leaf(name: &str, of: Repetition, physical: Physical, logical: Option<LogicalType>) -> Result<TypePtr> {
    let leaf = Type::primitive_type_builder(name, physical).with_repetition(of).with_logical_type(logical);
    Ok(Arc::new(leaf.build()?))
}

fn group(name: &str, of: Repetition, logical: Option<LogicalType>, fields: Vec<TypePtr>) -> Result<TypePtr> {
    let group = Type::group_type_builder(name).with_repetition(of).with_logical_type(logical);
    Ok(Arc::new(group.with_fields(fields).build()?))
}

/// How a data set's files are written. The library's version is not told, so that another one of it need not make other bytes.
pub(crate) fn properties(set: &DataSet) -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_created_by("callvault".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for column in set.columns {
        let path = || ColumnPath::new(vec![column.name.to_owned()]);
        let encoding = match column.kind {
            // Rows are sorted by time: from one to the next it is not far.
            Kind::Time => Encoding::DELTA_BINARY_PACKED,
            // What follows begins alike, or is the same.
            Kind::Id => Encoding::DELTA_BYTE_ARRAY,
            Kind::Text | Kind::Json | Kind::Number | Kind::Flag | Kind::Date | Kind::Amount | Kind::Tags => {
                continue;
            }
        };
        properties =
            properties.set_column_dictionary_enabled(path(), false).set_column_encoding(path(), encoding);
    }
    Ok(properties.build())
}
