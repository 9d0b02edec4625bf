//! Lists `providers/*.json` for `src/provider/bundled.rs`, sorted by name, so
//! that adding a provider needs a JSON file and no Rust.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=providers");
    println!("cargo::rerun-if-changed=build.rs");

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
