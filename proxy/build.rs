//! Makes cargo notice what `npm run build` puts into `assets/`: the files are part of the binary, and rust-embed alone does not watch the folder.

fn main() -> std::io::Result<()> {
    // A folder that is missing would count as changed at every build.
    std::fs::create_dir_all("assets")?;
    println!("cargo:rerun-if-changed=assets");
    Ok(())
}
