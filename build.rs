//! Lists `providers/*.json` for `src/provider/bundled.rs`, sorted by name, so
//! that adding a provider needs a JSON file and no Rust. Spares the release
//! binary a shared library, where the compiler's own can be linked in.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=providers");
    println!("cargo::rerun-if-changed=build.rs");

    if env::var("PROFILE").as_deref() == Ok("release") && has_static_unwinder() {
        println!("cargo::rustc-link-lib=static:-bundle,+whole-archive=gcc_eh");
    }

    let mut names = Vec::new();
    for entry in fs::read_dir("providers")? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            names.extend(path.file_stem().map(|stem| stem.display().to_string()));
        }
    }
    names.sort();

    let mut table = String::from("&[\n");
    for name in names {
        let file = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/providers/{name}.json\")");
        // Writing to a String cannot fail.
        let _ = writeln!(table, "    ({name:?}, include_str!({file})),");
    }
    table.push_str("]\n");

    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("bundled_providers.rs"), table)
}

/// Whether the unwinder of GCC can be linked in. The standard library asks for it
/// as a shared library, and to load that costs 0.1 ms of the 1.8 that a `get`
/// takes. Where it is not found, the shared one serves as well.
fn has_static_unwinder() -> bool {
    let is = |name: &str, value: &str| env::var(name).as_deref() == Ok(value);
    if !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("CARGO_CFG_TARGET_ENV", "gnu")
        || env::var("HOST") != env::var("TARGET")
    {
        return false;
    }
    let compiler = env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    // It prints a path where it has the file, and the bare name where it has not.
    let found = Command::new(compiler)
        .arg("-print-file-name=libgcc_eh.a")
        .output();
    found.is_ok_and(|found| Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_absolute())
}
