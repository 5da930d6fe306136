//! A WAV file of any length, made as it is read: a tone, PCM, 16 bit, 8 kHz, mono, behind the canonical
//! 44-byte header.
//!
//! Format: <http://soundfile.sapp.org/doc/WaveFormat/>.

use std::f64::consts::TAU;

/// Bytes of the header, which is also the shortest file.
pub(super) const HEADER_BYTES: u64 = 44;
/// Bytes of one second of sound.
pub(super) const BYTES_PER_SECOND: u64 = SAMPLES_PER_SECOND as u64 * BYTES_PER_SAMPLE as u64;

const SAMPLES_PER_SECOND: u32 = 8_000;
const BYTES_PER_SAMPLE: u16 = 2;

/// A tone whose pitch, loudness and phase follow from a seed.
pub(super) struct Tone {
    header: [u8; HEADER_BYTES as usize],
    /// One second of it. The pitch is a whole number of hertz, so a second joins the next without a click.
    second: Vec<u8>,
}

impl Tone {
    /// Makes the tone of `seed` for a file of `bytes`. A sample takes two bytes: an odd last byte lies behind
    /// the sound.
    pub(super) fn new(seed: u64, bytes: u64) -> Tone {
        let hertz = 300 + (seed % 2_801) as u32;
        let amplitude = 4_000.0 + ((seed >> 16) % 16_384) as f64;
        let phase = ((seed >> 32) % 65_536) as f64 / 65_536.0;
        let second = (0..SAMPLES_PER_SECOND)
            .flat_map(|sample| {
                let turns = f64::from(hertz * sample % SAMPLES_PER_SECOND) / f64::from(SAMPLES_PER_SECOND);
                let level = (TAU * (turns + phase)).sin() * amplitude;
                (level.round() as i16).to_le_bytes()
            })
            .collect();
        Tone { header: header(bytes), second }
    }

    /// Fills `out` with the file's bytes from `offset` on. The tone has no end of its own.
    pub(super) fn fill(&self, mut offset: u64, mut out: &mut [u8]) {
        while !out.is_empty() {
            let ready = match offset.checked_sub(HEADER_BYTES) {
                None => &self.header[offset as usize..],
                Some(in_sound) => &self.second[(in_sound % BYTES_PER_SECOND) as usize..],
            };
            let taken = ready.len().min(out.len());
            let (now, later) = out.split_at_mut(taken);
            now.copy_from_slice(&ready[..taken]);
            out = later;
            offset += taken as u64;
        }
    }
}

/// The header of a file of `bytes` in all. Sizes are 32 bits wide: a longer file says as much as they can.
pub(super) fn header(bytes: u64) -> [u8; HEADER_BYTES as usize] {
    let sound = bytes.saturating_sub(HEADER_BYTES) & !1;
    let clipped = |size: u64| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
    let mut header = [0; HEADER_BYTES as usize];
    header[0..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&clipped(sound + HEADER_BYTES - 8));
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16_u32.to_le_bytes()); // the format's own size
    header[20..22].copy_from_slice(&1_u16.to_le_bytes()); // PCM
    header[22..24].copy_from_slice(&1_u16.to_le_bytes()); // channels
    header[24..28].copy_from_slice(&SAMPLES_PER_SECOND.to_le_bytes());
    header[28..32].copy_from_slice(&(BYTES_PER_SECOND as u32).to_le_bytes());
    header[32..34].copy_from_slice(&BYTES_PER_SAMPLE.to_le_bytes());
    header[34..36].copy_from_slice(&(8 * BYTES_PER_SAMPLE).to_le_bytes());
    header[36..40].copy_from_slice(b"data");
    header[40..44].copy_from_slice(&clipped(sound));
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(seed: u64, bytes: u64) -> Vec<u8> {
        let mut file = vec![0; bytes as usize];
        Tone::new(seed, bytes).fill(0, &mut file);
        file
    }

    #[test]
    fn header_says_what_follows() {
        let file = file(1, 44 + 32_000);
        let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!(&file[0..4], b"RIFF");
        assert_eq!(u32_at(4) as usize, file.len() - 8);
        assert_eq!(&file[8..16], b"WAVEfmt ");
        assert_eq!((u32_at(24), u32_at(28)), (8_000, 16_000));
        assert_eq!(&file[36..40], b"data");
        assert_eq!(u32_at(40), 32_000);
        assert_eq!(file[44..16_044], file[16_044..32_044], "each second is like the last");
        assert!(file[44..].iter().any(|byte| *byte != 0), "it is not silent");
    }

    #[test]
    fn any_window_is_the_same_bytes() {
        let whole = file(7, 50_001);
        let tone = Tone::new(7, 50_001);
        for (from, to) in [(0, 1), (43, 45), (16_000, 50_001), (12_345, 33_333)] {
            let mut window = vec![0; to - from];
            tone.fill(from as u64, &mut window);
            assert!(window == whole[from..to], "{from}..{to}");
        }
    }

    #[test]
    fn odd_length_leaves_whole_samples() {
        assert_eq!(header(101)[40..44], 56_u32.to_le_bytes());
    }

    #[test]
    fn size_beyond_32_bits_is_clipped() {
        assert_eq!(header(1 << 33)[40..44], u32::MAX.to_le_bytes());
    }
}
