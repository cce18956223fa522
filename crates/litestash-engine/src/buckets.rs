//! Handles of buckets, by what clients call them.

use crate::request::{Bucket, malformed};
use crate::settings;
use litestash_core::{LiteStash, Result};
use std::collections::HashMap;

/// Handles that are kept.
const KEPT: usize = 1024;

/// Bytes that a name with its options has at most.
const BYTES_MAX: usize = 4096;

/// The handles that a session keeps.
#[derive(Debug, Default)]
pub(crate) struct Buckets(HashMap<Box<[u8]>, LiteStash>);

impl Buckets {
    /// A handle that is there already.
    pub(crate) fn get(&self, bucket: Bucket<'_>) -> Option<LiteStash> {
        self.0.get(bucket.0).cloned()
    }

    /// Opens a bucket of the stash with the options that are given, and keeps the handle.
    pub(crate) fn open(&mut self, stash: &LiteStash, bucket: Bucket<'_>) -> Result<LiteStash> {
        if bucket.0.len() > BYTES_MAX {
            return Err(malformed(format!("a bucket's name and options have at most {BYTES_MAX} bytes")));
        }
        let (name, mut members) = bucket.parse()?;
        let options = settings::take_bucket(&mut members)?;
        members.end()?;
        let opened = stash.bucket_with(name, options)?;
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        self.0.insert(bucket.0.into(), opened.clone());
        Ok(opened)
    }

    /// Lets go of all of them.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
