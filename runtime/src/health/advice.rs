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

/// What a reason means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    /// What it is.
    pub(super) cause: String,
    /// What to do.
    pub(super) todo: &'static str,
    /// Whether anybody can mend it.
    pub(super) mendable: bool,
    /// Whether it is not the source's, but the bucket's: then it is the same for all hosts.
    pub(super) of_the_bucket: bool,
}

/// That the source's host is not allowed.
pub(super) const NOT_ALLOWED: &str = "its host is not in RecordingHosts";
/// That the source's address is not public.
pub(super) const NOT_PUBLIC: &str = "the host is at an address that is not public";
/// That the recording is there no more.
const REMOVED: &str = "the platform has removed the recording";

/// The causes, the first that fits before all others.
const CAUSES: [Cause; 21] = [
    Cause {
        words: &["is not allowed"],
        cause: NOT_ALLOWED,
        todo: "if the host is the platform's, add it to RecordingHosts and deploy",
    },
    Cause {
        words: &["could not be resolved"],
        cause: "DNS does not know the host",
        todo: "try `dig` on the host; if it is gone for good, ask the platform for another URL; a VPC of yours needs a resolver",
    },
    Cause {
        words: &["address that is refused"],
        cause: NOT_PUBLIC,
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
        cause: REMOVED,
        todo: "here nothing can be done, and it is no fault of callvault's; ask the platform whether it keeps recordings for long enough",
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
        words: &["took too long (response)"],
        cause: "the source is slow to answer",
        todo: "an answer may take a tenth of RecordingTimeoutSeconds, and 20 s at least: raise that (up to 900, so 90 s); lower ArchiveConcurrencyPerHost if the host is slow \
               for all",
    },
    Cause {
        words: &["took too long (connection)"],
        cause: "the source can't be connected to in time",
        todo: "a connection may take 5 s, which no setting changes; try `curl -v` on the host from the function's region; lower ArchiveConcurrencyPerHost if the host is slow for all",
    },
    Cause {
        words: &["stopped sending"],
        cause: "the source is slow: it stops in the middle",
        todo: "a body may pause for 20 s, which no setting changes; it is tried again; lower ArchiveConcurrencyPerHost if the host is slow for all",
    },
    Cause {
        words: &["took too long", "other URLs would not have been tried"],
        cause: "the source is slow",
        todo: "lower ArchiveConcurrencyPerHost if it is slow for all; raise RecordingTimeoutSeconds (up to 900) if the recordings are long",
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
    Cause {
        words: &["redirects to what", "not a URL", "carries credentials", "the scheme "],
        cause: "the platform's URL, or its redirect, can never be fetched",
        todo: "only http and https are fetched, without a user's name and password; have the platform push the call again with another URL: that revives the recording; \
               `callvault calls show` tells which call it is",
    },
    Cause {
        words: &["redirected more than"],
        cause: "the source redirects, and gets nowhere",
        todo: "follow it by `curl -vL` on the URL; three redirects are followed; have the platform push the URL at which the file lies",
    },
];

/// What S3 answers, and what to do, by how the code begins.
const OF_S3: [(&[&str], &str); 8] = [
    (
        &["AccessDenied"],
        "the policy of the archiver's role, of the bucket, or of the bucket's KMS key does not let it write: see which of them was changed last",
    ),
    (
        &["NoSuchBucket"],
        "the bucket does not exist: was it removed, or is BUCKET_NAME wrong? Deploy the stack anew; on this machine start `callvault` again",
    ),
    (
        &["KMS."],
        "the bucket's KMS key is disabled, about to be deleted, or refused: enable it, and let the archiver's role use it (`kms:GenerateDataKey`, `kms:Decrypt`)",
    ),
    (
        &["InvalidRequest"],
        "RecordingLockDays is set, and the bucket has no Object Lock, most likely: set it to 0, or enable the lock on the bucket",
    ),
    (
        &["SlowDown", "ServiceUnavailable", "RequestTimeout"],
        "it passes, and what failed is tried again; if it stays for an hour, lower ArchiveConcurrency",
    ),
    (
        &["InternalError"],
        "it passes, and what failed is tried again; on this machine see whether the disk is full (`df`)",
    ),
    (
        &["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"],
        "the credentials or the clock of whoever runs the archiver are wrong",
    ),
    (
        &[NO_ANSWER],
        "S3 does not answer: in a VPC see its gateway endpoint for S3 and the routes; see S3_ENDPOINT; on this machine see whether `callvault` runs",
    ),
];
/// What stands in place of a code where no answer came.
const NO_ANSWER: &str = "no answer";

/// What a reason means, and what to do.
pub(super) fn of_reason(reason: &str) -> Advice {
    if let Some((_, rest)) = reason.split_once("the bucket did not ") {
        return of_s3(rest);
    }
    let fits = |cause: &&Cause| cause.words.iter().any(|words| reason.contains(words));
    let (cause, todo) = match CAUSES.iter().find(fits) {
        Some(Cause { cause, todo, .. }) => (*cause, *todo),
        None => {
            ("another reason", "see what it says, and the log's not_archived of that time; it is tried again")
        }
    };
    Advice { cause: cause.to_owned(), todo, mendable: cause != REMOVED, of_the_bucket: false }
}

/// What S3 answered: one cause for each code.
fn of_s3(rest: &str) -> Advice {
    let words = rest.split_once(": ").map_or(rest, |(_, words)| words);
    let first = words.split(';').next().unwrap_or_default().trim();
    // A code is one word. What is more tells that no answer came, and why.
    let code = if first.contains(char::is_whitespace) { NO_ANSWER } else { first };
    let known = OF_S3.iter().find(|(codes, _)| codes.iter().any(|known| code.starts_with(known)));
    Advice {
        cause: format!("S3 refuses or fails: {code}"),
        todo: known.map_or(
            "look the code up among S3's error responses; what failed is tried again",
            |(_, todo)| todo,
        ),
        mendable: true,
        of_the_bucket: true,
    }
}

/// The host that is refused, as a reason names it: that of a redirect, where it is not the URL's own.
pub(super) fn refused_host(reason: &str) -> Option<&str> {
    let (before, _) = reason
        .split_once(" is not allowed")
        .or_else(|| reason.split_once(" has an address that is refused"))?;
    before.rsplit(' ').next().filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_of_the_archivers_has_its_cause() {
        for (reason, cause) in [
            ("the host a.example is not allowed", NOT_ALLOWED),
            ("a.example has an address that is refused (loopback)", NOT_PUBLIC),
            (
                "the source answered with status 403; the provider gives no fresh URL for it",
                "the source refuses the URL",
            ),
            (
                "the source answered with status 403; the keys of laaffic's API could not be read",
                "the secret with the keys can't be read",
            ),
            ("a.example could not be resolved", "DNS does not know the host"),
            ("the bucket did not take the recording: AccessDenied", "S3 refuses or fails: AccessDenied"),
            ("a.example took too long (end)", "the source is slow"),
            ("a.example took too long (response)", "the source is slow to answer"),
            ("a.example took too long (connection)", "the source can't be connected to in time"),
            ("a.example sent 10 bytes of 20", "the connection to the source fails or breaks off"),
            ("6 runs of the archiver died while they had it in hand", "the archiver dies over it"),
            ("the source answered with status 500", "the source fails"),
            ("markup or JSON came in place of audio", "what the source sends is no whole recording"),
            ("not a URL", "the platform's URL, or its redirect, can never be fetched"),
            ("the scheme ftp is not fetched", "the platform's URL, or its redirect, can never be fetched"),
            ("redirected more than 3 times, at last to a.example", "the source redirects, and gets nowhere"),
            ("something new", "another reason"),
        ] {
            let advice = of_reason(reason);
            assert_eq!(advice.cause, cause, "{reason}");
            assert!(advice.mendable);
        }
        assert!(!of_reason("the provider has it no more: gone").mendable);
    }

    #[test]
    fn each_of_s3s_codes_is_a_cause_of_its_own_and_tells_what_to_do() {
        for (words, cause, todo) in [
            ("AccessDenied", "AccessDenied", "policy"),
            ("NoSuchBucket", "NoSuchBucket", "does not exist"),
            ("KMS.DisabledException", "KMS.DisabledException", "KMS key is disabled"),
            ("InvalidRequest", "InvalidRequest", "Object Lock"),
            ("SlowDown; another URL: x", "SlowDown", "passes"),
            ("InternalError", "InternalError", "disk is full"),
            ("dispatch failure: io error: connection refused", "no answer", "does not answer"),
            ("Unheard", "Unheard", "look the code up"),
        ] {
            let advice = of_reason(&format!("the bucket did not take the recording: {words}"));
            assert_eq!(advice.cause, format!("S3 refuses or fails: {cause}"));
            assert!(advice.todo.contains(todo), "{advice:?}");
        }
    }

    #[test]
    fn the_host_that_is_refused_is_known_also_behind_a_redirect() {
        assert_eq!(refused_host("the host a.example is not allowed; x"), Some("a.example"));
        assert_eq!(refused_host("10.0.0.1 has an address that is refused (private)"), Some("10.0.0.1"));
        assert_eq!(refused_host("the host  is not allowed"), None);
        assert_eq!(refused_host("not a URL"), None);
    }
}
