//! Compression of bodies (`docs/CONTRACT.md` 7).

use crate::contract::record::Codec;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;
use zstd_safe::CCtx;

/// The codec id of Zstandard.
pub(super) const ZSTD: u8 = 1;

/// Bytes of the optional field.
const FIELD_BYTES: usize = 5;

/// Contexts kept for the next body; each has some hundred kilobytes.
const CONTEXTS_KEPT: usize = 4;

/// Whether and how values are compressed when they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// Shorter bodies are stored as they are. Default: 1024 bytes.
    pub min_bytes: usize,
    /// Zstandard's level, 1 to 19: higher ones are slower to write and often smaller. Default: 3.
    pub level: i32,
}

impl Default for Compression {
    fn default() -> Self {
        Self { min_bytes: 1024, level: 3 }
    }
}

impl Compression {
    /// `InvalidArgument` if the level is out of range.
    pub(crate) fn check(self) -> Result<()> {
        if !(1..=19).contains(&self.level) {
            return Err(Error::invalid_argument("the level of compression is 1 to 19"));
        }
        Ok(())
    }
}

/// Compresses what is worth it.
pub(super) struct Compressor {
    options: Compression,
    idle: Mutex<Vec<CCtx<'static>>>,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.options.fmt(f)
    }
}

impl Compressor {
    pub(super) fn new(options: Compression) -> Self {
        Self { options, idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn options(&self) -> Compression {
        self.options
    }

    /// The compressed body, if that, with its field, saves at least an eighth.
    pub(super) fn compress(&self, body: &[u8]) -> Option<Vec<u8>> {
        if body.len() < self.options.min_bytes {
            return None;
        }
        let bytes_max = (body.len() - body.len().div_ceil(8)).checked_sub(FIELD_BYTES)?;
        let mut context = self.idle.lock().pop().or_else(CCtx::try_create)?;
        let mut compressed = Vec::with_capacity(bytes_max);
        // What does not fit saves too little; it is not an error.
        let done = context.compress(&mut compressed, body, self.options.level);
        let mut idle = self.idle.lock();
        if idle.len() < CONTEXTS_KEPT {
            idle.push(context);
        }
        drop(idle);
        done.ok().filter(|_| compressed.len() <= bytes_max).map(|_| compressed)
    }
}

/// The length that the field states.
pub(super) fn stated(body: &[u8]) -> Result<u32> {
    u32::try_from(body.len()).map_err(|_| Error::too_large("the value is longer than any record can be"))
}

/// Refuses a field before anything is allocated for it.
pub(super) fn check(codec: Codec, body_bytes_max: usize) -> Result<()> {
    if codec.id != ZSTD {
        return Err(Error::new(
            ErrorKind::UnsupportedFormat,
            format!("the record is compressed with codec {}, which this build does not know", codec.id),
        ));
    }
    if codec.bytes as usize > body_bytes_max {
        return Err(Error::too_large(format!(
            "the compressed value has {} bytes; the stash's limit is {body_bytes_max}",
            codec.bytes
        )));
    }
    Ok(())
}

/// The body, which must be one frame of exactly the stated length. Never writes more than that.
pub(super) fn decompress(codec: Codec, compressed: &[u8]) -> Result<Vec<u8>> {
    let damaged = || Error::corrupt("the compressed body is not one Zstandard frame of the stated length");
    let stated = codec.bytes as usize;
    let content = zstd_safe::get_frame_content_size(compressed).ok().flatten();
    let whole =
        zstd_safe::find_frame_compressed_size(compressed).is_ok_and(|bytes| bytes == compressed.len());
    if stated == 0
        || content != Some(u64::from(codec.bytes))
        || !whole
        || zstd_safe::get_dict_id_from_frame(compressed).is_some()
    {
        return Err(damaged());
    }
    let mut body = Vec::new();
    body.try_reserve_exact(stated)
        .map_err(|error| Error::new(ErrorKind::OutOfMemory, error.to_string()).with_source(error))?;
    let written = zstd_safe::decompress(&mut body, compressed).map_err(|_| damaged())?;
    if written != stated || body.len() != stated {
        return Err(damaged());
    }
    Ok(body)
}
