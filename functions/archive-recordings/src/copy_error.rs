//! Why a recording was not copied, and what that means for it.

use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata, SdkError};
use runtime::aws::brief;
use runtime::outbound::fetch::{FetchError, Prospect};

use crate::audio::NotAudio;
use crate::retry::Setback;

/// Why a recording was not copied. No message says more of its URL than the host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The source answered with another status than 200.
    #[error("the source answered with status {0}")]
    Status(u16),
    /// What came is no recording.
    #[error(transparent)]
    NotAudio(#[from] NotAudio),
    /// The file's own header tells of more than came.
    #[error("{0}")]
    CutShort(CutShort),
    /// The bucket failed.
    #[error("the bucket did not {action}: {words}")]
    Bucket {
        /// What was asked of it.
        action: &'static str,
        /// What it said.
        words: String,
        /// The SDK's error.
        source: BoxError,
    },
    /// There is an object under the key already.
    #[error("there is an object already")]
    AlreadyThere {
        /// The key.
        object_key: String,
    },
    /// It took the time that others of the recording's URLs need.
    #[error("took so long that other URLs would not have been tried")]
    TookTooLong,
    /// The run had to end before the copy did.
    #[error("the run ended")]
    OutOfTime,
}

/// A recording whose header tells of more than there is.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("cut short: its header tells of {claimed} bytes, {bytes} came")]
pub(crate) struct CutShort {
    claimed: u64,
    bytes: u64,
}

impl CutShort {
    /// Compares; a header may be off by the byte that pads a chunk.
    pub(crate) fn of(claimed: Option<u64>, bytes: u64) -> Option<Self> {
        claimed.filter(|claimed| *claimed > bytes + 1).map(|claimed| Self { claimed, bytes })
    }
}

impl CopyError {
    /// What the error means for the recording; `None` where it says nothing of it.
    pub(crate) fn setback(&self) -> Option<Setback> {
        Some(match self {
            Self::Fetch(error) => match error.prospect() {
                Prospect::Never => Setback::Never,
                Prospect::OnceAllowed => Setback::HostNotAllowed,
                Prospect::Later => Setback::Passing,
            },
            Self::Status(404) => Setback::NotFound,
            Self::Status(403 | 410) => Setback::Refused,
            // 401 too: where it was seen, the same URL was good a little later.
            Self::Status(_) | Self::NotAudio(_) | Self::CutShort(_) | Self::TookTooLong => Setback::Passing,
            Self::Bucket { .. } | Self::AlreadyThere { .. } => Setback::Elsewhere,
            Self::OutOfTime => return None,
        })
    }

    /// Whether the URL itself is at fault, and another one of the same recording need not be: it is none, is refused, or leads where
    /// nobody is let to.
    pub(crate) fn is_of_the_url(&self) -> bool {
        match self {
            Self::Fetch(error) => match error.prospect() {
                Prospect::Never => !matches!(error, FetchError::TooLarge { .. }),
                Prospect::OnceAllowed => true,
                Prospect::Later => false,
            },
            other => other.setback() == Some(Setback::Refused),
        }
    }

    pub(crate) fn bucket<E>(action: &'static str) -> impl Fn(SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        move |error| Self::Bucket { action, words: brief(&error), source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_what_it_means_and_whether_another_url_need_have_it() {
        for (error, setback, is_of_the_url) in [
            (CopyError::Status(404), Some(Setback::NotFound), false),
            (CopyError::Status(403), Some(Setback::Refused), true),
            (CopyError::Status(410), Some(Setback::Refused), true),
            // Where it was seen, the same URL was good a little later.
            (CopyError::Status(401), Some(Setback::Passing), false),
            (CopyError::Status(503), Some(Setback::Passing), false),
            (CopyError::Status(206), Some(Setback::Passing), false),
            (CopyError::NotAudio(NotAudio::Text), Some(Setback::Passing), false),
            (CopyError::TookTooLong, Some(Setback::Passing), false),
            (CopyError::AlreadyThere { object_key: String::new() }, Some(Setback::Elsewhere), false),
            (CopyError::OutOfTime, None, false),
        ] {
            assert_eq!((error.setback(), error.is_of_the_url()), (setback, is_of_the_url), "{error}");
        }
    }

    #[test]
    fn a_file_is_cut_short_where_its_header_tells_of_more_than_its_padding() {
        assert!(CutShort::of(None, 5).is_none());
        assert!(CutShort::of(Some(101), 100).is_none(), "the byte that pads a chunk");
        let cut_short = CutShort::of(Some(102), 100).unwrap();
        assert_eq!(cut_short.to_string(), "cut short: its header tells of 102 bytes, 100 came");
    }
}
