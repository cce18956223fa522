//! The Swift package as it is handed to users: its sources, and an XCFramework of the libraries that were built on
//! Apple's systems.

use super::capi::abi;
use crate::swift::FOLDER;
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const FRAMEWORK: &str = "CLiteStash.xcframework";

/// A system of Apple's, by the name that Rust has for it.
struct System {
    triple: &'static str,
    /// As the framework's list names it.
    identifier: &'static str,
    platform: &'static str,
    architecture: &'static str,
    simulator: bool,
}

const SYSTEMS: &[System] = &[
    System {
        triple: "aarch64-apple-darwin",
        identifier: "macos-arm64",
        platform: "macos",
        architecture: "arm64",
        simulator: false,
    },
    System {
        triple: "aarch64-apple-ios",
        identifier: "ios-arm64",
        platform: "ios",
        architecture: "arm64",
        simulator: false,
    },
    System {
        triple: "aarch64-apple-ios-sim",
        identifier: "ios-arm64-simulator",
        platform: "ios",
        architecture: "arm64",
        simulator: true,
    },
];

/// A library for one of them, as `TRIPLE=FILE`.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    triple: String,
    file: PathBuf,
}

impl std::str::FromStr for Library {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (triple, file) = text.split_once('=').context("a library is given as TRIPLE=FILE")?;
        Ok(Self { triple: triple.to_owned(), file: file.into() })
    }
}

/// Puts the package into a folder, which is made anew: its sources and the framework.
pub(crate) fn package(folder: &Path, libraries: &[Library]) -> Result<()> {
    ensure!(!libraries.is_empty(), "no library was given");
    ensure!(!folder.exists(), "{} is there already", folder.display());
    copy_folder(&Path::new(FOLDER).join("Sources/LiteStash"), &folder.join("Sources/LiteStash"))?;
    std::fs::copy(format!("{FOLDER}/README.md"), folder.join("README.md"))?;
    std::fs::write(folder.join("Package.swift"), manifest()?)?;
    let framework = folder.join(FRAMEWORK);
    let mut list = String::new();
    for library in libraries {
        let system = SYSTEMS.iter().find(|system| system.triple == library.triple);
        let Some(system) = system else { bail!("{} is no system of the framework", library.triple) };
        let slice = framework.join(system.identifier);
        let headers = slice.join("Headers");
        std::fs::create_dir_all(&headers)?;
        std::fs::copy(&library.file, slice.join("liblitestash.dylib"))
            .with_context(|| library.file.display().to_string())?;
        for header in ["litestash.h", "cell.h"] {
            std::fs::copy(format!("{FOLDER}/Sources/CLiteStash/{header}"), headers.join(header))?;
        }
        std::fs::write(headers.join("module.modulemap"), module_map()?)?;
        list.push_str(&entry(system));
    }
    std::fs::write(framework.join("Info.plist"), information(&list))?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for source in std::fs::read_dir(from)? {
        let source = source?;
        let copy = to.join(source.file_name());
        if source.file_type()?.is_dir() {
            copy_folder(&source.path(), &copy)?;
        } else {
            std::fs::copy(source.path(), copy)?;
        }
    }
    Ok(())
}

/// The manifest with the framework in the place of the library that is found by pkg-config, and without what is only
/// for tests.
fn manifest() -> Result<String> {
    let manifest = std::fs::read_to_string(format!("{FOLDER}/Package.swift"))?;
    let found = ".systemLibrary(name: \"CLiteStash\", pkgConfig: \"litestash\")";
    ensure!(manifest.contains(found), "Package.swift has no line {found}");
    let manifest =
        manifest.replace(found, &format!(".binaryTarget(name: \"CLiteStash\", path: \"{FRAMEWORK}\")"));
    let internal = ["ConformanceRunner", "Benchmark", "LiteStashTests", "liblitestash is found by"];
    let kept = manifest.lines().filter(|line| !internal.iter().any(|name| line.contains(name)));
    Ok(kept.map(|line| format!("{line}\n")).collect())
}

/// Without the name of the library, which the framework links.
fn module_map() -> Result<String> {
    let map = std::fs::read_to_string(format!("{FOLDER}/Sources/CLiteStash/module.modulemap"))?;
    let kept = map.lines().filter(|line| !line.trim_start().starts_with("link "));
    Ok(kept.map(|line| format!("{line}\n")).collect())
}

fn entry(system: &System) -> String {
    let mut entry = String::from("    <dict>\n");
    let pairs = [
        ("LibraryIdentifier", system.identifier),
        ("LibraryPath", "liblitestash.dylib"),
        ("HeadersPath", "Headers"),
        ("SupportedPlatform", system.platform),
    ];
    for (key, value) in pairs {
        // Writing to a String does not fail.
        let _ = writeln!(entry, "      <key>{key}</key><string>{value}</string>");
    }
    let _ = writeln!(
        entry,
        "      <key>SupportedArchitectures</key><array><string>{}</string></array>",
        system.architecture
    );
    if system.simulator {
        entry.push_str("      <key>SupportedPlatformVariant</key><string>simulator</string>\n");
    }
    entry + "    </dict>\n"
}

fn information(list: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n<dict>\n  \
         <key>AvailableLibraries</key>\n  <array>\n{list}  </array>\n  \
         <key>CFBundlePackageType</key><string>XFWK</string>\n  \
         <key>XCFrameworkFormatVersion</key><string>1.0</string>\n</dict>\n</plist>\n"
    )
}

/// What of the packaging can be checked without Apple's tools: the folder is complete and its lists are well-formed.
pub(crate) fn check() -> Result<()> {
    let work = tempfile::tempdir()?;
    let library = work.path().join("library");
    std::fs::write(&library, "stands for a library")?;
    let libraries: Vec<_> = SYSTEMS
        .iter()
        .map(|system| Library { triple: system.triple.to_owned(), file: library.clone() })
        .collect();
    let folder = work.path().join("LiteStash");
    package(&folder, &libraries)?;
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).context(path.to_owned());
    let manifest = read("Package.swift")?;
    ensure!(manifest.contains(".binaryTarget(") && !manifest.contains("ConformanceRunner"), "{manifest}");
    read("Sources/LiteStash/LiteStash.docc/LiteStash.md")?;
    let list = read(&format!("{FRAMEWORK}/Info.plist"))?;
    for system in SYSTEMS {
        let slice = format!("{FRAMEWORK}/{}", system.identifier);
        ensure!(list.contains(system.identifier), "{list}");
        ensure!(!read(&format!("{slice}/Headers/module.modulemap"))?.contains("link "), "the map links");
        ensure!(read(&format!("{slice}/Headers/litestash.h"))?.contains("litestash_open("), "no header");
        ensure!(folder.join(slice).join("liblitestash.dylib").is_file(), "no library");
    }
    let parse = "import plistlib, sys\n\
        sys.exit(len(plistlib.load(open(sys.argv[1], 'rb'))['AvailableLibraries']) != 3)";
    let plist = folder.join(FRAMEWORK).join("Info.plist");
    ensure!(
        crate::process::succeeds(crate::process::python().args(["-c", parse]).arg(plist)),
        "Info.plist is no property list of three libraries"
    );
    crate::swift::check_manifest(&folder.join("Package.swift"))?;
    println!("Swift package for {} systems, library {}: complete", SYSTEMS.len(), abi());
    Ok(())
}
