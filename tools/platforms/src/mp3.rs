//! An MP3 file of any length, made as it is read: silent MPEG-1 Layer III frames behind an ID3 tag.
//!
//! At 32 kbit/s and 32 kHz a frame is exactly 144 bytes and 36 ms, so that frames need no padding; the tag
//! takes up what a wanted length leaves over. Silence needs no main data at all, hence all but a frame's head
//! is free ("ancillary data"): it carries a stamp of seed and frame number, so that no two files, and no two
//! places in one, are alike.
//!
//! Formats: ISO/IEC 11172-3 section 2.4, <https://id3.org/id3v2.3.0>.

/// Bytes of the shortest file: the tag and one frame.
pub(super) const MIN_BYTES: u64 = TAG_BYTES + FRAME_BYTES;
/// Bytes of one frame.
pub(super) const FRAME_BYTES: u64 = 144;
/// Milliseconds one frame lasts.
pub(super) const FRAME_MS: u64 = 36;

/// Sync, MPEG-1, Layer III, no CRC; 32 kbit/s, 32 kHz, no padding; mono.
const FRAME_HEADER: [u8; 4] = [0xFF, 0xFB, 0x18, 0xC0];
/// Side information of one channel; all zero: no main data, nothing borrowed from earlier frames.
const SIDE_INFORMATION_BYTES: usize = 17;
const STAMP_AT: usize = FRAME_HEADER.len() + SIDE_INFORMATION_BYTES;

/// The tag's header and its one text frame (a tag must have one), before padding.
const TAG_BYTES: u64 = 30;
const TITLE: &[u8; 9] = b"callvault";

/// Silence, stamped with a seed.
pub(super) struct Silence {
    seed: u64,
    tag: Vec<u8>,
}

impl Silence {
    /// Makes the silence of `seed` for a file of `bytes`, at least [`MIN_BYTES`].
    pub(super) fn new(seed: u64, bytes: u64) -> Silence {
        Silence { seed, tag: tag(bytes.max(MIN_BYTES)) }
    }

    /// Fills `out` with the file's bytes from `offset` on. Frames go on for ever.
    pub(super) fn fill(&self, mut offset: u64, mut out: &mut [u8]) {
        let tag_bytes = self.tag.len() as u64;
        while !out.is_empty() {
            let frame;
            let ready = match offset.checked_sub(tag_bytes) {
                None => &self.tag[offset as usize..],
                Some(in_frames) => {
                    frame = self.frame(in_frames / FRAME_BYTES);
                    &frame[(in_frames % FRAME_BYTES) as usize..]
                }
            };
            let taken = ready.len().min(out.len());
            let (now, later) = out.split_at_mut(taken);
            now.copy_from_slice(&ready[..taken]);
            out = later;
            offset += taken as u64;
        }
    }

    fn frame(&self, number: u64) -> [u8; FRAME_BYTES as usize] {
        let mut frame = [0; FRAME_BYTES as usize];
        frame[..FRAME_HEADER.len()].copy_from_slice(&FRAME_HEADER);
        let mut state = self.seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        for piece in frame[STAMP_AT..].chunks_mut(8) {
            // Seven bits a byte: nothing in it can be taken for a frame's sync, eleven ones.
            let stamp = split_mix(&mut state) & 0x7F7F_7F7F_7F7F_7F7F;
            piece.copy_from_slice(&stamp.to_le_bytes()[..piece.len()]);
        }
        frame
    }
}

/// The ID3 tag that leaves a whole number of frames to a file of `bytes`.
fn tag(bytes: u64) -> Vec<u8> {
    let length = TAG_BYTES + (bytes - TAG_BYTES) % FRAME_BYTES;
    let mut tag = Vec::with_capacity(length as usize);
    tag.extend_from_slice(b"ID3\x03\x00\x00");
    let size = length - 10;
    // "Synchsafe": seven bits a byte.
    tag.extend([21, 14, 7, 0].map(|shift| (size >> shift & 0x7F) as u8));
    tag.extend_from_slice(b"TIT2");
    tag.extend_from_slice(&(1 + TITLE.len() as u32).to_be_bytes());
    tag.extend_from_slice(&[0, 0, 0]); // flags; text is Latin 1
    tag.extend_from_slice(TITLE);
    tag.resize(length as usize, 0);
    tag
}

/// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(seed: u64, bytes: u64) -> Vec<u8> {
        let mut file = vec![0; bytes as usize];
        Silence::new(seed, bytes).fill(0, &mut file);
        file
    }

    /// Reads the tag's length and then frame after frame as a decoder does, and returns how many frames fill
    /// the file.
    fn count_frames(file: &[u8]) -> usize {
        assert_eq!(&file[..3], b"ID3");
        let size = file[6..10].iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
        let mut at = 10 + size;
        let mut frames = 0;
        while at < file.len() {
            assert_eq!(file[at], 0xFF, "frame {frames} starts with its sync");
            assert_eq!(file[at + 1] & 0xFE, 0xFA, "MPEG-1 Layer III");
            let kilobits = [0, 32, 40, 48, 56, 64, 80, 96][usize::from(file[at + 2] >> 4)];
            let hertz = [44_100, 48_000, 32_000][usize::from(file[at + 2] >> 2 & 3)];
            let padding = usize::from(file[at + 2] >> 1 & 1);
            at += 144 * kilobits * 1_000 / hertz + padding;
            frames += 1;
        }
        assert_eq!(at, file.len(), "the last frame is whole");
        frames
    }

    #[test]
    fn frames_fill_any_length() {
        for bytes in [174, 175, 317, 318, 200_000, 200_001] {
            assert_eq!(count_frames(&file(3, bytes)) as u64, (bytes - 30) / 144, "{bytes}");
        }
    }

    #[test]
    fn sync_stands_only_where_a_frame_starts() {
        let file = file(0xDEAD_BEEF, 30 + 1_000 * 144);
        let syncs = file.iter().filter(|byte| **byte == 0xFF).count();
        assert_eq!(syncs, 1_000);
    }

    #[test]
    fn any_window_is_the_same_bytes() {
        let whole = file(7, 5_000);
        let silence = Silence::new(7, 5_000);
        for (from, to) in [(0, 1), (9, 31), (100, 400), (4_999, 5_000)] {
            let mut window = vec![0; to - from];
            silence.fill(from as u64, &mut window);
            assert!(window == whole[from..to], "{from}..{to}");
        }
    }

    #[test]
    fn no_two_frames_are_alike() {
        let file = file(5, 30 + 2 * 144);
        assert_ne!(file[30..174], file[174..]);
    }
}
