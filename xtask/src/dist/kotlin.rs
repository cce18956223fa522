//! The Maven artifact as it is handed to users: one jar with the native libraries of several platforms.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// Where libraries lie in the jar: a folder for each platform below this one.
const RESOURCES: &str = "io/github/litestash/native";

/// A platform by the names that `NativeLibrary.kt` makes of Java's, which are Rust's.
#[derive(Debug, PartialEq, Eq)]
struct Platform {
    name: &'static str,
    /// The file's name there.
    library: &'static str,
    format: Format,
    /// What the format calls the processor.
    machine: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Elf,
    MachO,
    Pe,
}

const ELF: &str = "liblitestash_jni.so";
const MACH_O: &str = "liblitestash_jni.dylib";
const PE: &str = "litestash_jni.dll";

const PLATFORMS: &[Platform] = &[
    Platform { name: "linux-x86_64", library: ELF, format: Format::Elf, machine: 0x3e },
    Platform { name: "linux-aarch64", library: ELF, format: Format::Elf, machine: 0xb7 },
    Platform { name: "macos-x86_64", library: MACH_O, format: Format::MachO, machine: 0x0100_0007 },
    Platform { name: "macos-aarch64", library: MACH_O, format: Format::MachO, machine: 0x0100_000c },
    Platform { name: "windows-x86_64", library: PE, format: Format::Pe, machine: 0x8664 },
    Platform { name: "windows-aarch64", library: PE, format: Format::Pe, machine: 0xaa64 },
];

/// A library that was built for one of them, as `PLATFORM=FILE`.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    platform: &'static Platform,
    file: PathBuf,
}

impl std::str::FromStr for Library {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, file) = text.split_once('=').context("a library is given as PLATFORM=FILE")?;
        let platform = PLATFORMS.iter().find(|platform| platform.name == name);
        let names: Vec<_> = PLATFORMS.iter().map(|platform| platform.name).collect();
        let platform = platform.with_context(|| format!("the platforms are {}", names.join(", ")))?;
        Ok(Self { platform, file: file.into() })
    }
}

/// Where the library of a platform lies below the folder whose content becomes that of the jar.
pub(crate) fn place(natives: &Path, platform: &str) -> PathBuf {
    natives.join(RESOURCES).join(platform)
}

/// Puts libraries where the jar takes them from. Other platforms' that lie there from an earlier time are taken away.
pub(crate) fn lay_out(natives: &Path, libraries: &[Library]) -> Result<()> {
    let machine = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    for platform in PLATFORMS.iter().filter(|platform| platform.name != machine) {
        let folder = place(natives, platform.name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
    }
    for Library { platform, file } in libraries {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        let found = kind(&bytes);
        ensure!(
            found == Some((platform.format, platform.machine)),
            "{} is no library for {}",
            file.display(),
            platform.name
        );
        let folder = place(natives, platform.name);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(platform.library), bytes)?;
    }
    Ok(())
}

/// The format of a library and the processor that it is for, by its first bytes.
fn kind(bytes: &[u8]) -> Option<(Format, u32)> {
    let short = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into());
    let long = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    match bytes.get(..4)? {
        b"\x7fELF" => Some((Format::Elf, short(18)?)),
        [0xcf, 0xfa, 0xed, 0xfe] => Some((Format::MachO, long(4)?)),
        [b'M', b'Z', ..] => {
            let header = usize::try_from(long(0x3c)?).ok()?;
            let signed = bytes.get(header..)?.starts_with(b"PE\0\0");
            if signed { Some((Format::Pe, short(header + 4)?)) } else { None }
        }
        _ => None,
    }
}

/// The platforms of whose libraries a jar has one, from the list of its entries.
pub(crate) fn platforms(entries: &str) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    for entry in entries.lines().filter(|entry| entry.starts_with(RESOURCES) && !entry.ends_with('/')) {
        let is =
            |platform: &&Platform| entry == format!("{RESOURCES}/{}/{}", platform.name, platform.library);
        match PLATFORMS.iter().find(is) {
            Some(platform) => found.push(platform.name),
            None => bail!("nobody looks for {entry} in the jar"),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..4].copy_from_slice(b"\x7fELF");
        bytes[18] = machine;
        bytes
    }

    #[test]
    fn libraries_of_several_platforms_lie_where_java_looks_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let natives = folder.path().join("natives");
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let mac = [&[0xcf, 0xfa, 0xed, 0xfe][..], &0x0100_000c_u32.to_le_bytes()].concat();
        let mut windows = vec![0; 0x90];
        windows[..2].copy_from_slice(b"MZ");
        windows[0x3c] = 0x80;
        windows[0x80..0x86].copy_from_slice(b"PE\0\0\x64\x86");
        let given = [
            format!("linux-aarch64={}", file("arm.so", &elf(0xb7))),
            format!("macos-aarch64={}", file("mac", &mac)),
            format!("windows-x86_64={}", file("windows", &windows)),
        ];
        let libraries: Vec<Library> = given.iter().map(|text| text.parse().unwrap()).collect();
        lay_out(&natives, &libraries).unwrap();
        let entries: Vec<_> = libraries
            .iter()
            .map(|library| format!("{RESOURCES}/{}/{}", library.platform.name, library.platform.library))
            .inspect(|entry| assert!(natives.join(entry).is_file(), "{entry}"))
            .collect();
        let names = ["linux-aarch64", "macos-aarch64", "windows-x86_64"];
        assert_eq!(platforms(&format!("META-INF/\n{}\n", entries.join("\n"))).unwrap(), names);
        // What is not given again is not in the next jar.
        lay_out(&natives, &libraries[..1]).unwrap();
        assert!(!natives.join(&entries[1]).exists());
    }

    #[test]
    fn a_library_for_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("library");
        for bytes in [elf(0x3e), b"text".to_vec(), Vec::new(), b"MZ".to_vec()] {
            std::fs::write(&file, bytes).unwrap();
            let library: Library = format!("linux-aarch64={}", file.display()).parse().unwrap();
            assert!(lay_out(folder.path(), &[library]).is_err());
        }
        assert!("plan9-x86_64=x".parse::<Library>().is_err());
        assert!(platforms(&format!("{RESOURCES}/linux-riscv64/{ELF}")).is_err());
    }
}
