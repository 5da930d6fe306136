//! What went wrong, in words for a terminal.

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
}
