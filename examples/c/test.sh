#!/usr/bin/env bash
# Builds and runs the examples in C and, where there is Go, in Go:
#
#     examples/c/test.sh LIBRARY_COMPONENT PYTHON
#
# wasmtime's C API is put together from its headers, in the crate wasmtime-c-api-impl, and its library, which the PyPI
# package wasmtime of the same version has; a user takes a release of wasmtime, which has both.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 LIBRARY_COMPONENT PYTHON" >&2; exit 2; }
component=$(realpath "$1")
# As it is: an environment is known by the link's folder.
python=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=$("$python" -c 'import os, wasmtime; print(os.path.dirname(wasmtime.__file__))')
version=$("$python" -c 'import importlib.metadata; print(importlib.metadata.version("wasmtime"))')
mkdir "$work/headers" "$work/headers/src" "$work/api" "$work/api/lib"
touch "$work/headers/src/lib.rs"
cat >"$work/headers/Cargo.toml" <<TOML
[package]
name = "headers"
edition = "2024"
[dependencies]
wasmtime-c-api-impl = { version = "=$version", default-features = false }
[workspace]
TOML
manifest=$(cd "$work/headers" && cargo metadata --quiet --format-version 1 --filter-platform x86_64-unknown-linux-gnu |
    "$python" -c 'import json, sys; print(*(it["manifest_path"] for it in json.load(sys.stdin)["packages"] if it["name"] == "wasmtime-c-api-impl"))')
cp -r "$(dirname "$manifest")/include" "$work/api/"
# What wasmtime's build writes: the features that the library has.
sed 's/^#cmakedefine \(WASMTIME_FEATURE_\(COMPONENT_MODEL\|WASI\|CRANELIFT\)\)$/#define \1/; /^#cmakedefine/d' \
    "$work/api/include/wasmtime/conf.h.in" >"$work/api/include/wasmtime/conf.h"
cp "$package"/linux-*/_libwasmtime.so "$work/api/lib/libwasmtime.so"

expected='0.303817153 | foretold; fwd=miss; stored
0.303817153 | foretold; hit; ttl=3600
refused: age_in_years: expected an integer from 18 to 127, got 17'
check() {
    printed=$("${@:2}")
    [ "$printed" = "$expected" ] || { echo "examples/$1 printed:"; echo "$printed"; exit 1; }
    echo "examples/$1: passed"
}
cp -r "$here" "$work/c"
make --quiet -C "$work/c" WASMTIME="$work/api" CFLAGS='-O1 -g -Werror -fsanitize=address,undefined'
# The library keeps its memory to the end, so that leaks are not looked for.
check c env ASAN_OPTIONS=detect_leaks=0 LD_LIBRARY_PATH="$work/api/lib" "$work/c/example" "$component"
if "$work/c/example" "$component" nothing 2>/dev/null || "$work/c/example" "$here/example.c" >/dev/null 2>&1; then
    echo 'examples/c: what is no component was taken'; exit 1
fi
if ! command -v go >/dev/null; then
    echo 'SKIPPED: there is no go on PATH, so examples/go was not tested'
    exit 0
fi
cp -r "$here/../go" "$work/go"
make --quiet -C "$work/c" clean libforetold.a WASMTIME="$work/api"
(cd "$work/go" && CGO_CFLAGS="-I$work/c" CGO_LDFLAGS="-L$work/c -lforetold -L$work/api/lib -lwasmtime" go build -o example .)
check go env LD_LIBRARY_PATH="$work/api/lib" "$work/go/example" "$component"
