//! A recording: its name, its length, who may fetch it, and its bytes, which follow from the name and are
//! made as they are read.

use super::fault::Fault;
use super::mp3::{self, Silence};
use super::wav::{self, Tone};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

/// The longest recording, in bytes: what a WAV header can say.
pub const MAX_BYTES: u64 = u32::MAX as u64;

/// Bytes made at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A recording the simulator serves at `/recordings/<name>`.
///
/// Everything about it that is not said follows from its name: `.mp3` makes an MP3, all else a WAV, of 3 to
/// 12 seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    name: String,
    bytes: u64,
    access: Access,
    latency: Duration,
    fault: Option<Fault>,
}

/// Who may fetch a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever has a signed URL that has not expired, as in a private OSS bucket.
    Signed,
    /// Anyone; but a URL that carries a signature must carry a good one.
    Public,
}

/// The two formats the platforms record in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PCM, 16 bit, 8 kHz, mono.
    Wav,
    /// MPEG-1 Layer III, 32 kbit/s, 32 kHz, mono.
    Mp3,
}

impl Recording {
    /// Makes a recording that needs a signed URL.
    pub fn new(name: impl Into<String>) -> Recording {
        let name = name.into();
        let seconds = 3 + seed(&name) % 10;
        Recording { name, bytes: 0, access: Access::Signed, latency: Duration::ZERO, fault: None }
            .seconds(seconds)
    }

    /// Sets its exact length in bytes, within what the format can have (an empty WAV's 44, a one-frame MP3's
    /// 174) and [`MAX_BYTES`].
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Recording {
        let least = match self.format() {
            Format::Wav => wav::HEADER_BYTES,
            Format::Mp3 => mp3::MIN_BYTES,
        };
        self.bytes = bytes.clamp(least, MAX_BYTES);
        self
    }

    /// Sets its length in seconds of sound (an MP3's rounded down to whole frames of 36 ms).
    #[must_use]
    pub fn seconds(self, seconds: u64) -> Recording {
        let bytes = match self.format() {
            Format::Wav => seconds.saturating_mul(wav::BYTES_PER_SECOND).saturating_add(wav::HEADER_BYTES),
            Format::Mp3 => {
                let frames = (seconds.saturating_mul(1_000) / mp3::FRAME_MS).max(1);
                frames.saturating_mul(mp3::FRAME_BYTES).saturating_add(mp3::MIN_BYTES - mp3::FRAME_BYTES)
            }
        };
        self.bytes(bytes)
    }

    /// Lets anyone fetch it, without a signature.
    #[must_use]
    pub fn public(mut self) -> Recording {
        self.access = Access::Public;
        self
    }

    /// Lets so much time pass before each answer, as a continent does.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Recording {
        self.latency = latency;
        self
    }

    /// Returns how much time passes before each answer.
    pub(super) fn waits(&self) -> Duration {
        self.latency
    }

    /// Makes it misbehave.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Recording {
        self.fault = Some(fault);
        self
    }

    /// Returns its name, the last part of its URL before percent-encoding.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the length, in bytes, of the sound file.
    pub fn length(&self) -> u64 {
        self.bytes
    }

    /// Returns who may fetch it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Returns how it misbehaves, if it does.
    pub fn misbehaves(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Returns its format, which its name decides.
    pub fn format(&self) -> Format {
        if self.name.ends_with(".mp3") { Format::Mp3 } else { Format::Wav }
    }

    /// Returns the media type it is served with.
    pub fn media_type(&self) -> &'static str {
        match self.format() {
            Format::Wav => "audio/x-wav",
            Format::Mp3 => "audio/mpeg",
        }
    }

    /// Returns a tag that changes with the bytes. (OSS's is the MD5 of the bytes, which would mean making
    /// them all for a `HEAD`.)
    pub fn etag(&self) -> String {
        let digest = Sha256::digest(format!("{}\n{}", self.name, self.bytes));
        format!("\"{}\"", hex::encode_upper(&digest[..16]))
    }

    /// Returns the bytes from `from` up to, not including, `to`, in chunks; `to` may lie behind the file's
    /// end, the sound goes on.
    pub(super) fn pour(&self, from: u64, to: u64) -> Pour {
        let seed = seed(&self.name);
        let audio = match self.format() {
            Format::Wav => Audio::Wav(Tone::new(seed, self.bytes)),
            Format::Mp3 => Audio::Mp3(Silence::new(seed, self.bytes)),
        };
        Pour { audio, at: from, end: to, most: CHUNK_BYTES }
    }
}

/// Returns the SHA-256, in hex, of a recording's whole file, without serving it: the truth to hold a copy
/// against.
pub fn sha256_of(recording: &Recording) -> String {
    let mut hasher = Sha256::new();
    for chunk in recording.pour(0, recording.length()) {
        hasher.update(&chunk);
    }
    hex::encode(hasher.finalize())
}

enum Audio {
    Wav(Tone),
    Mp3(Silence),
}

/// A recording's bytes, a chunk at a time.
pub(super) struct Pour {
    audio: Audio,
    at: u64,
    end: u64,
    most: u64,
}

impl Pour {
    /// Makes the chunks at most so many bytes.
    pub(super) fn in_chunks_of(mut self, bytes: u64) -> Pour {
        self.most = bytes.max(1);
        self
    }

    /// True when everything was poured.
    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.end
    }
}

impl Iterator for Pour {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.is_empty() {
            return None;
        }
        let mut chunk = BytesMut::zeroed(self.most.min(self.end - self.at) as usize);
        match &self.audio {
            Audio::Wav(tone) => tone.fill(self.at, &mut chunk),
            Audio::Mp3(silence) => silence.fill(self.at, &mut chunk),
        }
        self.at += chunk.len() as u64;
        Some(chunk.freeze())
    }
}

/// What the name decides: the first bytes of its SHA-256.
fn seed(name: &str) -> u64 {
    let digest = Sha256::digest(name);
    digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_format_and_bytes() {
        let recording = Recording::new("a.wav");
        assert_eq!(recording.format(), Format::Wav);
        assert_eq!(Recording::new("a.mp3").format(), Format::Mp3);
        assert_eq!(sha256_of(&recording), sha256_of(&Recording::new("a.wav")));
        let other = Recording::new("b.wav").bytes(recording.length());
        assert_ne!(sha256_of(&recording), sha256_of(&other));
        assert_ne!(recording.etag(), other.etag());
        assert_ne!(recording.etag(), recording.clone().bytes(1_000).etag());
    }

    #[test]
    fn lengths_are_exact_and_bounded() {
        assert_eq!(Recording::new("a.wav").seconds(2).length(), 32_044);
        assert_eq!(Recording::new("a.mp3").seconds(36).length(), 30 + 144 * 1_000);
        assert_eq!(Recording::new("a.mp3").bytes(200_000).length(), 200_000);
        assert_eq!(Recording::new("a.wav").bytes(0).length(), 44);
        assert_eq!(Recording::new("a.mp3").bytes(0).length(), 174);
        assert_eq!(Recording::new("a.wav").seconds(u64::MAX).length(), MAX_BYTES);
    }

    #[test]
    fn chunks_make_up_the_file() {
        let recording = Recording::new("a.mp3").bytes(150_001);
        let chunks: Vec<Bytes> = recording.pour(0, 150_001).collect();
        assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [65_536, 65_536, 18_929]);
        assert_eq!(hex::encode(Sha256::digest(chunks.concat())), sha256_of(&recording));
    }
}
