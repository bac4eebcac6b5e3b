#!/usr/bin/env bash
# Fuzzes one target of filter/core/fuzz for some seconds, on the stable compiler:
#
#   scripts/fuzz.sh head 60
set -euo pipefail
source "$(dirname "$0")/common.sh"

readonly TARGET=$1 SECONDS_EACH=$2
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=$ROOT/target/fuzz
# What cargo-fuzz passes on, of which nothing needs a nightly compiler: coverage that libFuzzer reads.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"

say "building the fuzz target $TARGET"
cargo build --quiet --release --locked --target "$host" \
    --manifest-path "$ROOT/filter/core/fuzz/Cargo.toml" --bin "$TARGET"
corpus=$CARGO_TARGET_DIR/corpus/$TARGET
mkdir -p "$corpus"
say "fuzzing $TARGET for $SECONDS_EACH seconds"
cd "$CARGO_TARGET_DIR"
exec "$CARGO_TARGET_DIR/$host/release/$TARGET" -max_total_time="$SECONDS_EACH" -max_len=4096 -verbosity=0 \
    -print_final_stats=1 "$corpus"
