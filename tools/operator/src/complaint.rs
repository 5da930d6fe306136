//! What went wrong, in words for a terminal.

use std::io;

use aws_smithy_types::error::ErrorMetadata;

/// An error with its causes in one line, none of which repeats what was said before it.
pub fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    // The message of a service may repeat what was sent; its code stands in the error above.
    for cause in error.chain().filter(|cause| !cause.is::<ErrorMetadata>()) {
        let words = cause.to_string();
        if told.contains(&words) {
            continue;
        }
        if !told.is_empty() {
            told.push_str(": ");
        }
        told.push_str(&words);
    }
    told
}

/// Whether it is that nobody reads what a command tells any more: standard output is closed. (A store's broken connection stands deeper in
/// the error.)
pub fn is_of_the_reader(error: &anyhow::Error) -> bool {
    let kind = match (error.downcast_ref::<io::Error>(), error.downcast_ref::<serde_json::Error>()) {
        (Some(error), _) => Some(error.kind()),
        (None, Some(error)) => error.io_error_kind(),
        (None, None) => None,
    };
    kind == Some(io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn a_cause_that_was_told_already_is_not_told_again() {
        let error = anyhow!("refused").context("an item could not be read: dispatch failure: refused");
        assert_eq!(told(&error), "an item could not be read: dispatch failure: refused");
        assert_eq!(
            told(&error.context("here")),
            "here: an item could not be read: dispatch failure: refused"
        );
    }

    #[test]
    fn what_a_service_says_itself_is_not_told() {
        let said = ErrorMetadata::builder().code("Code").message("canary").build();
        assert_eq!(
            told(&anyhow::Error::new(said).context("unhandled error (Code)")),
            "unhandled error (Code)"
        );
    }

    #[test]
    fn a_reader_that_is_gone_is_told_from_all_else() {
        struct Gone;
        impl io::Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = |kind: io::ErrorKind| anyhow::Error::new(io::Error::from(kind));
        assert!(is_of_the_reader(&error(io::ErrorKind::BrokenPipe)));
        assert!(is_of_the_reader(&serde_json::to_writer(Gone, "x").unwrap_err().into()));
        assert!(!is_of_the_reader(&error(io::ErrorKind::ConnectionReset)));
        assert!(!is_of_the_reader(&anyhow!("3 hours differ")));
    }
}
