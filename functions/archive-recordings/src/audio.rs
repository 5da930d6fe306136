//! Telling audio from what else a server may answer with, by its first bytes. Pure.
//!
//! Storage that refuses a request likes to say so in XML, and a login page comes with status 200: the content type alone
//! proves nothing, so the first bytes decide where they can.

/// A kind of audio file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AudioType {
    /// Its media type.
    pub(crate) media_type: String,
    /// What its file names end in, without a dot.
    pub(crate) extension: &'static str,
}

/// What came is not a recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAudio {
    /// Nothing came, or next to nothing.
    #[error("only {bytes} bytes came: an empty recording")]
    TooSmall {
        /// How many.
        bytes: u64,
    },
    /// XML, HTML or JSON.
    #[error("markup or JSON came in place of audio")]
    Text,
    /// Neither the bytes nor the content type are those of audio.
    #[error("what came is not known as audio")]
    Unknown,
}

/// Every extension that [`recognize`] gives: how an archived recording's key may end.
pub(crate) const EXTENSIONS: [&str; 9] =
    ["wav", "mp3", "ogg", "flac", "m4a", "amr", "aac", "au", UNKNOWN_EXTENSION];
/// For a media type that has no extension here.
const UNKNOWN_EXTENSION: &str = "audio";

/// Recognizes a file by its first bytes, or, where they tell nothing, by the content type it was served with.
///
/// # Errors
/// [`NotAudio`]: `Text` whatever the content type says.
pub(crate) fn recognize(head: &[u8], content_type: Option<&str>) -> Result<AudioType, NotAudio> {
    if let Some((media_type, extension)) = by_magic(head) {
        return Ok(AudioType { media_type: media_type.to_owned(), extension });
    }
    if is_text(head) {
        return Err(NotAudio::Text);
    }
    match content_type {
        Some(media_type) if media_type.starts_with("audio/") => {
            Ok(AudioType { media_type: media_type.to_owned(), extension: extension_of(media_type) })
        }
        Some(_) | None => Err(NotAudio::Unknown),
    }
}

fn by_magic(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    if at(0, b"RIFF") && at(8, b"WAVE") {
        Some(("audio/x-wav", "wav"))
    } else if at(0, b"ID3") || is_mp3_frame(head) {
        Some(("audio/mpeg", "mp3"))
    } else if at(0, b"OggS") {
        Some(("audio/ogg", "ogg"))
    } else if at(0, b"fLaC") {
        Some(("audio/flac", "flac"))
    } else if at(4, b"ftyp") {
        Some(("audio/mp4", "m4a"))
    } else if at(0, b"#!AMR") {
        Some(("audio/amr", "amr"))
    } else if at(0, b".snd") {
        Some(("audio/basic", "au"))
    } else if matches!(head, [0xff, second, ..] if second & 0xf6 == 0xf0) {
        Some(("audio/aac", "aac")) // ADTS
    } else {
        None
    }
}

/// Whether an MPEG audio frame begins here: the sync word, and no field with a reserved value.
fn is_mp3_frame(head: &[u8]) -> bool {
    let [0xff, second, third, ..] = head else { return false };
    let (version, layer) = (second >> 3 & 0b11, second >> 1 & 0b11);
    let (bit_rate, sample_rate) = (third >> 4, third >> 2 & 0b11);
    second >> 5 == 0b111 && version != 0b01 && layer != 0b00 && bit_rate != 0b1111 && sample_rate != 0b11
}

/// Whether this begins like XML, HTML or JSON. Raw samples may begin with the same byte, but go on with bytes that no text has.
fn is_text(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = head.trim_ascii_start();
    let begins = matches!(text, [b'<' | b'{' | b'[', ..]);
    begins && text.iter().take(64).all(|byte| *byte >= b' ' || byte.is_ascii_whitespace())
}

fn extension_of(media_type: &str) -> &'static str {
    match media_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/mpeg" | "audio/mp3" | "audio/x-mp3" => "mp3",
        "audio/ogg" | "audio/opus" => "ogg",
        "audio/flac" | "audio/x-flac" => "flac",
        "audio/mp4" | "audio/x-m4a" | "audio/m4a" => "m4a",
        "audio/amr" | "audio/amr-wb" => "amr",
        "audio/aac" | "audio/aacp" => "aac",
        "audio/basic" => "au",
        _ => UNKNOWN_EXTENSION,
    }
}

/// How many bytes a WAV file must have for all the sound that its header tells of; `None` where the header tells nothing: not
/// WAV, or written by a recorder that did not know yet (sizes of 0 or of all ones).
///
/// Format: <http://soundfile.sapp.org/doc/WaveFormat/>
pub(crate) fn claimed_bytes(head: &[u8]) -> Option<u64> {
    if !(head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE")) {
        return None;
    }
    let size_at = |offset: usize| -> Option<u64> {
        let bytes = head.get(offset..offset.checked_add(4)?)?;
        Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
    };
    let mut chunk = 12_usize;
    while let Some(name) = head.get(chunk..chunk.checked_add(4)?) {
        let size = size_at(chunk + 4)?;
        if name == b"data" {
            let known = size != 0 && size < u64::from(u32::MAX);
            return known.then_some(chunk as u64 + 8 + size);
        }
        // Chunks are padded to an even length.
        chunk = chunk.checked_add(8)?.checked_add(usize::try_from(size + size % 2).ok()?)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wav(data: u32) -> Vec<u8> {
        let mut header =
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0".to_vec();
        header.extend(b"data");
        header.extend(data.to_le_bytes());
        header
    }

    fn check(head: &[u8], content_type: Option<&str>, expected: Result<(&str, &str), NotAudio>) {
        let found = recognize(head, content_type);
        let found = found.as_ref().map(|found| (found.media_type.as_str(), found.extension));
        assert_eq!(found.map_err(Clone::clone), expected, "{head:x?}, {content_type:?}");
    }

    #[test]
    fn first_bytes_decide_whatever_the_content_type_says() {
        for content_type in [None, Some("audio/amr"), Some("application/octet-stream"), Some("text/plain")] {
            check(&wav(8), content_type, Ok(("audio/x-wav", "wav")));
            check(b"ID3\x04\0\0\0\0\0\0", content_type, Ok(("audio/mpeg", "mp3")));
            check(b"\xff\xfb\x90\x64\0\0", content_type, Ok(("audio/mpeg", "mp3")));
            check(b"\xff\xf3\x40\xc4\0\0", content_type, Ok(("audio/mpeg", "mp3")));
            check(b"OggS\0\x02", content_type, Ok(("audio/ogg", "ogg")));
            check(b"fLaC\0\0", content_type, Ok(("audio/flac", "flac")));
            check(b"\0\0\0\x20ftypM4A ", content_type, Ok(("audio/mp4", "m4a")));
            check(b"#!AMR\n", content_type, Ok(("audio/amr", "amr")));
            check(b".snd\0\0\0\x18", content_type, Ok(("audio/basic", "au")));
            check(b"\xff\xf1\x50\x80", content_type, Ok(("audio/aac", "aac")));
        }
    }

    #[test]
    fn markup_is_never_audio() {
        for text in [
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
            "\u{feff}<?xml version=\"1.0\"?>",
            "\n  <!DOCTYPE html><html>",
            "{\"code\": 403}",
            "{}",
            " [1]",
        ] {
            for content_type in [None, Some("audio/x-wav"), Some("text/html")] {
                check(text.as_bytes(), content_type, Err(NotAudio::Text));
            }
        }
    }

    #[test]
    fn content_type_decides_where_the_bytes_tell_nothing() {
        let samples = b"<\0\x01\xff{\0";
        check(samples, Some("audio/l16"), Ok(("audio/l16", "audio")));
        check(samples, Some("audio/basic"), Ok(("audio/basic", "au")));
        check(samples, Some("application/octet-stream"), Err(NotAudio::Unknown));
        check(samples, None, Err(NotAudio::Unknown));
        check(b"Not found", Some("text/plain"), Err(NotAudio::Unknown));
        check(b"RIFF\0\0\0\0AVI ", None, Err(NotAudio::Unknown));
    }

    #[test]
    fn a_wav_header_claims_its_length() {
        assert_eq!(claimed_bytes(&wav(1_000)), Some(1_044));
        let mut with_list = wav(0)[..36].to_vec();
        with_list.extend(b"LIST\x03\0\0\0abc\0data\x0a\0\0\0");
        assert_eq!(claimed_bytes(&with_list), Some(36 + 12 + 8 + 10));
        for unknown in [wav(0), wav(u32::MAX), wav(7)[..40].to_vec(), b"ID3".to_vec(), Vec::new()] {
            assert_eq!(claimed_bytes(&unknown), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(head in proptest::collection::vec(any::<u8>(), 0..200), wave in any::<bool>()) {
            let head = if wave { [b"RIFF\0\0\0\0WAVE".as_slice(), &head].concat() } else { head };
            claimed_bytes(&head);
            if let Ok(found) = recognize(&head, Some("audio/whatever")) {
                prop_assert!(EXTENSIONS.contains(&found.extension));
            }
        }
    }
}
