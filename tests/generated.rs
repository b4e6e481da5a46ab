//! `generated/` is what `proto/` says, to the byte.
//!
//! After a change of the contract:
//! `KPMO_REGENERATE=1 cargo test --test generated`, and commit the result.

use std::{collections::BTreeMap, fs, path::Path};

use prost::Message as _;

const PROTOS: [&str; 2] = ["kanban.proto", "probe.proto"];

/// Every file of `generated/`, by name, made anew from `proto/`.
fn generate() -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([root.join("proto")]).expect("proto/ is there");
    compiler.include_source_info(true).include_imports(true);
    for proto in PROTOS {
        compiler.open_file(proto).unwrap_or_else(|error| panic!("proto/{proto}: {error:?}"));
    }
    let set = compiler.file_descriptor_set();

    let out = tempfile::tempdir().expect("a temporary directory");
    tonic_prost_build::configure()
        .out_dir(out.path())
        .server_mod_attribute("kanban.v1", "#[cfg(feature = \"governor\")]")
        .server_mod_attribute("probe.v1", "#[cfg(feature = \"governor\")]")
        .emit_rerun_if_changed(false)
        .build_transport(false)
        .compile_fds(set.clone())
        .expect("the contract compiles");

    let mut files: BTreeMap<String, Vec<u8>> = ["kanban.v1.rs", "probe.v1.rs"]
        .into_iter()
        .map(|name| (name.to_owned(), fs::read(out.path().join(name)).expect("it was generated")))
        .collect();
    // Reflection serves this one; comments would only make it larger.
    let mut bare = set;
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    files.insert("descriptors.bin".to_owned(), bare.encode_to_vec());
    files
}

#[test]
fn generated_code_is_up_to_date() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    let wanted = generate();
    if std::env::var_os("KPMO_REGENERATE").is_some() {
        fs::create_dir_all(&dir).unwrap();
        for (name, bytes) in &wanted {
            fs::write(dir.join(name), bytes).unwrap();
        }
    }
    for (name, bytes) in &wanted {
        let committed = fs::read(dir.join(name)).unwrap_or_default();
        assert!(
            committed == *bytes,
            "generated/{name} is not what proto/ says; run: KPMO_REGENERATE=1 cargo test --test generated"
        );
    }
}
