//! What compressed bodies say that were kept as they came. Pure.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// What a compressed body may come to, in bytes. Lambda takes no body of more than 6 MB; what comes to more is made to.
const MAX_DECODED_BYTES: u64 = 256 * 1024 * 1024;

/// What the body of a reject says: gzip and deflate are decoded. `is_text` where it was kept as text; `reason` is why it was rejected.
///
/// # Errors
/// In words, where it was compressed and can't be decoded.
pub(super) fn plain(bytes: Vec<u8>, is_text: bool, reason: &str) -> Result<Vec<u8>, &'static str> {
    if is_text {
        return Ok(bytes);
    }
    match decoded(&bytes) {
        Decoded::Plain if reason.contains("Content-Encoding") && !is_text_of_its_own(&bytes) => {
            Err("its compressed body can't be decoded here")
        }
        Decoded::Plain => Ok(bytes),
        Decoded::From(plain) => Ok(plain),
        Decoded::Broken => Err("its compressed body can't be read to its end"),
    }
}

enum Decoded {
    /// It is not compressed.
    Plain,
    /// This is what was compressed.
    From(Vec<u8>),
    /// It was compressed, and is damaged, or in a way that is not known here.
    Broken,
}

/// What a body says that is no text: gzip and deflate are decoded.
fn decoded(bytes: &[u8]) -> Decoded {
    let read = |reader: &mut dyn Read| {
        let mut plain = Vec::new();
        let read = reader.take(MAX_DECODED_BYTES + 1).read_to_end(&mut plain);
        let is_whole =
            read.is_ok() && u64::try_from(plain.len()).is_ok_and(|length| length <= MAX_DECODED_BYTES);
        (plain, is_whole)
    };
    match bytes {
        [0x1f, 0x8b, ..] => match read(&mut MultiGzDecoder::new(bytes)) {
            (plain, true) => Decoded::From(plain),
            (_, false) => Decoded::Broken,
        },
        // Zstandard.
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Decoded::Broken,
        [first, second, ..]
            if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0 =>
        {
            match read(&mut ZlibDecoder::new(bytes)) {
                (plain, true) => Decoded::From(plain),
                // Text may begin like this, too.
                (_, false) if is_text_of_its_own(bytes) => Decoded::Plain,
                (_, false) => Decoded::Broken,
            }
        }
        // Without any mark: it is, if all of it can be read and is text then.
        _ => {
            let mut decoder = DeflateDecoder::new(bytes);
            let (plain, is_whole) = read(&mut decoder);
            let is_all = is_whole && u64::try_from(bytes.len()) == Ok(decoder.total_in());
            match is_all && !plain.is_empty() && std::str::from_utf8(&plain).is_ok() {
                true => Decoded::From(plain),
                false => Decoded::Plain,
            }
        }
    }
}

/// Whether bytes are text in some encoding, as far as that matters here: mostly ASCII, or ASCII with NULs between.
fn is_text_of_its_own(bytes: &[u8]) -> bool {
    let ascii = bytes.iter().filter(|byte| matches!(byte, 0 | b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    ascii * 4 >= bytes.len() * 3
}
