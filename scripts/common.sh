# Shared by the scripts: where things are, and how progress is told. Sourced, not run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${S3_ENVELOPE_CACHE:-$HOME/.cache/s3-envelope}

say() { printf '%s\n' "==> $*" >&2; }
warn() { printf '%s\n' "warning: $*" >&2; }
die() {
    printf '%s\n' "error: $*" >&2
    exit 1
}

# The first 16 hexadecimal digits of the SHA-256 of standard input.
short_hash() { sha256sum | cut -c1-16; }

# Runs a command quietly; shows its output only where it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
