//! Without a build script, cargo would ask nothing of the crates that build scripts use.

fn main() {}
