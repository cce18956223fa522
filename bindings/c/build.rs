//! Gives the library the name under which programs look for it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") == "linux" {
        // Before 1.0 a minor version may break programs, as for every crate.
        let (major, minor) = (variable("CARGO_PKG_VERSION_MAJOR"), variable("CARGO_PKG_VERSION_MINOR"));
        let abi = if major == "0" { format!("{major}.{minor}") } else { major };
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liblitestash.so.{abi}");
    }
}
