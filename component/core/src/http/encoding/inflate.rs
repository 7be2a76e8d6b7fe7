//! Bodies that are compressed with gzip or deflate, within bounds on what they cost.
//!
//! A block of a deflate stream costs the decoder some microseconds for its tables, even where it is
//! empty and has but ten bits: four megabytes of them would take it many seconds. Compressors make one
//! for some ten thousand bytes, or at each flush. flate2 reads the heads of gzip files and sums what is in
//! them; the streams are read with the decoder that it has inside itself, which stops after each block.

use flate2::Crc;
use flate2::bufread::GzDecoder;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
    TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::http::MAX_BODY_BYTES;

/// Members that a gzip file may have. Each costs some microseconds, even where it is empty and has but
/// 20 bytes.
pub(super) const MAX_MEMBERS: usize = 1000;
/// Blocks of a body, in all its members.
pub(super) const MAX_BLOCKS: usize = 10_000;

/// How much room is made at once for what comes out.
const STEP_BYTES: usize = 64 << 10;

/// Why a body is not read to its end.
#[derive(Debug, PartialEq)]
pub(super) enum InflateError {
    /// It is not what it says to be.
    Malformed,
    /// It has more than a body may have.
    TooLong,
    /// It has more members than [`MAX_MEMBERS`].
    TooManyMembers,
    /// It has more blocks than [`MAX_BLOCKS`].
    TooManyBlocks,
}

/// What the members of a gzip file have.
pub(super) fn gzip(mut rest: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut inflater = Inflater::default();
    for _ in 0..MAX_MEMBERS {
        let member = GzDecoder::new(rest);
        if member.header().is_none() {
            return Err(InflateError::Malformed);
        }
        let start = inflater.decoded.len();
        let sums = inflater.read(member.into_inner(), 0)?;
        rest = check(sums, &inflater.decoded[start..]).ok_or(InflateError::Malformed)?;
        if rest.is_empty() {
            return Ok(inflater.decoded);
        }
    }
    Err(InflateError::TooManyMembers)
}

/// What a zlib stream has, which HTTP calls deflate.
pub(super) fn deflate(body: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut inflater = Inflater::default();
    inflater.read(body, TINFL_FLAG_PARSE_ZLIB_HEADER)?;
    Ok(inflater.decoded)
}

/// Compares a member's content with the sums behind it, and gives what follows them.
fn check<'a>(rest: &'a [u8], content: &[u8]) -> Option<&'a [u8]> {
    let (sums, rest) = rest.split_first_chunk::<8>()?;
    let mut crc = Crc::new();
    crc.update(content);
    let expected = u64::from(crc.amount()) << 32 | u64::from(crc.sum());
    (u64::from_le_bytes(*sums) == expected).then_some(rest)
}

/// Reads one stream after the other.
#[derive(Default)]
struct Inflater {
    decoder: Box<DecompressorOxide>,
    decoded: Vec<u8>,
    blocks: usize,
}

impl Inflater {
    /// Appends what the stream at the start of the input has, and gives what follows it.
    fn read<'a>(&mut self, mut input: &'a [u8], flags: u32) -> Result<&'a [u8], InflateError> {
        let flags =
            flags | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        let start = self.decoded.len();
        let mut end = start;
        self.decoder.init();
        loop {
            if end == self.decoded.len() {
                // With room for a byte too many, which shows that it is too long.
                let length = (end + STEP_BYTES).min(MAX_BODY_BYTES + 1);
                self.decoded.resize(length, 0);
            }
            // A stream refers to its own content only.
            let out = &mut self.decoded[start..];
            let (status, read, written) =
                decompress(&mut self.decoder, input, out, end - start, flags);
            input = &input[read..];
            end += written;
            if end > MAX_BODY_BYTES {
                return Err(InflateError::TooLong);
            }
            match status {
                TINFLStatus::Done => {
                    self.decoded.truncate(end);
                    return Ok(input);
                }
                TINFLStatus::BlockBoundary => {
                    self.blocks += 1;
                    if self.blocks > MAX_BLOCKS {
                        return Err(InflateError::TooManyBlocks);
                    }
                }
                TINFLStatus::HasMoreOutput => {}
                _ => return Err(InflateError::Malformed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use flate2::Compression;
    use flate2::bufread::MultiGzDecoder;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    /// Bytes that compress, but not to nothing.
    fn content(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"{}[],:0123456789 abcdef"[(state >> 24) as usize % 23]
        };
        (0..length).map(|_| next()).collect()
    }

    fn compressed(content: &[u8], level: u32) -> [Vec<u8>; 2] {
        let level = Compression::new(level);
        let mut gzip = GzEncoder::new(Vec::new(), level);
        gzip.write_all(content).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), level);
        zlib.write_all(content).unwrap();
        [gzip.finish().unwrap(), zlib.finish().unwrap()]
    }

    #[test]
    fn what_was_compressed_comes_out_again() {
        for length in [0, 1, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 300_000, MAX_BODY_BYTES] {
            let content = content(length);
            for level in [0, 1, 6, 9] {
                let [gzip_body, zlib_body] = compressed(&content, level);
                assert!(gzip(&gzip_body).unwrap() == content, "{length}, {level}");
                assert!(deflate(&zlib_body).unwrap() == content, "{length}, {level}");
            }
        }
    }

    #[test]
    fn what_is_one_byte_too_long_is_refused() {
        for body in compressed(&content(MAX_BODY_BYTES + 1), 1) {
            let found = if body[0] == 0x1f { gzip(&body) } else { deflate(&body) };
            assert_eq!(found.map(|content| content.len()), Err(InflateError::TooLong));
        }
        let [half, _] = compressed(&content(MAX_BODY_BYTES / 2 + 1), 1);
        assert_eq!(gzip(&half.repeat(2)), Err(InflateError::TooLong));
    }

    #[test]
    fn members_follow_each_other_and_each_is_checked() {
        let [first, _] = compressed(b"{\"a\":", 6);
        let [second, _] = compressed(b"1}", 6);
        let both = [&*first, &second].concat();
        assert_eq!(gzip(&both).unwrap(), b"{\"a\":1}");
        // Any bit that is another is noticed, or was of no account.
        for bit in 0..8 * both.len() {
            let mut body = both.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            let mut expected = Vec::new();
            let is_read = MultiGzDecoder::new(&*body).read_to_end(&mut expected).is_ok();
            assert_eq!(gzip(&body).ok(), is_read.then_some(expected), "bit {bit}");
        }
        for end in 1..both.len() {
            let is_whole = end == first.len();
            assert_eq!(gzip(&both[..end]).is_ok(), is_whole, "{end} bytes");
        }
    }

    /// A stream of empty blocks with the codes that the format fixes, of ten bits each.
    fn empty_blocks(count: usize) -> Vec<u8> {
        let block =
            |last: bool| [last, true, false, false, false, false, false, false, false, false];
        let bits: Vec<bool> = (1..=count).flat_map(|number| block(number == count)).collect();
        let byte =
            |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn a_stream_of_a_great_many_blocks_is_not_read_to_its_end() {
        let [empty, _] = compressed(b"", 6);
        let member = |blocks| [&empty[..10], &empty_blocks(blocks), &[0; 8]].concat();
        assert_eq!(gzip(&member(MAX_BLOCKS)).unwrap(), b"");
        assert_eq!(gzip(&member(MAX_BLOCKS + 2)), Err(InflateError::TooManyBlocks));
        assert_eq!(gzip(&member(MAX_BLOCKS / 4).repeat(5)), Err(InflateError::TooManyBlocks));
    }
}
