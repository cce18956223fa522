//! The digests of the shard files that the scripts leave.

use super::Mode;
use crate::conformance::golden;
use anyhow::Result;

pub(super) fn generate(mode: Mode) -> Result<Vec<String>> {
    super::file(golden::PATH, &golden::generate()?, mode)
}
