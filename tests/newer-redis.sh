#!/bin/sh
# Builds a Redis that has field expiry (HEXPIRE, HSETEX), which a Debian 12 machine does not
# offer: the source package of Debian 13, built as it is.
#
#     tests/newer-redis.sh FOLDER
#
# The last line printed is the path of the server. Nothing outside FOLDER is changed: apt-get works
# with a source list and folders of its own. Needs apt-get, dpkg-source, gcc, g++ and make; as root
# on a Debian-like system: apt-get install dpkg-dev build-essential
set -eu

[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
for program in apt-get dpkg-source gcc g++ make; do
    command -v "$program" >/dev/null ||
        { echo "$program is missing: apt-get install dpkg-dev build-essential" >&2; exit 1; }
done
mkdir -p "$1"
folder=$(cd "$1" && pwd)
server="$folder/redis-server"

if [ ! -x "$server" ]; then
    apt="$folder/apt"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] || { echo "$keyring is missing: apt-get install debian-archive-keyring" >&2; exit 1; }
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    cat >"$apt/sources.list" <<EOF
deb-src [signed-by=$keyring] http://deb.debian.org/debian trixie main
EOF
    get() {
        apt-get --quiet=2 \
            -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
            -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
            -o APT::Sandbox::User="$(id -un)" "$@" >&2
    }
    get update
    (cd "$apt" && get --download-only --only-source source redis)
    rm -rf "$apt/redis"
    # apt-get has checked the files against the signed list.
    dpkg-source --no-check -x "$apt"/redis_*.dsc "$apt/redis" >&2
    # Its own allocator, so that memory can be compared with a packaged server.
    make -C "$apt/redis" -j "$(nproc)" BUILD_TLS=no MALLOC=jemalloc >"$apt/build.log" 2>&1 ||
        { tail -n 20 "$apt/build.log" >&2; exit 1; }
    cp "$apt/redis/src/redis-cli" "$folder/"
    cp "$apt/redis/src/redis-server" "$server"
fi

# It must know the commands. Asked over a socket in a short path, which is all that sockets take.
scratch=$(mktemp -d)
cli() { "$folder/redis-cli" -s "$scratch/socket" "$@" 2>/dev/null; }
"$server" --port 0 --unixsocket "$scratch/socket" --dir "$scratch" --save '' --daemonize yes >/dev/null
trap 'cli SHUTDOWN NOSAVE || true; rm -rf "$scratch"' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(cli PING)" = PONG ] && break
    sleep 0.2
done
[ "$(cli HSETEX hash EX 100 FIELDS 1 field value)" = 1 ] || { echo "$server has no HSETEX" >&2; exit 1; }
[ "$(cli HEXPIRE hash 200 FIELDS 1 field)" = 1 ] || { echo "$server has no HEXPIRE" >&2; exit 1; }
"$server" --version >&2
echo "$server"
