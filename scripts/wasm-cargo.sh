#!/usr/bin/env bash
# Runs cargo for wasm32-wasip1, with whatever can compile to it on this machine:
#
#   scripts/wasm-cargo.sh build --release --locked -p s3-envelope-filter
#   scripts/wasm-cargo.sh test --locked -p s3-envelope
#   scripts/wasm-cargo.sh --prepare          only installs what is missing
#
# 1. rustup's target, which `rustup target add` installs;
# 2. where that cannot be had (a closed network): Debian's own Rust compiler and the sources of the
#    standard library, unpacked under the cache, which leaves the system as it is.
#
# S3_ENVELOPE_WASM_TOOLCHAIN=rustup|debian forces one of the two.
set -euo pipefail
source "$(dirname "$0")/common.sh"

readonly TARGET=wasm32-wasip1
readonly DEBIAN_PACKAGES=(
    "rustc-web=1.96.0+dfsg1-1~deb12u2"
    "libstd-rust-web-dev=1.96.0+dfsg1-1~deb12u2"
    "libstd-rust-web-1.96=1.96.0+dfsg1-1~deb12u2"
    "rust-web-src=1.96.0+dfsg1-1~deb12u2"
    "libllvm22=1:22.1.8-1~deb12u1"
    "wasi-libc=0.0~git20220510.9886d3d-2"
)

main() {
    command -v cargo >/dev/null || die "cargo is not installed; see https://rustup.rs"
    choose
    if [ "${1:-}" = --prepare ]; then
        say "wasm toolchain: $DESCRIPTION"
        return
    fi

    local command=$1
    shift
    local flags=("${FLAGS[@]}")
    # V8 and every other runtime that Envoy carries have 128-bit SIMD.
    flags+=("-Ctarget-feature=+simd128")
    # The artefact must not depend on where it is built.
    flags+=(
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
        "--remap-path-prefix=$ROOT=/s3-envelope"
    )
    if [ "$command" = test ]; then
        flags+=("${TEST_FLAGS[@]}")
        BUILD_STD=${BUILD_STD:+$BUILD_STD,test}
        local python
        python=$(bash "$ROOT/scripts/setup.sh" python)
        export CARGO_TARGET_WASM32_WASIP1_RUNNER="$python $ROOT/scripts/run_wasm_test.py"
    fi
    local joined
    joined=$(printf '%s\x1f' "${flags[@]}")
    export CARGO_ENCODED_RUSTFLAGS=${joined%$'\x1f'}
    unset RUSTFLAGS
    say "wasm toolchain: $DESCRIPTION"
    exec cargo "$command" --target "$TARGET" ${BUILD_STD:+"-Zbuild-std=$BUILD_STD"} "$@"
}

# Sets DESCRIPTION, FLAGS, TEST_FLAGS, BUILD_STD and the environment of the compiler to use.
choose() {
    FLAGS=() TEST_FLAGS=() BUILD_STD=
    local sysroot debian
    sysroot=$(rustc --print sysroot)
    debian=$CACHE/wasm-debian-$(printf '%s\n' "${DEBIAN_PACKAGES[@]}" | short_hash)
    case ${S3_ENVELOPE_WASM_TOOLCHAIN:-} in
        rustup)
            has_target "$sysroot" || add_target || die "rustup cannot install the target $TARGET"
            use_rustup ;;
        debian)
            use_debian "$sysroot" "$debian" ;;
        '')
            if has_target "$sysroot"; then
                use_rustup
            elif [ -e "$debian/complete" ]; then
                use_debian "$sysroot" "$debian"
            elif add_target && has_target "$sysroot"; then
                use_rustup
            else
                use_debian "$sysroot" "$debian"
            fi ;;
        *)
            die "S3_ENVELOPE_WASM_TOOLCHAIN must be rustup or debian" ;;
    esac
}

has_target() { [ -d "$1/lib/rustlib/$TARGET/lib" ]; }

add_target() {
    command -v rustup >/dev/null || return 1
    say "installing the Rust target $TARGET (rustup target add)"
    timeout 300 rustup target add "$TARGET" >&2
}

use_rustup() {
    DESCRIPTION="$(rustc --version) with rustup's $TARGET"
}

use_debian() {
    local sysroot=$1 root=$2 host
    [ -e "$root/complete" ] || install_debian "$root"
    host=$(rustc -vV | sed -n 's/^host: //p')
    local lld=$sysroot/lib/rustlib/$host/bin/rust-lld
    [ -x "$lld" ] || lld=$(command -v wasm-ld || true)
    [ -n "$lld" ] || die "no WebAssembly linker: neither rust-lld of the rustup toolchain nor wasm-ld"

    export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export RUSTC=$root/usr/bin/rustc
    export RUSTC_BOOTSTRAP=1
    BUILD_STD=std,panic_abort
    FLAGS=(
        "-Clink-self-contained=no"
        "-Clinker=$lld"
        "-L$root/usr/lib/wasm32-wasi"
        "--remap-path-prefix=$root=/debian"
    )
    # A test is a program, so it needs the C runtime's start; its libc is older than std and lacks
    # the two thread functions that nothing calls where threads cannot be made.
    TEST_FLAGS=(
        "-Clink-arg=$root/usr/lib/wasm32-wasi/crt1-command.o"
        "-Clink-arg=--unresolved-symbols=ignore-all"
    )
    DESCRIPTION="$("$RUSTC" --version) of Debian, std built from source"
}

# Downloads the packages and unpacks what is needed of them under "$1".
install_debian() {
    local root=$1 work
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        die "cannot install the target $TARGET: rustup could not, and this is no Debian system"
    [ "$(dpkg --print-architecture)" = amd64 ] ||
        die "cannot install the target $TARGET: rustup could not, and Debian's compiler is used on amd64 only"
    say "installing Debian's Rust compiler and std sources under $root (140 MB)"
    work=$root.partial.$$
    rm -rf "$work"
    mkdir -p "$work/debs"
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT

    local wanted=() package updated=
    for package in "${DEBIAN_PACKAGES[@]}"; do
        if ! available "$package" && [ -z "$updated" ]; then
            say "apt-get update"
            quietly apt-get update || warn "apt-get update failed"
            updated=yes
        fi
        if available "$package"; then
            wanted+=("$package")
        elif available "${package%%=*}"; then
            warn "Debian no longer has $package; taking its present version"
            wanted+=("${package%%=*}")
        else
            die "Debian has no package ${package%%=*}; update DEBIAN_PACKAGES in scripts/wasm-cargo.sh"
        fi
    done
    (cd "$work/debs" && quietly apt-get download "${wanted[@]}") || die "apt-get download failed"

    local deb
    for deb in "$work"/debs/*.deb; do
        # Of the compiler's sources only the standard library is needed: 70 of 440 MB.
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work" \
            --anchored --no-wildcards-match-slash \
            --exclude './usr/src/rustc-*/src' --exclude './usr/src/rustc-*/compiler' \
            --exclude './usr/share'
    done
    rm -rf "$work/debs"
    touch "$work/complete"
    rm -rf "$root"
    mv "$work" "$root"
    trap - EXIT
}

available() { apt-cache show "$1" >/dev/null 2>&1; }

main "$@"
