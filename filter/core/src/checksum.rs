//! What a client says of its payload, and whether it is so: `x-amz-content-sha256`,
//! `Content-MD5`, and S3's checksums in a header or a trailer.
//!
//! A checksum travels as standard base64 of its bytes, integers most significant byte first, in a
//! field named after its algorithm ([Checking object integrity]):
//!
//! ```text
//! x-amz-checksum-crc32c: 4waSgw==         the CRC-32C of "123456789", e3069283
//! ```
//!
//! A request has at most one of them. It comes either in the head, or after the body in a trailer
//! that `x-amz-trailer` announces in the head. Each byte is hashed once by each algorithm that is
//! asked for, and by no other; where the client gave no checksum, CRC64NVME is computed as S3 does.
//!
//! Checksums of parts put together (`…-N`) are not payload checksums and are refused as values.
//!
//! [Checking object integrity]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc::Crc;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use xxhash_rust::xxh3::Xxh3Default;
use xxhash_rust::xxh64::Xxh64;

use crate::head::Headers;

/// A checksum algorithm of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32/ISO-HDLC.
    Crc32,
    /// CRC-32/ISCSI ([RFC 9260 appendix A](https://www.rfc-editor.org/rfc/rfc9260#appendix-A)).
    Crc32c,
    /// CRC-64/NVME, S3's own choice where the client makes none.
    Crc64Nvme,
    /// SHA-1 ([FIPS 180-4](https://doi.org/10.6028/NIST.FIPS.180-4)).
    Sha1,
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// MD5 ([RFC 1321](https://www.rfc-editor.org/rfc/rfc1321)); not the same field as
    /// `Content-MD5`.
    Md5,
    /// [XXH64](https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) with seed 0.
    XxHash64,
    /// XXH3 of 64 bits with seed 0.
    XxHash3,
    /// XXH3 of 128 bits with seed 0.
    XxHash128,
}

impl Algorithm {
    /// Every algorithm, in the order of [`Algorithm`].
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::XxHash64,
        Self::XxHash3,
        Self::XxHash128,
    ];

    /// The algorithm whose value a field of this name holds; case does not matter.
    pub fn from_header_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.header_name().eq_ignore_ascii_case(name))
    }

    /// The algorithm of this name in `x-amz-sdk-checksum-algorithm`; case does not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The field, header or trailer, that holds a value of this algorithm.
    pub const fn header_name(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Sha512 => "x-amz-checksum-sha512",
            Self::Md5 => "x-amz-checksum-md5",
            Self::XxHash64 => "x-amz-checksum-xxhash64",
            Self::XxHash3 => "x-amz-checksum-xxhash3",
            Self::XxHash128 => "x-amz-checksum-xxhash128",
        }
    }

    /// S3's name of it, as in `x-amz-checksum-algorithm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
            Self::Md5 => "MD5",
            Self::XxHash64 => "XXHASH64",
            Self::XxHash3 => "XXHASH3",
            Self::XxHash128 => "XXHASH128",
        }
    }

    /// Bytes of a value.
    #[expect(
        clippy::len_without_is_empty,
        reason = "the length of its values; no algorithm has empty ones"
    )]
    pub const fn len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Md5 | Self::XxHash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The number that stands for it in stored objects, `None` where it is not stored.
    ///
    /// A stored format: numbers are never changed and never given to another algorithm.
    const fn id(self) -> Option<u8> {
        match self {
            Self::Crc32 => Some(1),
            Self::Crc32c => Some(2),
            Self::Crc64Nvme => Some(3),
            Self::Sha1 => Some(4),
            Self::Sha256 => Some(5),
            // 6 is reserved for it; too long for the sealed facts.
            Self::Sha512 => None,
            Self::Md5 => Some(7),
            Self::XxHash64 => Some(8),
            Self::XxHash3 => Some(9),
            Self::XxHash128 => Some(10),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A checksum of a whole payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    algorithm: Algorithm,
    /// [`Algorithm::len`] bytes.
    value: Vec<u8>,
}

impl Checksum {
    /// Reads a value from a header or a trailer: standard base64 with padding.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidChecksumValue`] where it is not base64 or has another length than the
    /// algorithm's.
    pub fn parse(algorithm: Algorithm, text: impl AsRef<[u8]>) -> Result<Self, Error> {
        let value = decode_base64(text.as_ref(), algorithm.len())
            .ok_or(Error::InvalidChecksumValue(algorithm))?;
        Ok(Self { algorithm, value })
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The value, [`Algorithm::len`] bytes.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The value as it stands in a header or a trailer.
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.value)
    }

    /// Its form in stored objects: a byte for the algorithm, then the value.
    ///
    /// | CRC32 | CRC32C | CRC64NVME | SHA1 | SHA256 | MD5 | XXHASH64 | XXHASH3 | XXHASH128 |
    /// |---|---|---|---|---|---|---|---|---|
    /// | 1 | 2 | 3 | 4 | 5 | 7 | 8 | 9 | 10 |
    ///
    /// `None` for a value longer than 32 bytes (SHA512), which is not stored.
    pub fn sealed(&self) -> Option<Vec<u8>> {
        let id = self.algorithm.id()?;
        let mut sealed = Vec::with_capacity(self.value.len().saturating_add(1));
        sealed.push(id);
        sealed.extend_from_slice(&self.value);
        Some(sealed)
    }

    /// Reads what [`Checksum::sealed`] wrote; `None` for anything else.
    pub fn from_sealed(sealed: &[u8]) -> Option<Self> {
        let (&id, value) = sealed.split_first()?;
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.id() == Some(id))?;
        (value.len() == algorithm.len()).then(|| Self {
            algorithm,
            value: value.to_vec(),
        })
    }
}

/// All that a request says of its payload, and the running digests to compare it with.
#[derive(Debug)]
pub struct PayloadChecks {
    payload_sha256: Option<Expected<Sha256, 32>>,
    content_md5: Option<Expected<Md5, 16>>,
    declared: Option<Checksum>,
    announced: Option<Algorithm>,
    announced_trailers: Vec<String>,
    /// Of the declared or announced algorithm, else CRC64NVME.
    reported: Hasher,
}

impl PayloadChecks {
    /// Reads the head of a request; `payload_sha256` is the value of `x-amz-content-sha256` where
    /// that is a digest.
    ///
    /// # Errors
    ///
    /// A value that is malformed, an algorithm that is not known, more than one checksum, or an
    /// `x-amz-sdk-checksum-algorithm` that names no checksum of the request.
    pub fn from_headers(
        headers: &Headers,
        payload_sha256: Option<[u8; 32]>,
    ) -> Result<Self, Error> {
        let content_md5 = content_md5(headers)?;
        let declared = declared_checksum(headers)?;
        let announced_trailers = announced_trailers(headers)?;
        let mut announced = None;
        for name in &announced_trailers {
            let algorithm = Algorithm::from_header_name(name).ok_or(Error::UnsupportedTrailer)?;
            if declared.is_some() || announced.replace(algorithm).is_some() {
                return Err(Error::MultipleChecksums);
            }
        }
        let given = declared.as_ref().map(Checksum::algorithm).or(announced);
        check_sdk_algorithm(headers, given)?;

        let reported = given.unwrap_or(Algorithm::Crc64Nvme);
        Ok(Self {
            payload_sha256: payload_sha256.map(|value| Expected {
                value,
                hasher: (reported != Algorithm::Sha256).then(Sha256::new),
            }),
            content_md5: content_md5.map(|value| Expected {
                value,
                hasher: (reported != Algorithm::Md5).then(Md5::new),
            }),
            declared,
            announced,
            announced_trailers,
            reported: Hasher::new(reported),
        })
    }

    /// The checksum that the head holds: known before the payload is, and yet to be verified.
    pub fn declared(&self) -> Option<Checksum> {
        self.declared.clone()
    }

    /// The trailers that `x-amz-trailer` announces: lower case, each of a known algorithm.
    pub fn announced_trailers(&self) -> &[String] {
        &self.announced_trailers
    }

    /// Takes the next bytes of the payload.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(hasher) = self
            .payload_sha256
            .as_mut()
            .and_then(|sha256| sha256.hasher.as_mut())
        {
            hasher.update(bytes);
        }
        if let Some(hasher) = self
            .content_md5
            .as_mut()
            .and_then(|md5| md5.hasher.as_mut())
        {
            hasher.update(bytes);
        }
        self.reported.update(bytes);
    }

    /// Compares the whole payload with everything that the client said of it, `trailer` included.
    ///
    /// Answers the checksum to report: the client's own, else a CRC64NVME (PUT-18).
    ///
    /// # Errors
    ///
    /// The first that does not match, in the order `x-amz-content-sha256`, `Content-MD5`,
    /// checksum; and a trailer that was announced and is missing, or the reverse.
    pub fn finish(self, trailer: Option<Checksum>) -> Result<Checksum, Error> {
        if trailer.as_ref().map(Checksum::algorithm) != self.announced {
            return Err(Error::TrailerNotAsAnnounced);
        }
        let computed = self.reported.finish();
        if let Some(expected) = self.payload_sha256 {
            let sha256 = match expected.hasher {
                Some(hasher) => hasher.finalize().into(),
                None => padded(&computed.value),
            };
            if sha256 != expected.value {
                return Err(Error::XAmzContentSha256Mismatch {
                    client: expected.value,
                    computed: sha256,
                });
            }
        }
        if let Some(expected) = self.content_md5 {
            let md5: [u8; 16] = match expected.hasher {
                Some(hasher) => hasher.finalize().into(),
                None => padded(&computed.value),
            };
            if md5 != expected.value {
                return Err(Error::ContentMd5Mismatch);
            }
        }
        if let Some(client) = self.declared.or(trailer)
            && client != computed
        {
            return Err(Error::ChecksumMismatch(computed.algorithm));
        }
        Ok(computed)
    }
}

/// Why a request's payload, or what it says of it, is refused. Each is a fault of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `Content-MD5` is not the base64 of 16 bytes: 400 `InvalidDigest`.
    #[error("the Content-MD5 is invalid")]
    InvalidContentMd5,
    /// The value of a checksum is not the base64 of as many bytes as its algorithm has: 400
    /// `InvalidRequest`, "Value for x-amz-checksum-… header is invalid."
    #[error("the value of {} is invalid", .0.header_name())]
    InvalidChecksumValue(Algorithm),
    /// An `x-amz-checksum-*` field of an algorithm that is not known: 400 `InvalidRequest`.
    #[error("the checksum algorithm is not supported")]
    UnsupportedAlgorithm,
    /// `x-amz-trailer` names something that is no known checksum: 400 `InvalidRequest`, "The value
    /// specified in the x-amz-trailer header is not supported".
    #[error("the value of x-amz-trailer is not supported")]
    UnsupportedTrailer,
    /// More than one checksum, in headers and trailers together: 400 `InvalidRequest`, "Expecting
    /// a single x-amz-checksum- header. Multiple checksum Types are not allowed."
    #[error("more than one checksum")]
    MultipleChecksums,
    /// `x-amz-sdk-checksum-algorithm` names no known algorithm: 400 `InvalidRequest`, "Value for
    /// x-amz-sdk-checksum-algorithm header is invalid."
    #[error("the value of x-amz-sdk-checksum-algorithm is invalid")]
    InvalidSdkAlgorithm,
    /// `x-amz-sdk-checksum-algorithm` without a checksum: 400 `InvalidRequest`,
    /// "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or
    /// x-amz-trailer headers were found."
    #[error("x-amz-sdk-checksum-algorithm without a checksum")]
    SdkAlgorithmWithoutChecksum,
    /// `x-amz-sdk-checksum-algorithm` names another algorithm than the checksum's: 400
    /// `BadDigest` ([PutObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html)).
    #[error("x-amz-sdk-checksum-algorithm is not the checksum's algorithm")]
    SdkAlgorithmMismatch,
    /// The payload has another SHA-256 than `x-amz-content-sha256`: 400
    /// `XAmzContentSHA256Mismatch`, "The provided 'x-amz-content-sha256' header does not match
    /// what was computed."
    #[error("the payload does not match x-amz-content-sha256")]
    XAmzContentSha256Mismatch {
        /// What the client sent, reported as `ClientComputedContentSHA256`.
        client: [u8; 32],
        /// What the payload has, reported as `S3ComputedContentSHA256`.
        computed: [u8; 32],
    },
    /// The payload has another MD5 than `Content-MD5`: 400 `BadDigest`, "The Content-MD5 you
    /// specified did not match what we received."
    #[error("the payload does not match Content-MD5")]
    ContentMd5Mismatch,
    /// The payload has another checksum than the header or trailer: 400 `BadDigest`, "The CRC32
    /// you specified did not match the calculated checksum."
    #[error("the payload does not match its {0}")]
    ChecksumMismatch(Algorithm),
    /// A trailer was announced and did not come, or came unannounced: 400 `MalformedTrailerError`.
    #[error("the trailer is not the announced one")]
    TrailerNotAsAnnounced,
}

/// A running digest.
pub(crate) enum Hasher {
    /// CRC-32/ISO-HDLC or CRC-32/ISCSI.
    Crc32(Algorithm, crc::Digest<'static, u32, Table>),
    /// CRC-64/NVME.
    Crc64(crc::Digest<'static, u64, Table>),
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
    /// MD5.
    Md5(Md5),
    /// XXH64.
    XxHash64(Xxh64),
    /// XXH3 of 64 or 128 bits: one state serves both. It is over 300 bytes.
    XxHash3(Algorithm, Box<Xxh3Default>),
}

impl Hasher {
    /// A digest of no bytes yet.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(algorithm, CRC_32.digest()),
            Algorithm::Crc32c => Self::Crc32(algorithm, CRC_32C.digest()),
            Algorithm::Crc64Nvme => Self::Crc64(CRC_64_NVME.digest()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::XxHash64 => Self::XxHash64(Xxh64::new(0)),
            Algorithm::XxHash3 | Algorithm::XxHash128 => {
                Self::XxHash3(algorithm, Box::new(Xxh3Default::new()))
            }
        }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(_, hasher) => hasher.update(bytes),
            Self::Crc64(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::XxHash64(hasher) => hasher.update(bytes),
            Self::XxHash3(_, hasher) => hasher.update(bytes),
        }
    }

    /// The checksum of all bytes.
    pub(crate) fn finish(self) -> Checksum {
        let algorithm = self.algorithm();
        // The canonical form of an xxHash is big-endian too (xxHash specification, "Performance
        // considerations"), and it is what S3's clients send: aws-checksums, the library under
        // them, has XXH64("Hello world") = c5 00 b0 c9 … (tests/xxhash_test.c).
        let value = match self {
            Self::Crc32(_, hasher) => hasher.finalize().to_be_bytes().to_vec(),
            Self::Crc64(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::XxHash64(hasher) => hasher.digest().to_be_bytes().to_vec(),
            Self::XxHash3(Algorithm::XxHash128, hasher) => {
                hasher.digest128().to_be_bytes().to_vec()
            }
            Self::XxHash3(_, hasher) => hasher.digest().to_be_bytes().to_vec(),
        };
        Checksum { algorithm, value }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Crc32(algorithm, _) | Self::XxHash3(algorithm, _) => *algorithm,
            Self::Crc64(_) => Algorithm::Crc64Nvme,
            Self::Sha1(_) => Algorithm::Sha1,
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
            Self::Md5(_) => Algorithm::Md5,
            Self::XxHash64(_) => Algorithm::XxHash64,
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hasher").field(&self.algorithm()).finish()
    }
}

/// A digest that the client sent, and the one to compare it with.
#[derive(Debug)]
struct Expected<H, const N: usize> {
    value: [u8; N],
    /// `None` where the reported checksum is of the same algorithm: no byte is hashed twice.
    hasher: Option<H>,
}

fn content_md5(headers: &Headers) -> Result<Option<[u8; 16]>, Error> {
    headers
        .value("content-md5")
        .map(|text| {
            decode_base64(text.trim_ascii(), 16)
                .map(|value| padded(&value))
                .ok_or(Error::InvalidContentMd5)
        })
        .transpose()
}

/// The one `x-amz-checksum-*` header that holds a value.
fn declared_checksum(headers: &Headers) -> Result<Option<Checksum>, Error> {
    let mut declared = None;
    for field in headers.iter() {
        if !field.name.starts_with(PREFIX) || NOT_VALUES.contains(&field.name.as_str()) {
            continue;
        }
        let algorithm =
            Algorithm::from_header_name(&field.name).ok_or(Error::UnsupportedAlgorithm)?;
        let checksum = Checksum::parse(algorithm, field.value.trim_ascii())?;
        if declared.replace(checksum).is_some() {
            return Err(Error::MultipleChecksums);
        }
    }
    Ok(declared)
}

/// The names in `x-amz-trailer`, lower case.
fn announced_trailers(headers: &Headers) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for value in headers.values("x-amz-trailer") {
        let value = core::str::from_utf8(value).map_err(|_| Error::UnsupportedTrailer)?;
        names.extend(
            value
                .split(',')
                .map(|name| name.trim_matches([' ', '\t']).to_ascii_lowercase()),
        );
    }
    Ok(names)
}

fn check_sdk_algorithm(headers: &Headers, given: Option<Algorithm>) -> Result<(), Error> {
    if !headers.contains(SDK_ALGORITHM) {
        return Ok(());
    }
    let named = headers
        .text(SDK_ALGORITHM)
        .and_then(Algorithm::from_name)
        .ok_or(Error::InvalidSdkAlgorithm)?;
    match given {
        None => Err(Error::SdkAlgorithmWithoutChecksum),
        Some(given) if given == named => Ok(()),
        Some(_) => Err(Error::SdkAlgorithmMismatch),
    }
}

fn decode_base64(text: &[u8], len: usize) -> Option<Vec<u8>> {
    // Anything longer can't be a value of that length, and need not be decoded.
    if text.len() > MAX_BASE64_LEN {
        return None;
    }
    BASE64.decode(text).ok().filter(|value| value.len() == len)
}

/// `value` as an array; every caller has one of exactly `N` bytes.
fn padded<const N: usize>(value: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(value) {
        *to = *from;
    }
    array
}

/// Tables for 16 bytes at a time: 16 KiB for a CRC of 32 bits, 32 KiB for one of 64.
type Table = crc::Table<16>;

static CRC_32: Crc<u32, Table> = Crc::<u32, Table>::new(&crc::CRC_32_ISO_HDLC);
static CRC_32C: Crc<u32, Table> = Crc::<u32, Table>::new(&crc::CRC_32_ISCSI);
static CRC_64_NVME: Crc<u64, Table> = Crc::<u64, Table>::new(&crc::CRC_64_NVME);

const PREFIX: &str = "x-amz-checksum-";

/// Fields of that prefix that hold no value; which operations allow them is not decided here.
const NOT_VALUES: [&str; 3] = [
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
];

const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";

/// The base64 of the longest value, a SHA-512.
const MAX_BASE64_LEN: usize = 88;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chk_1_check_values_of_all_algorithms() {
        // CRCs: the check values of reveng's catalogue. The others: Python's hashlib and xxhash.
        for (algorithm, expected) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (
                Algorithm::Sha256,
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
            (
                Algorithm::Sha512,
                "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a\
                 d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
            ),
            (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (Algorithm::XxHash64, "8cb841db40e6ae83"),
            (Algorithm::XxHash3, "72dcb18b67a17dff"),
            (Algorithm::XxHash128, "33119477ede5dcd5e9716427681d5860"),
        ] {
            let checksum = checksum_of(algorithm, b"123456789");
            assert_eq!(hex::encode(checksum.value()), expected, "{algorithm}");
            assert_eq!(checksum.value().len(), algorithm.len(), "{algorithm}");
        }
        assert_eq!(
            checksum_of(Algorithm::Crc32c, b"123456789").to_base64(),
            "4waSgw=="
        );
    }

    #[test]
    fn chk_1_xxhashes_are_big_endian_as_in_aws_checksums() {
        // https://github.com/awslabs/aws-checksums/blob/main/tests/xxhash_test.c
        for (algorithm, expected) in [
            (Algorithm::XxHash64, "c500b0c912b376d8"),
            (Algorithm::XxHash3, "b6acb9d84a38ff74"),
            (Algorithm::XxHash128, "7351f89812f97382b91d05b31e04dd7f"),
        ] {
            let checksum = checksum_of(algorithm, b"Hello world");
            assert_eq!(hex::encode(checksum.value()), expected, "{algorithm}");
        }
    }

    #[test]
    fn chk_1_names_lead_back_to_their_algorithm() {
        for algorithm in Algorithm::ALL {
            let name = algorithm.header_name();
            assert_eq!(Algorithm::from_header_name(name), Some(algorithm));
            assert_eq!(
                Algorithm::from_header_name(&name.to_uppercase()),
                Some(algorithm)
            );
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            assert_eq!(name, format!("{PREFIX}{}", algorithm.name().to_lowercase()));
        }
        for name in [
            "x-amz-checksum-crc16",
            "x-amz-checksum-",
            "crc32",
            "",
            "x-amz-checksum-type",
        ] {
            assert_eq!(Algorithm::from_header_name(name), None);
        }
    }

    #[test]
    fn chk_1_an_unknown_checksum_header_is_refused() {
        assert_eq!(
            refused(&[("x-amz-checksum-crc16", "AAA=")]),
            Error::UnsupportedAlgorithm
        );
    }

    #[test]
    fn chk_1_fields_that_hold_no_value_are_not_taken_for_checksums() {
        let checks = accepted(&[
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-checksum-algorithm", "CRC32"),
            ("x-amz-checksum-mode", "ENABLED"),
        ]);
        assert_eq!(checks.declared(), None);
    }

    #[test]
    fn chk_2_sealed_ids_are_stable() {
        for (algorithm, id) in [
            (Algorithm::Crc32, 1),
            (Algorithm::Crc32c, 2),
            (Algorithm::Crc64Nvme, 3),
            (Algorithm::Sha1, 4),
            (Algorithm::Sha256, 5),
            (Algorithm::Md5, 7),
            (Algorithm::XxHash64, 8),
            (Algorithm::XxHash3, 9),
            (Algorithm::XxHash128, 10),
        ] {
            let checksum = checksum_of(algorithm, b"123456789");
            let sealed = checksum.sealed().unwrap();
            assert_eq!((sealed[0], &sealed[1..]), (id, checksum.value()));
            assert_eq!(Checksum::from_sealed(&sealed), Some(checksum));
        }
        assert_eq!(checksum_of(Algorithm::Sha512, b"").sealed(), None);
    }

    #[test]
    fn chk_2_other_sealed_bytes_are_refused() {
        let sha512 = [&[6][..], &[0; 64]].concat();
        for sealed in [
            &[][..],
            &[0],
            &[1, 0, 0, 0],
            &[1, 0, 0, 0, 0, 0],
            &[11; 17],
            &sha512,
        ] {
            assert_eq!(Checksum::from_sealed(sealed), None);
        }
    }

    #[test]
    fn put_15_a_declared_checksum_is_compared() {
        for algorithm in Algorithm::ALL {
            let value = checksum_of(algorithm, b"123456789").to_base64();
            let mut checks = accepted(&[(algorithm.header_name(), &value)]);
            let declared = checks.declared().unwrap();
            checks.update(b"1234");
            checks.update(b"");
            checks.update(b"56789");
            assert_eq!(checks.finish(None), Ok(declared));

            let mut checks = accepted(&[(algorithm.header_name(), &value)]);
            checks.update(b"12345678");
            assert_eq!(checks.finish(None), Err(Error::ChecksumMismatch(algorithm)));
        }
    }

    #[test]
    fn put_15_a_trailing_checksum_is_compared() {
        for algorithm in Algorithm::ALL {
            let fields = [("x-amz-trailer", algorithm.header_name())];
            let trailer = checksum_of(algorithm, b"123456789");
            let mut checks = accepted(&fields);
            assert_eq!(checks.declared(), None);
            assert_eq!(checks.announced_trailers(), [algorithm.header_name()]);
            checks.update(b"123456789");
            assert_eq!(checks.finish(Some(trailer.clone())), Ok(trailer.clone()));

            let checks = accepted(&fields);
            assert_eq!(
                checks.finish(Some(trailer)),
                Err(Error::ChecksumMismatch(algorithm))
            );
        }
    }

    #[test]
    fn put_15_a_malformed_checksum_is_an_invalid_request() {
        for value in [
            "",
            "AAAA",
            "AAAAAAA=",
            "AAAAAA",
            "AAAAAAA",
            "AAAAAB==",
            "AAAA AA==",
            "!!!!!!==",
            "AAAAAA==-2",
            "AAAAAA==, AAAAAA==",
            "AAAAAAAAAAA=",
        ] {
            assert_eq!(
                refused(&[("x-amz-checksum-crc32", value)]),
                Error::InvalidChecksumValue(Algorithm::Crc32),
                "{value:?}"
            );
        }
        let mut headers = Headers::new();
        headers.push("x-amz-checksum-crc32", b"\xff\xfe".as_slice());
        assert_eq!(
            PayloadChecks::from_headers(&headers, None).unwrap_err(),
            Error::InvalidChecksumValue(Algorithm::Crc32)
        );
    }

    #[test]
    fn put_15_a_single_checksum_is_expected() {
        let crc32 = ("x-amz-checksum-crc32", "AAAAAA==");
        for fields in [
            &[crc32, ("x-amz-checksum-crc32c", "AAAAAA==")][..],
            &[crc32, crc32],
            &[crc32, ("x-amz-trailer", "x-amz-checksum-crc32c")],
            &[crc32, ("x-amz-trailer", "x-amz-checksum-crc32")],
            &[("x-amz-trailer", "x-amz-checksum-crc32,x-amz-checksum-sha1")],
            &[
                ("x-amz-trailer", "x-amz-checksum-crc32"),
                ("x-amz-trailer", "x-amz-checksum-crc32"),
            ],
        ] {
            assert_eq!(refused(fields), Error::MultipleChecksums);
        }
    }

    #[test]
    fn put_10_only_checksums_may_be_announced() {
        for name in [
            "x-amz-meta-a",
            "x-amz-checksum-crc16",
            "x-amz-checksum-type",
            "",
            "a,b",
        ] {
            assert_eq!(
                refused(&[("x-amz-trailer", name)]),
                Error::UnsupportedTrailer
            );
        }
        let checks = accepted(&[("x-amz-trailer", " X-Amz-Checksum-CRC32 ")]);
        assert_eq!(checks.announced_trailers(), ["x-amz-checksum-crc32"]);
    }

    #[test]
    fn put_10_a_trailer_comes_if_and_only_if_it_was_announced() {
        let crc32 = checksum_of(Algorithm::Crc32, b"");
        for (fields, trailer) in [
            (&[("x-amz-trailer", "x-amz-checksum-crc32")][..], None),
            (
                &[("x-amz-trailer", "x-amz-checksum-crc32c")][..],
                Some(crc32.clone()),
            ),
            (&[][..], Some(crc32)),
        ] {
            assert_eq!(
                accepted(fields).finish(trailer),
                Err(Error::TrailerNotAsAnnounced)
            );
        }
    }

    #[test]
    fn put_15_content_md5_is_compared() {
        let fields = [("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")];
        let mut checks = accepted(&fields);
        checks.update(b"123456789");
        assert!(checks.finish(None).is_ok());
        assert_eq!(
            accepted(&fields).finish(None),
            Err(Error::ContentMd5Mismatch)
        );
    }

    #[test]
    fn put_15_a_malformed_content_md5_is_an_invalid_digest() {
        for value in [
            "",
            "JfnnlDI7RTiF9RgfG2JNCw",
            "JfnnlDI7RTiF9RgfG2JN",
            "25f9e794323b453885f5181f1b624d0b",
            "Jfnn lDI7RTiF9RgfG2JNCw==",
        ] {
            assert_eq!(
                refused(&[("content-md5", value)]),
                Error::InvalidContentMd5,
                "{value:?}"
            );
        }
    }

    #[test]
    fn put_15_the_payload_sha256_is_compared() {
        let client = sha256(b"123456789");
        let headers = Headers::new();
        let mut checks = PayloadChecks::from_headers(&headers, Some(client)).unwrap();
        checks.update(b"123456789");
        assert!(checks.finish(None).is_ok());
        let checks = PayloadChecks::from_headers(&headers, Some(client)).unwrap();
        assert_eq!(
            checks.finish(None),
            Err(Error::XAmzContentSha256Mismatch {
                client,
                computed: sha256(b""),
            })
        );
    }

    #[test]
    fn put_15_errors_are_found_in_order() {
        let fields = [
            ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("x-amz-checksum-crc32", "AAAAAA=="),
        ];
        let headers: Headers = fields.into_iter().collect();
        let mut checks = PayloadChecks::from_headers(&headers, Some([0; 32])).unwrap();
        checks.update(b"a");
        assert!(matches!(
            checks.finish(None),
            Err(Error::XAmzContentSha256Mismatch { .. })
        ));
        let mut checks = accepted(&fields);
        checks.update(b"a");
        assert_eq!(checks.finish(None), Err(Error::ContentMd5Mismatch));
    }

    #[test]
    fn put_15_the_sdk_algorithm_needs_its_checksum() {
        let sdk = |name| ("x-amz-sdk-checksum-algorithm", name);
        accepted(&[sdk("CRC32"), ("x-amz-checksum-crc32", "AAAAAA==")]);
        accepted(&[sdk("SHA256"), ("x-amz-trailer", "x-amz-checksum-sha256")]);
        assert_eq!(refused(&[sdk("CRC32")]), Error::SdkAlgorithmWithoutChecksum);
        assert_eq!(
            refused(&[sdk("CRC32"), ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")]),
            Error::SdkAlgorithmWithoutChecksum
        );
        assert_eq!(
            refused(&[sdk("CRC32C"), ("x-amz-checksum-crc32", "AAAAAA==")]),
            Error::SdkAlgorithmMismatch
        );
        assert_eq!(
            refused(&[sdk("CRC16"), ("x-amz-checksum-crc32", "AAAAAA==")]),
            Error::InvalidSdkAlgorithm
        );
    }

    #[test]
    fn put_18_without_a_checksum_crc64nvme_is_reported() {
        for fields in [&[][..], &[("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")]] {
            let mut checks = accepted(fields);
            checks.update(b"123456789");
            let checksum = checks.finish(None).unwrap();
            assert_eq!(checksum.algorithm(), Algorithm::Crc64Nvme);
            assert_eq!(checksum.to_base64(), "rosUhgp5mIg=");
        }
    }

    #[test]
    fn a_digest_that_is_asked_for_twice_is_computed_once() {
        let digest = checksum_of(Algorithm::Sha256, b"123456789").to_base64();
        let headers: Headers = [("x-amz-checksum-sha256", digest)].into_iter().collect();
        let client = sha256(b"123456789");
        let mut checks = PayloadChecks::from_headers(&headers, Some(client)).unwrap();
        assert!(checks.payload_sha256.as_ref().unwrap().hasher.is_none());
        checks.update(b"123456789");
        assert!(checks.finish(None).is_ok());
        let checks = PayloadChecks::from_headers(&headers, Some(client)).unwrap();
        assert_eq!(
            checks.finish(None),
            Err(Error::XAmzContentSha256Mismatch {
                client,
                computed: sha256(b""),
            })
        );

        let md5 = "JfnnlDI7RTiF9RgfG2JNCw==";
        let fields = [("content-md5", md5), ("x-amz-checksum-md5", md5)];
        let mut checks = accepted(&fields);
        assert!(checks.content_md5.as_ref().unwrap().hasher.is_none());
        checks.update(b"123456789");
        assert!(checks.finish(None).is_ok());
        assert_eq!(
            accepted(&fields).finish(None),
            Err(Error::ContentMd5Mismatch)
        );
    }

    proptest! {
        #[test]
        fn digests_do_not_depend_on_how_the_payload_is_split(
            payload in proptest::collection::vec(any::<u8>(), 0..2000),
            cuts in proptest::collection::vec(1..400_usize, 1..8),
        ) {
            for algorithm in Algorithm::ALL {
                let mut hasher = Hasher::new(algorithm);
                let mut rest = payload.as_slice();
                for cut in cuts.iter().cycle() {
                    let (piece, after) = rest.split_at((*cut).min(rest.len()));
                    hasher.update(piece);
                    rest = after;
                    if rest.is_empty() {
                        break;
                    }
                }
                prop_assert_eq!(hasher.finish(), checksum_of(algorithm, &payload));
            }
        }

        #[test]
        fn a_value_survives_its_text_and_its_sealed_form(
            index in 0..Algorithm::ALL.len(),
            payload in any::<Vec<u8>>(),
        ) {
            let checksum = checksum_of(Algorithm::ALL[index], &payload);
            let parsed = Checksum::parse(checksum.algorithm(), checksum.to_base64());
            prop_assert_eq!(parsed.as_ref(), Ok(&checksum));
            if let Some(sealed) = checksum.sealed() {
                prop_assert!(sealed.len() <= 33);
                prop_assert_eq!(Checksum::from_sealed(&sealed), Some(checksum));
            }
        }

        #[test]
        fn arbitrary_sealed_bytes_and_texts_do_not_panic(bytes in any::<Vec<u8>>()) {
            if let Some(checksum) = Checksum::from_sealed(&bytes) {
                prop_assert_eq!(checksum.sealed(), Some(bytes.clone()));
            }
            for algorithm in Algorithm::ALL {
                if let Ok(checksum) = Checksum::parse(algorithm, &bytes) {
                    prop_assert_eq!(checksum.to_base64().into_bytes(), bytes.clone());
                }
            }
        }

        #[test]
        fn arbitrary_fields_do_not_panic(
            fields in proptest::collection::vec(
                (
                    "(x-amz-checksum-[a-z0-9]{0,9}|x-amz-trailer|content-md5|x-amz-sdk-checksum-algorithm)",
                    any::<Vec<u8>>(),
                ),
                0..4,
            ),
        ) {
            let headers: Headers = fields.into_iter().collect();
            let _ = PayloadChecks::from_headers(&headers, None);
        }
    }

    fn checksum_of(algorithm: Algorithm, payload: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(payload);
        hasher.finish()
    }

    fn sha256(payload: &[u8]) -> [u8; 32] {
        Sha256::digest(payload).into()
    }

    fn accepted(fields: &[(&str, &str)]) -> PayloadChecks {
        PayloadChecks::from_headers(&fields.iter().copied().collect(), None).unwrap()
    }

    fn refused(fields: &[(&str, &str)]) -> Error {
        PayloadChecks::from_headers(&fields.iter().copied().collect(), None).unwrap_err()
    }
}
