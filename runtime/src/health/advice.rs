//! What a recording's `last_error` means, and what to do about it: one row for each cause. Pure.

/// A cause, by words that stand in the reason.
struct Cause {
    /// Any of these stands in it.
    words: &'static [&'static str],
    /// What it is.
    cause: &'static str,
    /// What to do.
    todo: &'static str,
}

/// The causes, the first that fits before all others.
const CAUSES: [Cause; 17] = [
    Cause {
        words: &["the bucket did not"],
        cause: "S3 refuses or fails",
        todo: "see the code behind the colon: AccessDenied is the role's, the bucket's or the key's policy; InvalidRequest may be RecordingLockDays without Object Lock; \
               InternalError and SlowDown pass; on this machine see whether the disk is full (`df`)",
    },
    Cause {
        words: &["is not allowed"],
        cause: "its host is not in RecordingHosts",
        todo: "if the host is the platform's, add it to RecordingHosts and deploy; the next run fetches what waits",
    },
    Cause {
        words: &["could not be resolved"],
        cause: "DNS does not know the host",
        todo: "try `dig` on the host; if it is gone for good, ask the platform for another URL; a VPC of yours needs a resolver",
    },
    Cause {
        words: &["address that is refused"],
        cause: "the host is at an address that is not public",
        todo: "allow it in RecordingHosts by an exact host:port, if it is meant to be fetched",
    },
    Cause {
        words: &["keys of", "could not be read"],
        cause: "the secret with the keys can't be read",
        todo: "see the log's secret_unreadable: the secret's policy, its ARN, or its text",
    },
    Cause {
        words: &["no keys of"],
        cause: "the URL is dead, and there are no keys to ask for a fresh one",
        todo: "put the platform's keys into the secret of ProviderSecretArn",
    },
    Cause {
        words: &["the provider could not be asked"],
        cause: "the URL is dead, and the platform's API gives no fresh one",
        todo: "denied is the keys in the secret; throttled and unavailable pass",
    },
    Cause {
        words: &["the provider has it no more"],
        cause: "the platform has removed the recording",
        todo: "ask the platform; here nothing can be done",
    },
    Cause {
        words: &["status 401", "status 403", "status 410"],
        cause: "the source refuses the URL",
        todo: "if all of a host are refused, the platform has changed its signatures or blocks the address; ask it, or push a fresh URL; keys in ProviderSecretArn let URLs be renewed",
    },
    Cause {
        words: &["status 404"],
        cause: "the source has no such file",
        todo: "in the first hour it may just not be there yet; later ask the platform",
    },
    Cause {
        words: &["status 429", "status 503"],
        cause: "the source is asked too often",
        todo: "lower ArchiveConcurrencyPerHost",
    },
    Cause {
        words: &["status 5"],
        cause: "the source fails",
        todo: "it is tried again; if it stays, ask the platform",
    },
    Cause {
        words: &["took too long", "stopped sending", "other URLs would not have been tried"],
        cause: "the source is slow",
        todo: "lower ArchiveConcurrencyPerHost if it is slow for all; raise RecordingTimeoutSeconds if the recordings are long",
    },
    Cause {
        words: &["could not be connected to", "TLS with", "the connection to", " bytes of "],
        cause: "the connection to the source fails or breaks off",
        todo: "try `curl -v` on the host from the function's region; it is tried again",
    },
    Cause {
        words: &["markup or JSON", "in place of audio", "is not known as audio", "bytes came", "cut short"],
        cause: "what the source sends is no whole recording",
        todo: "look at what the URL gives; it may not be there yet, or be a login page",
    },
    Cause {
        words: &["runs of the archiver died"],
        cause: "the archiver dies over it",
        todo: "see the log's `Task timed out`, `panicked` or out of memory (raise ArchiveMemoryMb); then `callvault archive --call`",
    },
    Cause {
        words: &["sends more than"],
        cause: "it is larger than MaxRecordingBytes",
        todo: "raise MaxRecordingBytes, deploy, then `callvault archive --call`",
    },
];

/// What a reason means, and what to do.
pub(super) fn of_reason(reason: &str) -> (&'static str, &'static str) {
    let fits = |cause: &&Cause| cause.words.iter().any(|words| reason.contains(words));
    match CAUSES.iter().find(fits) {
        Some(Cause { cause, todo, .. }) => (cause, todo),
        None => ("another reason", "see what it says"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_of_the_archivers_has_its_cause() {
        for (reason, cause) in [
            ("the host a.example is not allowed", "its host is not in RecordingHosts"),
            (
                "the source answered with status 403; the provider gives no fresh URL for it",
                "the source refuses the URL",
            ),
            (
                "the source answered with status 403; the keys of laaffic's API could not be read",
                "the secret with the keys can't be read",
            ),
            ("a.example could not be resolved", "DNS does not know the host"),
            ("the bucket did not take the recording: AccessDenied", "S3 refuses or fails"),
            ("a.example took too long (end)", "the source is slow"),
            ("a.example sent 10 bytes of 20", "the connection to the source fails or breaks off"),
            ("6 runs of the archiver died while they had it in hand", "the archiver dies over it"),
            ("the source answered with status 500", "the source fails"),
            ("markup or JSON came in place of audio", "what the source sends is no whole recording"),
            ("something new", "another reason"),
        ] {
            assert_eq!(of_reason(reason).0, cause, "{reason}");
        }
    }
}
