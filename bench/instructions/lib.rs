//! Has nothing but the counts of `benches/instructions.rs`.
