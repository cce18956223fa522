//! `bindings/c/include/litestash.h` from the C binding's source and the engine's tables.

use super::Mode;
use anyhow::{Context, Result, anyhow};
use litestash_core::{ErrorKind, limits};
use std::fmt::Write;

const CRATE: &str = "bindings/c";
const HEADER: &str = "bindings/c/include/litestash.h";

pub(super) fn generate(mode: Mode) -> Result<Vec<String>> {
    super::file(HEADER, &text()?, mode)
}

/// The header.
pub(super) fn text() -> Result<String> {
    let part = |name: &str| {
        let path = format!("{CRATE}/src/header/{name}");
        std::fs::read_to_string(&path).context(path)
    };
    let mut config = cbindgen::Config::from_file(format!("{CRATE}/cbindgen.toml"))
        .map_err(|problem| anyhow!("cbindgen.toml: {problem}"))?;
    config.header = Some(part("first.h")?.trim_end().to_owned());
    config.after_includes = Some(format!("\n{}\n{}\n{}", version(), errors(), bounds()));
    config.trailer = Some(part("last.h")?.trim_end().to_owned());
    let bindings = cbindgen::Builder::new()
        .with_crate(CRATE)
        .with_config(config)
        .generate()
        .context("generating the header")?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    Ok(String::from_utf8(text)?)
}

/// The version of the workspace, which is also this program's.
fn version() -> String {
    let parts =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    let [major, minor, patch] = parts;
    format!(
        "/* The version of this header. */\n\
         #define LITESTASH_VERSION \"{}\"\n\
         #define LITESTASH_VERSION_MAJOR {major}\n\
         #define LITESTASH_VERSION_MINOR {minor}\n\
         #define LITESTASH_VERSION_PATCH {patch}\n\
         #define LITESTASH_VERSION_NUMBER (LITESTASH_VERSION_MAJOR * 1000000 + LITESTASH_VERSION_MINOR * 1000 + \
         LITESTASH_VERSION_PATCH)\n",
        env!("CARGO_PKG_VERSION"),
    )
}

/// The error table.
fn errors() -> String {
    let mut text = "/* The answers of type litestash_status. litestash_status_retry says what can be done \
         about each. */\n\
         enum {\n  /* The call did what it says. */\n  LITESTASH_OK = 0"
        .to_owned();
    for kind in ErrorKind::ALL {
        let name = screaming(kind.name());
        // Writing to a String does not fail.
        let _ = write!(text, ",\n  /* {} */\n  LITESTASH_{name} = {}", kind.meaning().trim(), kind.number());
    }
    text + "\n};\n"
}

/// `DiskFull` as `DISK_FULL`.
fn screaming(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// The limits that a program may want to know.
fn bounds() -> String {
    let rows = [
        ("KEY_BYTES_MAX", limits::KEY_BYTES_MAX, "Longest key: bytes of text and bytes."),
        (
            "VALUE_BYTES_DEFAULT",
            limits::VALUE_BYTES_DEFAULT,
            "Longest encoded value, unless the options say otherwise.",
        ),
        ("VALUE_BYTES_MAX", limits::VALUE_BYTES_MAX, "The greatest bound that the options can set."),
        ("DEPTH_MAX", limits::DEPTH_MAX, "Deepest nesting of arrays and maps."),
        ("VALUES_MAX", limits::VALUES_MAX, "Most values in one: itself, elements, members."),
        ("BATCH_OPERATIONS_MAX", limits::BATCH_OPERATIONS_MAX, "Most operations in one batch."),
        ("BATCH_BYTES_MAX", limits::BATCH_BYTES_MAX, "Most bytes of keys and values in one batch."),
    ];
    let mut text = String::new();
    for (name, bound, meaning) in rows {
        let _ = writeln!(text, "/* {meaning} */\n#define LITESTASH_{name} {bound}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_the_tables() {
        assert_eq!(screaming("NotAStash"), "NOT_A_STASH");
        let errors = errors();
        assert!(errors.contains("LITESTASH_BUSY = 11") && errors.contains("LITESTASH_NO_STASH = 20"));
    }
}
