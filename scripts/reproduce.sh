#!/usr/bin/env bash
# Builds the filter a second time, from a copy of the sources elsewhere and into another target
# directory, and compares: the artefact depends on the sources and on the compiler alone.
#
#   scripts/reproduce.sh target/s3_envelope_filter.wasm
set -euo pipefail
source "$(dirname "$0")/common.sh"

readonly MODULE=$1

main() {
    local work second
    work=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    mkdir "$work/copy-of-the-sources"
    (cd "$ROOT" && git ls-files -z --cached --others --exclude-standard -- Cargo.toml Cargo.lock filter scripts \
        integration-tests/key-service integration-tests/rust-client |
        xargs -0 cp --parents -t "$work/copy-of-the-sources")
    say "building the filter once more, in another place"
    (cd "$work/copy-of-the-sources" && CARGO_TARGET_DIR=$work/target \
        quietly scripts/wasm-cargo.sh build --release --locked -p s3-envelope-filter)
    second=$work/target/wasm32-wasip1/release/s3_envelope_filter.wasm
    sha256sum "$MODULE" "$second"
    cmp "$MODULE" "$second" || die "two builds of the same sources differ"
    echo "the build is reproducible"
}

main
