//! Telling audio from what else a server may answer with, by its first bytes. Pure.
//!
//! Storage that refuses a request likes to say so in XML, and a login page comes with status 200: the content type alone
//! proves nothing, so the first bytes decide where they can. What they show to be something else is no recording, whatever it is
//! called. Only bytes that tell nothing, as raw samples do, are taken on the content type's word.

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
    /// XML, HTML, JSON or other text.
    #[error("markup or JSON came in place of audio")]
    Text,
    /// A file of another kind.
    #[error("{0} came in place of audio")]
    Other(&'static str),
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
/// [`NotAudio`]: `Text` and `Other` whatever the content type says.
pub(crate) fn recognize(head: &[u8], content_type: Option<&str>) -> Result<AudioType, NotAudio> {
    // UTF-16 before all else: its byte order mark can pass for the beginning of an MPEG frame.
    if is_utf16_text(head) {
        return Err(NotAudio::Text);
    }
    if let Some(kind) = other_kind(head) {
        return Err(NotAudio::Other(kind));
    }
    if let Some((media_type, extension)) = by_magic(head) {
        return Ok(AudioType { media_type: media_type.to_owned(), extension });
    }
    if is_markup(head) || is_plain_text(head) {
        return Err(NotAudio::Text);
    }
    if head.iter().all(|byte| *byte == 0) {
        return Err(NotAudio::Other("nothing but zeros"));
    }
    match content_type {
        Some(media_type) if media_type.starts_with("audio/") => {
            Ok(AudioType { media_type: media_type.to_owned(), extension: extension_of(media_type) })
        }
        Some(_) | None => Err(NotAudio::Unknown),
    }
}

/// Whether bytes stand at an offset.
fn at(head: &[u8], offset: usize, magic: &[u8]) -> bool {
    head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
}

fn by_magic(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let at = |offset: usize, magic: &[u8]| at(head, offset, magic);
    // Files over 4 GiB are called otherwise.
    if (at(0, b"RIFF") || at(0, b"RF64") || at(0, b"BW64")) && at(8, b"WAVE") {
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

/// Files that a server, a gateway or an account's owner may hand out in place of a recording: what they begin with, where, and their
/// name. Each beginning is so long that raw samples will not have it by chance.
const OTHER_KINDS: [(usize, &[u8], &str); 37] = [
    (0, b"%PDF-", "a PDF"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (0, b"\x1f\x8b\x08", "a gzip file"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"PK\x05\x06", "a ZIP archive"),
    (0, b"PK\x07\x08", "a ZIP archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\xfd7zXZ\0", "an xz file"),
    (0, b"BZh91AY&SY", "a bzip2 file"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file"),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF87a", "a GIF image"),
    (0, b"GIF89a", "a GIF image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (8, b"WEBPVP8", "a WebP image"),
    (8, b"AVI LIST", "a video"),
    (4, b"ftypheic", "a HEIC image"),
    (4, b"ftypheix", "a HEIC image"),
    (4, b"ftypmif1", "a HEIC image"),
    (4, b"ftypmsf1", "a HEIC image"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftypavis", "an AVIF image"),
    (0, b"8BPS\0\x01", "a Photoshop image"),
    (0, b"FLV\x01", "a video"),
    (0, b"\x7fELF", "a program"),
    (0, b"\xcf\xfa\xed\xfe", "a program"),
    (0, b"\xca\xfe\xba\xbe", "a program"),
    (0, b"\0asm\x01\0\0\0", "a program"),
    (0, b"SQLite format 3\0", "a database"),
    (0, b"PAR1", "a Parquet file"),
];

/// What else this is, where that is certain.
fn other_kind(head: &[u8]) -> Option<&'static str> {
    let known = OTHER_KINDS.iter().find(|(offset, magic, _)| at(head, *offset, magic));
    known
        .map(|(_, _, kind)| *kind)
        .or_else(|| is_bitmap(head).then_some("a bitmap"))
        .or_else(|| is_exe(head).then_some("a program"))
}

/// A Windows bitmap: two letters, and then a header that makes sense.
fn is_bitmap(head: &[u8]) -> bool {
    at(head, 0, b"BM") && at(head, 6, &[0; 4]) && at(head, 15, &[0, 0, 0])
}

/// A Windows program: two letters, and the header where they say that it is.
fn is_exe(head: &[u8]) -> bool {
    let place = head.get(60..64).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let place = place.and_then(|bytes| usize::try_from(u32::from_le_bytes(bytes)).ok());
    at(head, 0, b"MZ") && place.is_some_and(|place| at(head, place, b"PE\0\0"))
}

/// Whether an MPEG audio frame begins here: the sync word, and no field with a reserved value.
fn is_mp3_frame(head: &[u8]) -> bool {
    let [0xff, second, third, ..] = head else { return false };
    let (version, layer) = (second >> 3 & 0b11, second >> 1 & 0b11);
    let (bit_rate, sample_rate) = (third >> 4, third >> 2 & 0b11);
    second >> 5 == 0b111 && version != 0b01 && layer != 0b00 && bit_rate != 0b1111 && sample_rate != 0b11
}

/// So much is looked at to tell text from samples.
const TEXT_BYTES: usize = 1_024;
/// And so many characters of UTF-16.
const TEXT_UNITS: usize = 32;

/// Whether this begins like XML, HTML or JSON, in UTF-8 or in another encoding that has ASCII in it. Raw samples may begin with the
/// same byte, but go on with bytes that no text has.
fn is_markup(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let Some((first, rest)) = text.split_first() else { return false };
    let next = rest.trim_ascii_start().first();
    // A few bytes of ASCII, for markup that goes on in, say, GBK.
    let goes_on = |bytes: usize| rest.len() >= bytes && rest[..bytes].iter().all(|byte| is_ascii_text(*byte));
    match first {
        b'<' => {
            let named = rest.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"!?/".contains(byte));
            named && (goes_on(8) || is_utf8_text(text))
        }
        b'{' => next == Some(&b'"') && goes_on(6) || is_utf8_text(text),
        b'[' => next.is_some_and(|byte| b"{\"".contains(byte)) && goes_on(6) || is_utf8_text(text),
        _ => false,
    }
}

/// Whether this is text that says something: words with spaces between, for a kilobyte or to its end. (Samples of silence may be one
/// letter over and over again.)
fn is_plain_text(head: &[u8]) -> bool {
    let looked_at = &head[..head.len().min(TEXT_BYTES)];
    let letters: std::collections::BTreeSet<_> =
        looked_at.iter().filter(|byte| byte.is_ascii_alphanumeric()).collect();
    let spaces = looked_at.iter().filter(|byte| byte.is_ascii_whitespace()).count();
    is_utf8_text(head) && letters.len() >= 6 && spaces * 100 >= looked_at.len()
}

fn is_ascii_text(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) || matches!(byte, b'\t' | b'\r' | b'\n')
}

/// Whether a kilobyte of this, or all of it, is UTF-8 without control characters.
fn is_utf8_text(head: &[u8]) -> bool {
    let looked_at = &head[..head.len().min(TEXT_BYTES)];
    let text = match std::str::from_utf8(looked_at) {
        Ok(text) => text,
        // Cut within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&looked_at[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text.chars().all(|letter| !letter.is_control() || matches!(letter, '\t' | '\r' | '\n'))
}

/// Whether this is text in UTF-16: with a byte order mark, or markup without one.
fn is_utf16_text(head: &[u8]) -> bool {
    let units = |head: &[u8], little: bool| -> Vec<u16> {
        let pairs = head.chunks_exact(2).take(TEXT_UNITS);
        pairs
            .map(|pair| {
                if little {
                    u16::from_le_bytes([pair[0], pair[1]])
                } else {
                    u16::from_be_bytes([pair[0], pair[1]])
                }
            })
            .collect()
    };
    let is_ascii = |unit: &u16| u8::try_from(*unit).is_ok_and(is_ascii_text);
    let marked = |little: bool| {
        let units = units(&head[2..], little);
        let text: Result<String, _> = char::decode_utf16(units.iter().copied()).collect();
        // A pair may be cut in half at the end.
        let text = text.or_else(|_| {
            let all_but_last = &units[..units.len().saturating_sub(1)];
            char::decode_utf16(all_but_last.iter().copied()).collect::<Result<String, _>>()
        });
        let is_text = text.is_ok_and(|text| {
            text.chars().all(|letter| !letter.is_control() || matches!(letter, '\t' | '\r' | '\n'))
        });
        units.len() >= 4 && is_text && units.iter().filter(|unit| is_ascii(unit)).count() * 2 >= units.len()
    };
    let unmarked = |little: bool| {
        let units = units(head, little);
        let mut text =
            units.iter().filter_map(|unit| u8::try_from(*unit).ok()).skip_while(u8::is_ascii_whitespace);
        let begins = match (text.next(), text.next()) {
            (Some(b'<'), Some(next)) => next.is_ascii_alphabetic() || b"!?/".contains(&next),
            (Some(b'{'), Some(next)) => b"\"}".contains(&next) || next.is_ascii_whitespace(),
            (Some(b'['), Some(next)) => b"{[]\"".contains(&next) || next.is_ascii_whitespace(),
            _ => false,
        };
        units.len() >= 8 && begins && units.iter().all(is_ascii)
    };
    if head.starts_with(&[0xff, 0xfe]) {
        marked(true)
    } else if head.starts_with(&[0xfe, 0xff]) {
        marked(false)
    } else {
        unmarked(true) || unmarked(false)
    }
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
    /// Who writes a header before the sound can't know its length, and writes about as much as there can be: `0x7ffff000`, `0xffffffff`.
    const UNKNOWN_BYTES: u64 = 0x7fff_0000;
    let size_at = |offset: usize| -> Option<u64> {
        let bytes = head.get(offset..offset.checked_add(4)?)?;
        Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
    };
    let mut chunk = 12_usize;
    while let Some(name) = head.get(chunk..chunk.checked_add(4)?) {
        let size = size_at(chunk + 4)?;
        if name == b"data" {
            let known = size != 0 && size < UNKNOWN_BYTES;
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

    const SAYS: &str =
        "<!DOCTYPE html><html><head><title>\u{767b}\u{5f55}</title></head><body>Please log in</body></html>";

    fn utf16(text: &str, mark: bool, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let text = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn what_is_recognizably_something_else_is_not_audio_whatever_it_is_called() {
        let json = "{\"code\": 403, \"msg\": \"\u{8bb8}\u{53ef}\"}";
        let xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
        let mut text: Vec<Vec<u8>> = vec![
            // HTML that goes on in GBK.
            [b"<html><title>".as_slice(), b"\xb5\xc7\xc2\xbc", b"</title></html>"].concat(),
            b"{\"msg\":\"\xb5\xc7\xc2\xbc\"}".to_vec(),
            b"404 page not found: the file that you asked for is not here".to_vec(),
            "\u{6587}\u{4ef6} not found, request id 0123456789abcdef".as_bytes().to_vec(),
        ];
        for says in [SAYS, json, xml, "[{\"code\": 1, \"message\": 2}]"] {
            text.push(says.as_bytes().to_vec());
            text.push(format!("\u{feff} \r\n{says}").into_bytes());
            for to_bytes in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
                text.push(utf16(says, true, to_bytes));
            }
        }
        for to_bytes in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            text.push(utf16(xml, false, to_bytes));
            text.push(utf16("{\"code\": 403, \"msg\": \"no\"}", false, to_bytes));
        }
        for text in text {
            for content_type in
                [None, Some("audio/x-wav"), Some("audio/mpeg"), Some("application/octet-stream")]
            {
                check(&text, content_type, Err(NotAudio::Text));
            }
        }
    }

    /// Bytes that go on as a file does: any.
    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut generator = fastrand::Rng::with_seed(seed);
        std::iter::repeat_with(|| generator.u8(..)).take(bytes).collect()
    }

    #[test]
    fn files_of_other_kinds_are_not_audio_whatever_follows_their_beginning() {
        for (offset, magic, kind) in OTHER_KINDS {
            for seed in 0..20 {
                // Formats with the kind further inside begin with other formats' names.
                let begin = match (offset, magic) {
                    (8, _) => b"RIFF\x24\x08\0\0".to_vec(),
                    (4, _) => b"\0\0\0\x20".to_vec(),
                    (offset, _) => {
                        b"some-file-name.wav".iter().copied().chain([0; 300]).take(offset).collect()
                    }
                };
                let head = [&begin, magic, &noise(2_000, seed)].concat();
                for content_type in [None, Some("audio/x-wav"), Some("audio/l16")] {
                    check(&head, content_type, Err(NotAudio::Other(kind)));
                }
            }
        }
        let mut bitmap = b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        bitmap.extend(noise(100, 1));
        check(&bitmap, Some("audio/basic"), Err(NotAudio::Other("a bitmap")));
        let mut program = b"MZ".iter().copied().chain([0x90; 58]).chain([64, 0, 0, 0]).collect::<Vec<u8>>();
        program.extend(b"PE\0\0");
        check(&program, Some("audio/basic"), Err(NotAudio::Other("a program")));
        check(&[0; 200], Some("audio/x-wav"), Err(NotAudio::Other("nothing but zeros")));
    }

    /// What platforms send: each with sound that follows from the seed.
    fn sound(kind: u8, seed: u64) -> (Vec<u8>, &'static str) {
        let samples = noise(4_000, seed);
        // A tone that begins softly, as G.711 A-law and mu-law and as 16-bit samples hold it.
        let quiet = |n: usize| ((n as f64 / 7.0 + seed as f64).sin() * (n as f64 / 40.0).min(60.0)) as i16;
        let mu_law = |sample: i16| {
            if sample < 0 { 0x7f - (-sample).min(0x7f) as u8 } else { 0xff - sample.min(0x7f) as u8 }
        };
        match kind {
            0 => ([wav(4_000), samples].concat(), "wav"),
            // Silence in a sound header is a recording of silence.
            1 => ([wav(4_000), vec![0; 4_000]].concat(), "wav"),
            2 => {
                let mut g711 = wav(4_000);
                g711[20] = if seed.is_multiple_of(2) { 6 } else { 7 };
                ([g711, samples].concat(), "wav")
            }
            3 => ([b"ID3\x04\0\0\0\0\x02\x01".to_vec(), samples].concat(), "mp3"),
            4 => ([b"\xff\xfb\x90\x64".to_vec(), samples].concat(), "mp3"),
            5 => ([b"#!AMR\n".to_vec(), samples].concat(), "amr"),
            6 => ([b"#!AMR-WB\n".to_vec(), samples].concat(), "amr"),
            7 => ([b"OggS\0\x02".to_vec(), samples].concat(), "ogg"),
            8 => ([b"fLaC\0\0\0\x22".to_vec(), samples].concat(), "flac"),
            9 => {
                let brands: [&[u8]; 5] = [b"M4A ", b"isom", b"mp42", b"dash", b"qt  "];
                let brand = brands[usize::try_from(seed % 5).unwrap()];
                ([b"\0\0\0\x20ftyp".to_vec(), brand.to_vec(), samples].concat(), "m4a")
            }
            10 => ((0..4_000).map(|n| mu_law(quiet(n))).collect(), UNKNOWN_EXTENSION),
            11 => ((0..4_000).map(|n| mu_law(quiet(n)) ^ 0x55).collect(), UNKNOWN_EXTENSION),
            12 => ((0..2_000).flat_map(|n| quiet(n).to_le_bytes()).collect(), UNKNOWN_EXTENSION),
            13 => ((0..2_000).flat_map(|n| quiet(n).to_be_bytes()).collect(), UNKNOWN_EXTENSION),
            // Silence of G.711.
            14 => {
                (vec![[0xff, 0x7f, 0xd5, 0x55][usize::try_from(seed % 4).unwrap()]; 4_000], UNKNOWN_EXTENSION)
            }
            // Zeros to begin with, as before somebody speaks.
            _ => ([vec![0; 2_000], vec![1, 0, 0xff, 0xff]].concat(), UNKNOWN_EXTENSION),
        }
    }

    #[test]
    fn real_audio_of_every_kind_passes() {
        for kind in 0..=15 {
            for seed in 0..50 {
                let (head, extension) = sound(kind, seed);
                let found = recognize(&head, Some("audio/x-unheard-of"));
                let found = found.unwrap_or_else(|error| panic!("{error}: kind {kind}, seed {seed}"));
                assert_eq!(found.extension, extension, "kind {kind}, seed {seed}");
            }
        }
    }

    #[test]
    fn raw_samples_pass_though_they_begin_as_markup_does() {
        for first in [b'<', b'{', b'['] {
            for seed in 0..200 {
                let head = [vec![first], sound(10, seed).0].concat();
                check(&head, Some("audio/basic"), Ok(("audio/basic", "au")));
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
        check(b"Not found", Some("text/plain"), Err(NotAudio::Text));
        check(b"RIFF\0\0\0\0AVI ", None, Err(NotAudio::Unknown));
    }

    #[test]
    fn a_wav_header_claims_its_length() {
        assert_eq!(claimed_bytes(&wav(1_000)), Some(1_044));
        let mut with_list = wav(0)[..36].to_vec();
        with_list.extend(b"LIST\x03\0\0\0abc\0data\x0a\0\0\0");
        assert_eq!(claimed_bytes(&with_list), Some(36 + 12 + 8 + 10));
        for unknown in [
            wav(0),
            wav(u32::MAX),
            wav(0x7fff_f000),
            wav(0x8000_0000),
            wav(7)[..40].to_vec(),
            b"ID3".to_vec(),
            Vec::new(),
        ] {
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
