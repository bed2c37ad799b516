# What the scripts share. Sourced, never run. It leaves the shell in the root of the repository.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The one folder that builds, tests and the nested builds of example steps write to.
target_dir="${CARGO_TARGET_DIR:-target}"
saga_bin="$target_dir/release/saga"
# The tool that checks the HTTP API, and its version.
schemathesis_dir="$target_dir/schemathesis"
schemathesis_version=4.32.5
# The tools that the Python SDK is checked with, and what makes components of Python, in the version of `saga build`.
python_dir="$target_dir/python"
python_tools=(ruff==0.17.6 mypy==2.4.1 pytest==9.2.0 componentize-py==0.25.1)
# Apache Kafka, which the tests of that broker run against, and where its jars are.
kafka_version=4.3.0
kafka_dir="$target_dir/kafka"
kafka_libs="$kafka_dir/libs"
# Where PostgreSQL servers are made for trying things out.
postgres_dir="$target_dir/postgres"

# Go, where the machine has none that is new enough: a Python package that carries it, and the link that leads to it.
go_version=1.26.6
go_dir="$target_dir/go"
PATH="$(realpath -ms "$go_dir/root/bin"):$PATH"

# Node, where the machine has none that is new enough to run TypeScript, as a Python package that carries it; and the
# tools that the JavaScript SDK is checked with.
node_version=24.19.0
node_dir="$target_dir/node"
js_dir="$target_dir/js"
js_tools=(typescript@5.9.3 @biomejs/biome@2.6.8 @types/node@22.19.0)
PATH="$(realpath -ms "$node_dir/bin"):$PATH"

say() { printf '\n==> %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# The folder of PostgreSQL's programs, the newest of them: where Debian puts it, else where the path leads.
postgres_bin() {
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    [ -x "$found" ] || found=$(command -v initdb) || return 1
    dirname "$found"
}

# Run a command as the administrator: directly, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "'$*' must be run by root, and there is no sudo; run it yourself and try again"
    fi
}

# The value of `key = "value"` in rust-toolchain.toml.
toolchain_key() { sed -n "s/^$1 = \"\(.*\)\"\$/\1/p" rust-toolchain.toml; }

# The words of `key = ["one", "two"]` in rust-toolchain.toml.
toolchain_words() { sed -n "s/^$1 = \[\(.*\)\]\$/\1/p" rust-toolchain.toml | tr -d '",'; }
