# The short ways. `just` lists them.

_default:
    @just --list

# Format, clippy, unit tests: before each commit.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo test --workspace --lib --locked

# All tests.
test:
    cargo test --workspace --locked

# The gate, as CI runs it. It installs what it needs.
ci:
    .ci/run

# The local stack.
run *arguments:
    cargo run -- {{ arguments }}

# The samples of all documents through a stack in memory.
demo:
    cargo run -- demo
