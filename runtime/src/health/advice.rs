//! What a recording's `last_error` means, and what to do about it: one row for each cause. Pure.

/// Why recordings fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The source's host is not in `RecordingHosts`.
    HostNotAllowed,
    /// DNS does not know the source's host.
    UnknownHost,
    /// The source's host is at an address that is not public.
    AddressNotPublic,
    /// The secret with the platforms' keys can't be read.
    SecretUnreadable,
    /// The URL is dead, and there are no keys to ask for a fresh one.
    NoKeys,
    /// The URL is dead, and the platform's API gives no fresh one.
    NoFreshUrl,
    /// The platform has removed the recording: nobody can mend that.
    Removed,
    /// The source refuses the URL.
    UrlRefused,
    /// The source has no such file.
    NoSuchFile,
    /// The source is asked too often.
    AskedTooOften,
    /// The source fails.
    SourceFails,
    /// The source is slow to answer.
    SlowAnswer,
    /// The source can't be connected to in time.
    SlowConnection,
    /// The source stops in the middle.
    StopsSending,
    /// The source is slow.
    Slow,
    /// The connection to the source fails or breaks off.
    ConnectionFails,
    /// What the source sends is no whole recording.
    NoRecording,
    /// The archiver dies over it.
    ArchiverDies,
    /// It is larger than `MaxRecordingBytes`.
    TooLarge,
    /// The platform's URL, or its redirect, can never be fetched.
    UrlUnusable,
    /// The source redirects, and gets nowhere.
    RedirectsEndlessly,
    /// S3 refuses or fails.
    OfS3(OfS3),
    /// Another reason.
    Other,
}

/// How S3 refuses or fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfS3 {
    /// A policy, or the key's, does not let the archiver write.
    Denied,
    /// There is no such bucket.
    NoBucket,
    /// The bucket's KMS key is disabled, or refused.
    KeyRefused,
    /// Object Lock is asked for, and the bucket has none.
    NoLock,
    /// S3 is busy.
    Busy,
    /// S3 fails.
    Fails,
    /// The credentials, or the clock, are wrong.
    Credentials,
    /// S3 does not answer.
    NoAnswer,
    /// It answers something else.
    Unknown,
}

impl OfS3 {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::Denied,
        Self::NoBucket,
        Self::KeyRefused,
        Self::NoLock,
        Self::Busy,
        Self::Fails,
        Self::Credentials,
        Self::NoAnswer,
        Self::Unknown,
    ];
}

/// A cause, by words that stand in the reason.
struct Row {
    /// Any of these stands in it.
    words: &'static [&'static str],
    means: Cause,
    /// What it is, in English.
    cause: &'static str,
    /// What to do, in English.
    todo: &'static str,
}

/// What a reason means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) cause: Cause,
    /// S3's own code for it, where it is S3's.
    pub(super) code: Option<String>,
}

/// The causes, the first that fits before all others.
const CAUSES: [Row; 21] = [
    Row {
        words: &["is not allowed"],
        means: Cause::HostNotAllowed,
        cause: "its host is not in RecordingHosts",
        todo: "if the host is the platform's, add it to RecordingHosts and deploy",
    },
    Row {
        words: &["could not be resolved"],
        means: Cause::UnknownHost,
        cause: "DNS does not know the host",
        todo: "try `dig` on the host; if it is gone for good, ask the platform for another URL; a VPC of yours needs a resolver",
    },
    Row {
        words: &["address that is refused"],
        means: Cause::AddressNotPublic,
        cause: "the host is at an address that is not public",
        todo: "allow it in RecordingHosts by an exact host:port, if it is meant to be fetched",
    },
    Row {
        words: &["keys of", "could not be read"],
        means: Cause::SecretUnreadable,
        cause: "the secret with the keys can't be read",
        todo: "see the log's secret_unreadable: the secret's policy, its ARN, or its text",
    },
    Row {
        words: &["no keys of"],
        means: Cause::NoKeys,
        cause: "the URL is dead, and there are no keys to ask for a fresh one",
        todo: "put the platform's keys into the secret of ProviderSecretArn",
    },
    Row {
        words: &["the provider could not be asked"],
        means: Cause::NoFreshUrl,
        cause: "the URL is dead, and the platform's API gives no fresh one",
        todo: "denied is the keys in the secret; throttled and unavailable pass",
    },
    Row {
        words: &["the provider has it no more"],
        means: Cause::Removed,
        cause: "the platform has removed the recording",
        todo: "here nothing can be done, and it is no fault of callvault's; ask the platform whether it keeps recordings for long enough",
    },
    Row {
        words: &["status 401", "status 403", "status 410"],
        means: Cause::UrlRefused,
        cause: "the source refuses the URL",
        todo: "if all of a host are refused, the platform has changed its signatures or blocks the address; ask it, or push a fresh URL; keys in ProviderSecretArn let URLs be renewed",
    },
    Row {
        words: &["status 404"],
        means: Cause::NoSuchFile,
        cause: "the source has no such file",
        todo: "in the first hour it may just not be there yet; later ask the platform",
    },
    Row {
        words: &["status 429", "status 503"],
        means: Cause::AskedTooOften,
        cause: "the source is asked too often",
        todo: "lower ArchiveConcurrencyPerHost",
    },
    Row {
        words: &["status 5"],
        means: Cause::SourceFails,
        cause: "the source fails",
        todo: "it is tried again; if it stays, ask the platform",
    },
    Row {
        words: &["took too long (response)"],
        means: Cause::SlowAnswer,
        cause: "the source is slow to answer",
        todo: "an answer may take a tenth of RecordingTimeoutSeconds, and 20 s at least: raise that (up to 900, so 90 s); lower ArchiveConcurrencyPerHost if the host is slow \
               for all",
    },
    Row {
        words: &["took too long (connection)"],
        means: Cause::SlowConnection,
        cause: "the source can't be connected to in time",
        todo: "a connection may take 5 s, which no setting changes; try `curl -v` on the host from the function's region; lower ArchiveConcurrencyPerHost if the host is slow for all",
    },
    Row {
        words: &["stopped sending"],
        means: Cause::StopsSending,
        cause: "the source is slow: it stops in the middle",
        todo: "a body may pause for 20 s, which no setting changes; it is tried again; lower ArchiveConcurrencyPerHost if the host is slow for all",
    },
    Row {
        words: &["took too long", "other URLs would not have been tried"],
        means: Cause::Slow,
        cause: "the source is slow",
        todo: "lower ArchiveConcurrencyPerHost if it is slow for all; raise RecordingTimeoutSeconds (up to 900) if the recordings are long",
    },
    Row {
        words: &["could not be connected to", "TLS with", "the connection to", " bytes of "],
        means: Cause::ConnectionFails,
        cause: "the connection to the source fails or breaks off",
        todo: "try `curl -v` on the host from the function's region; it is tried again",
    },
    Row {
        words: &["markup or JSON", "in place of audio", "is not known as audio", "bytes came", "cut short"],
        means: Cause::NoRecording,
        cause: "what the source sends is no whole recording",
        todo: "look at what the URL gives; it may not be there yet, or be a login page",
    },
    Row {
        words: &["runs of the archiver died"],
        means: Cause::ArchiverDies,
        cause: "the archiver dies over it",
        todo: "see the log's `Task timed out`, `panicked` or out of memory (raise ArchiveMemoryMb); then `callvault archive --call`",
    },
    Row {
        words: &["sends more than"],
        means: Cause::TooLarge,
        cause: "it is larger than MaxRecordingBytes",
        todo: "raise MaxRecordingBytes, deploy, then `callvault archive --call`",
    },
    Row {
        words: &["redirects to what", "not a URL", "carries credentials", "the scheme "],
        means: Cause::UrlUnusable,
        cause: "the platform's URL, or its redirect, can never be fetched",
        todo: "only http and https are fetched, without a user's name and password; have the platform push the call again with another URL: that revives the recording; \
               `callvault calls show` tells which call it is",
    },
    Row {
        words: &["redirected more than"],
        means: Cause::RedirectsEndlessly,
        cause: "the source redirects, and gets nowhere",
        todo: "follow it by `curl -vL` on the URL; three redirects are followed; have the platform push the URL at which the file lies",
    },
];

/// What S3 answers, and what to do, by how the code begins.
const OF_S3: [(&[&str], OfS3, &str); 8] = [
    (
        &["AccessDenied"],
        OfS3::Denied,
        "the policy of the archiver's role, of the bucket, or of the bucket's KMS key does not let it write: see which of them was changed last",
    ),
    (
        &["NoSuchBucket"],
        OfS3::NoBucket,
        "the bucket does not exist: was it removed, or is BUCKET_NAME wrong? Deploy the stack anew; on this machine start `callvault` again",
    ),
    (
        &["KMS."],
        OfS3::KeyRefused,
        "the bucket's KMS key is disabled, about to be deleted, or refused: enable it, and let the archiver's role use it (`kms:GenerateDataKey`, `kms:Decrypt`)",
    ),
    (
        &["InvalidRequest"],
        OfS3::NoLock,
        "RecordingLockDays is set, and the bucket has no Object Lock, most likely: set it to 0, or enable the lock on the bucket",
    ),
    (
        &["SlowDown", "ServiceUnavailable", "RequestTimeout"],
        OfS3::Busy,
        "it passes, and what failed is tried again; if it stays for an hour, lower ArchiveConcurrency",
    ),
    (
        &["InternalError"],
        OfS3::Fails,
        "it passes, and what failed is tried again; on this machine see whether the disk is full (`df`)",
    ),
    (
        &["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"],
        OfS3::Credentials,
        "the credentials or the clock of whoever runs the archiver are wrong",
    ),
    (
        &[NO_ANSWER],
        OfS3::NoAnswer,
        "S3 does not answer: in a VPC see its gateway endpoint for S3 and the routes; see S3_ENDPOINT; on this machine see whether `callvault` runs",
    ),
];
/// What stands in place of a code where no answer came.
const NO_ANSWER: &str = "no answer";

impl Cause {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_sources = CAUSES.iter().map(|row| row.means);
        of_sources.chain(OfS3::ALL.into_iter().map(Self::OfS3)).chain([Self::Other])
    }

    /// Whether anybody can mend it.
    #[must_use]
    pub fn is_mendable(self) -> bool {
        self != Self::Removed
    }

    /// Whether it is not the source's, but the bucket's: then it is the same for all hosts.
    pub(super) fn is_of_the_bucket(self) -> bool {
        matches!(self, Self::OfS3(_))
    }

    fn row(self) -> Option<&'static Row> {
        CAUSES.iter().find(|row| row.means == self)
    }

    /// What it is, in English; `code` is S3's own, where it is S3's.
    pub(super) fn told(self, code: Option<&str>) -> String {
        match (self, self.row()) {
            (_, Some(row)) => row.cause.to_owned(),
            (Self::OfS3(_), None) => format!("S3 refuses or fails: {}", code.unwrap_or(NO_ANSWER)),
            (_, None) => "another reason".to_owned(),
        }
    }

    /// What to do, in English.
    pub(super) fn todo(self) -> &'static str {
        match self {
            Self::OfS3(kind) => OF_S3.iter().find(|(_, known, _)| *known == kind).map_or(
                "look the code up among S3's error responses; what failed is tried again",
                |(_, _, todo)| todo,
            ),
            _ => self.row().map_or(
                "see what it says, and the log's not_archived of that time; it is tried again",
                |row| row.todo,
            ),
        }
    }
}

/// What a reason means.
pub(super) fn of_reason(reason: &str) -> Meaning {
    if let Some((_, rest)) = reason.split_once("the bucket did not ") {
        return of_s3(rest);
    }
    let fits = |row: &&Row| row.words.iter().any(|words| reason.contains(words));
    Meaning { cause: CAUSES.iter().find(fits).map_or(Cause::Other, |row| row.means), code: None }
}

/// What S3 answered: one cause for each code.
fn of_s3(rest: &str) -> Meaning {
    let words = rest.split_once(": ").map_or(rest, |(_, words)| words);
    let first = words.split(';').next().unwrap_or_default().trim();
    // A code is one word. What is more tells that no answer came, and why.
    let code = if first.contains(char::is_whitespace) { NO_ANSWER } else { first };
    let known = OF_S3.iter().find(|(codes, ..)| codes.iter().any(|known| code.starts_with(known)));
    let kind = known.map_or(OfS3::Unknown, |(_, kind, _)| *kind);
    Meaning { cause: Cause::OfS3(kind), code: Some(code.to_owned()) }
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
            ("the host a.example is not allowed", "its host is not in RecordingHosts"),
            (
                "a.example has an address that is refused (loopback)",
                "the host is at an address that is not public",
            ),
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
            let Meaning { cause: known, code } = of_reason(reason);
            assert_eq!(known.told(code.as_deref()), cause, "{reason}");
            assert!(known.is_mendable());
        }
        assert!(!of_reason("the provider has it no more: gone").cause.is_mendable());
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
            let Meaning { cause: known, code } =
                of_reason(&format!("the bucket did not take the recording: {words}"));
            assert_eq!(known.told(code.as_deref()), format!("S3 refuses or fails: {cause}"));
            assert!(known.todo().contains(todo), "{known:?}");
            assert!(Cause::all().any(|cause| cause == known), "{known:?}");
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
