//! What S3 says about an object's bytes: its `ETag` and its checksum, for whole objects, for parts, and for what parts become.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use serde::{Deserialize, Serialize};

/// The checksum algorithms of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    /// `CRC32`
    Crc32,
    /// `CRC32C`
    Crc32c,
    /// `CRC64NVME`: what S3 computes where a client asks for nothing.
    Crc64Nvme,
    /// `SHA1`
    Sha1,
    /// `SHA256`
    Sha256,
}

impl Algorithm {
    pub(super) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Reads the name used in requests, in capitals or not.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Returns the name used in requests and answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Returns the header, or trailer, that carries this checksum.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }
}

/// Over what the checksum of an object uploaded in parts was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Scope {
    /// All its bytes.
    FullObject,
    /// The checksums of its parts.
    Composite,
}

impl Scope {
    /// Returns the name used in requests and answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

/// An object's checksum: base64, with `-<number of parts>` behind it where it is a composite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    pub(super) scope: Scope,
    pub(super) value: String,
}

/// One hasher of any of the algorithms.
enum Hasher {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(Crc32::new()),
            Algorithm::Crc32c => Self::Crc32c(Crc32c::new()),
            Algorithm::Crc64Nvme => Self::Crc64Nvme(Crc64Nvme::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(data),
            Self::Crc32c(hasher) => hasher.update(data),
            Self::Crc64Nvme(hasher) => hasher.update(data),
            Self::Sha1(hasher) => hasher.update(data),
            Self::Sha256(hasher) => hasher.update(data),
        }
    }

    fn base64(self) -> String {
        match self {
            Self::Crc32(hasher) => BASE64_STANDARD.encode(hasher.finalize()),
            Self::Crc32c(hasher) => BASE64_STANDARD.encode(hasher.finalize()),
            Self::Crc64Nvme(hasher) => BASE64_STANDARD.encode(hasher.finalize()),
            Self::Sha1(hasher) => BASE64_STANDARD.encode(hasher.finalize()),
            Self::Sha256(hasher) => BASE64_STANDARD.encode(hasher.finalize()),
        }
    }
}

/// Computes one checksum of bytes as they pass.
pub(super) struct Summing {
    algorithm: Algorithm,
    hasher: Hasher,
}

impl Summing {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, hasher: Hasher::new(algorithm) }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        self.hasher.update(data);
    }

    pub(super) fn finish(self) -> Checksum {
        Checksum { algorithm: self.algorithm, scope: Scope::FullObject, value: self.hasher.base64() }
    }
}

/// Hashes bytes as they pass: MD5 for the `ETag`, and one checksum.
pub(super) struct Digester {
    md5: Md5,
    checksum: Summing,
    length: u64,
}

/// What a [`Digester`] found.
#[derive(Debug, Clone)]
pub(super) struct Digest {
    /// Number of bytes.
    pub(super) length: u64,
    /// Their MD5.
    pub(super) md5: [u8; 16],
    /// Their checksum.
    pub(super) checksum: Checksum,
}

impl Digest {
    /// Returns the `ETag`, without quotes, of an object or a part with these bytes.
    pub(super) fn etag(&self) -> String {
        hex::encode(self.md5)
    }
}

impl Digester {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { md5: Md5::new(), checksum: Summing::new(algorithm), length: 0 }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        self.checksum.update(data);
        self.length += data.len() as u64;
    }

    pub(super) fn finish(self) -> Digest {
        Digest { length: self.length, md5: self.md5.finalize(), checksum: self.checksum.finish() }
    }
}

/// Returns the `ETag` (without quotes) of an object put together from parts with these: the MD5 of their MD5s, and their
/// number.
///
/// `None` where one of them is not the `ETag` of a part.
pub(super) fn composite_etag<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    let count = parts.len();
    let mut md5 = Md5::new();
    for etag in parts {
        md5.update(&hex::decode(etag).ok()?);
    }
    Some(format!("{}-{count}", hex::encode(md5.finalize())))
}

/// Returns the checksum of an object put together from parts with these (base64).
///
/// `None` where one of them is not base64.
pub(super) fn composite_checksum<'a>(
    algorithm: Algorithm,
    parts: impl ExactSizeIterator<Item = &'a str>,
) -> Option<Checksum> {
    let count = parts.len();
    let mut hasher = Hasher::new(algorithm);
    for checksum in parts {
        hasher.update(&BASE64_STANDARD.decode(checksum).ok()?);
    }
    Some(Checksum { algorithm, scope: Scope::Composite, value: format!("{}-{count}", hasher.base64()) })
}
