//! The SHA-512 of recordings that an earlier release archived, which reckoned SHA-256 alone.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};

use super::scan::text as text_of;
use super::table::{Table, TableError};
use super::update::{Update, number, text};
use shared::model::RecordingState;
use shared::record::digests::Digests;
use shared::record::keys;

/// An archived recording whose SHA-512 is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unhashed {
    /// Its item's partition key.
    pub pk: String,
    /// Its item's sort key.
    pub sk: String,
    /// Where it lies in the bucket.
    pub object_key: String,
    /// Its SHA-256, hex, as it was archived.
    pub sha256: String,
}

impl Table {
    /// The archived recordings whose SHA-512 is not known, of the whole table. The pages are read as they are asked for.
    ///
    /// # Errors
    /// [`TableError::Scan`], when DynamoDB fails.
    pub fn unhashed_recordings(&self) -> BoxStream<'static, Result<Unhashed, TableError>> {
        let scan = self
            .client
            .scan()
            .consistent_read(true)
            .projection_expression("#pk, #sk, #object_key, #sha256")
            .filter_expression(
                "begins_with(#sk, :recording) AND #state = :archived AND attribute_not_exists(#sha512)",
            )
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#sk", keys::SK)
            .expression_attribute_names("#object_key", "object_key")
            .expression_attribute_names("#sha256", "sha256")
            .expression_attribute_names("#sha512", "sha512")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":recording", AttributeValue::S(keys::recording_sk("")))
            .expression_attribute_values(":archived", text(RecordingState::Archived.as_str()));
        let unhashed = |item| Unhashed {
            pk: text_of(&item, keys::PK),
            sk: text_of(&item, keys::SK),
            object_key: text_of(&item, "object_key"),
            sha256: text_of(&item, "sha256"),
        };
        self.items(scan).map_ok(unhashed).boxed()
    }

    /// Adds the SHA-512 to an archived recording, unless it was changed since it was read. Whether it was added.
    ///
    /// # Errors
    /// [`TableError::Update`], when DynamoDB fails.
    pub async fn add_sha512(&self, recording: &Unhashed, digests: &Digests) -> Result<bool, TableError> {
        let update = Update {
            pk: &recording.pk,
            sk: &recording.sk,
            change: "SET #sha512 = :sha512, #version = #version + :one".to_owned(),
            condition: "attribute_exists(#pk) AND #state = :archived AND #object_key = :object_key AND #sha256 = :sha256",
            values: vec![
                (":sha512", text(&digests.sha512)),
                (":archived", text(RecordingState::Archived.as_str())),
                (":object_key", text(&recording.object_key)),
                (":sha256", text(&digests.sha256)),
                (":one", number(1)),
            ],
            aliases: Vec::new(),
            returned: ReturnValue::None,
        };
        Ok(self.change(update).await?.is_done())
    }
}
