//! Nothing: what counts is what its `Cargo.toml` asks of other crates.
