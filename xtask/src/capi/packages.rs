//! Finding an installed library: by pkg-config and by CMake.

use super::{QUICK_START, greets};
use crate::dist::capi::{self as dist, Build};
use crate::{process, setup};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(super) fn check(work: &Path) -> Result<()> {
    let prefix = work.join("prefix");
    dist::install(&prefix, Build::Debug)?;
    for (program, build) in [
        ("pkg-config", by_pkg_config as fn(&Path, &Path) -> Result<()>),
        ("cmake", by_cmake as fn(&Path, &Path) -> Result<()>),
    ] {
        if setup::on_path(program) {
            build(&prefix, work).with_context(|| format!("building with {program}"))?;
        } else {
            println!("SKIPPED: {program} is missing");
        }
    }
    Ok(())
}

fn by_pkg_config(prefix: &Path, work: &Path) -> Result<()> {
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let found =
        process::output(pkg_config.args(["--cflags", "--libs", "litestash"]), Duration::from_secs(60))?;
    ensure!(found.status.success(), "{}", found.complaint());
    let flags = String::from_utf8(found.stdout)?;
    let program = work.join("by-pkg-config");
    let mut compiler = Command::new("cc");
    compiler.arg(QUICK_START).args(flags.split_whitespace()).arg("-o").arg(&program);
    process::run(&mut compiler)?;
    // As it would be in a folder where the dynamic linker looks: found by its soname.
    greets(Command::new(program).env("LD_LIBRARY_PATH", prefix.join("lib")), work)
}

fn by_cmake(prefix: &Path, work: &Path) -> Result<()> {
    let (source, build) = (work.join("cmake-source"), work.join("cmake-build"));
    std::fs::create_dir_all(&source)?;
    std::fs::copy(format!("{}/tests/cmake/CMakeLists.txt", dist::FOLDER), source.join("CMakeLists.txt"))?;
    std::fs::copy(QUICK_START, source.join("quickstart.c"))?;
    let configure = |wanted: &str| {
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(&source).arg("-B").arg(&build);
        cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
        cmake.arg(format!("-DLITESTASH_WANTED={wanted}"));
        process::output(&mut cmake, Duration::from_secs(120))
    };
    ensure!(!configure("99.1")?.status.success(), "CMake takes a version that is not there");
    let configured = configure(&dist::abi())?;
    ensure!(configured.status.success(), "{}", configured.complaint());
    let built = process::output(Command::new("cmake").arg("--build").arg(&build), Duration::from_secs(120))?;
    ensure!(built.status.success(), "{}", built.complaint());
    greets(&mut Command::new(build.join("quickstart")), work)
}
