//! The checksums that `aws-smithy-checksums` computes by the crate `crc-fast`, which this one stands in for (`[patch.crates-io]`); so does
//! `s3s`, of the tests' and the local stack's object storage.
//!
//! That one chooses among seventy algorithms while it runs, each with tables of its own: 640 KB in every program, 500 KB of each zip, a tenth
//! of all. No linker can tell that three are asked for. S3 gets CRC-32 by default and CRC-64/NVME of a large recording's parts: `crc32fast` and
//! `crc64fast-nvme` compute them by the processor's own instructions. CRC-32C is computed where S3 answers with one, a byte at a time.
//!
//! What these two do not use of that crate is not here: a release that uses more does not compile.

use std::fmt;

/// A checksum of S3's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// CRC-32, as zip has it.
    Crc32IsoHdlc,
    /// CRC-32C, Castagnoli's.
    Crc32Iscsi,
    /// CRC-64/NVME.
    Crc64Nvme,
}

/// Castagnoli's polynomial, its bits turned around.
const ISCSI: u32 = 0x82f6_3b78;

static ISCSI_TABLE: [u32; 256] = table(ISCSI);

/// What each byte does to a checksum.
const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// A checksum under way.
#[derive(Clone)]
pub struct Digest(State);

#[derive(Clone)]
enum State {
    IsoHdlc(crc32fast::Hasher),
    Iscsi(u32),
    Nvme(crc64fast_nvme::Digest),
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Digest").field(&self.finalize()).finish()
    }
}

impl Digest {
    /// Begins one.
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        Self(match algorithm {
            CrcAlgorithm::Crc32IsoHdlc => State::IsoHdlc(crc32fast::Hasher::new()),
            CrcAlgorithm::Crc32Iscsi => State::Iscsi(u32::MAX),
            CrcAlgorithm::Crc64Nvme => State::Nvme(crc64fast_nvme::Digest::new()),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::IsoHdlc(hasher) => hasher.update(bytes),
            State::Iscsi(value) => {
                *value = bytes.iter().fold(*value, |value, byte| {
                    ISCSI_TABLE[usize::from(value.to_le_bytes()[0] ^ byte)] ^ (value >> 8)
                });
            }
            State::Nvme(digest) => digest.write(bytes),
        }
    }

    /// The checksum of all bytes so far; one of 32 bits in the lower half.
    pub fn finalize(&self) -> u64 {
        match &self.0 {
            State::IsoHdlc(hasher) => u64::from(hasher.clone().finalize()),
            State::Iscsi(value) => u64::from(!value),
            State::Nvme(digest) => digest.sum64(),
        }
    }
}

/// The checksum of some bytes.
pub fn checksum(algorithm: CrcAlgorithm, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new(algorithm);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_those_of_the_catalogue() {
        // https://reveng.sourceforge.io/crc-catalogue/all.htm: `check`, of the digits from 1 to 9.
        for (algorithm, check) in [
            (CrcAlgorithm::Crc32IsoHdlc, 0xcbf4_3926),
            (CrcAlgorithm::Crc32Iscsi, 0xe306_9283),
            (CrcAlgorithm::Crc64Nvme, 0xae8b_1486_0a79_9888),
        ] {
            assert_eq!(checksum(algorithm, b"123456789"), check, "{algorithm:?}");
            let mut parts = Digest::new(algorithm);
            for part in [&b"1234"[..], b"", b"56789"] {
                parts.update(part);
            }
            assert_eq!(parts.finalize(), check, "{algorithm:?}");
            assert_eq!(parts.finalize(), check, "to ask changes nothing");
            assert_eq!(checksum(algorithm, b""), 0);
        }
    }
}
