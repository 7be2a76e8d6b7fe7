#!/usr/bin/env bash
# Builds the image of deploy/Containerfile.scratch and runs its entry point as the image's user, with a
# read-only root, only a tmpfs to write to, and a Redis on loopback: the sample is a miss, then a hit.
#
#     tests/homes/container.sh FORETOLD MODEL_DIR
#
# buildah stands for any engine: it needs neither a service nor a base image. As root only, since the root
# file system is mounted read-only; without root or buildah it says so and does nothing.
set -euo pipefail
# shellcheck source=tests/homes/ask.sh
source "$(dirname "${BASH_SOURCE[0]}")/ask.sh"
[ $# = 2 ] || { echo "usage: $0 FORETOLD MODEL_DIR" >&2; exit 2; }
foretold=$1 model=$2
repository=$(cd "$(dirname "$0")/../.." && pwd)

skip() {
    echo "SKIPPED: $*; so the container was not tested"
    exit 0
}
fail() {
    echo "FAILED: $*" >&2
    cat "$work"/*.log >&2
    exit 1
}
[ "$(id -u)" = 0 ] || skip "only root may mount a root file system read-only"
for program in buildah redis-server redis-cli curl; do
    command -v "$program" >/dev/null || skip "there is no $program on PATH"
done

work=$(mktemp -d)
engine() { buildah --root "$work/storage" --runroot "$work/runroot" --storage-driver vfs "$@"; }
service='' mounted='' redis_port='' port='' container=''
# shellcheck disable=SC2317
clean_up() {
    # The engine does not pass signals on, and ends with what it runs.
    if [ -n "$service" ]; then
        if process=$(of_the_image); then kill "$process" || true; fi
        wait "$service" 2>/dev/null || true
    fi
    [ -z "$redis_port" ] || redis-cli -p "$redis_port" shutdown nosave >/dev/null 2>&1 || true
    [ -z "$mounted" ] || umount "$mounted"
    [ -z "$container" ] || engine rm "$container" >/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
# The newest process with this command line: the engine's own have it, too.
of_the_image() { pgrep --full --newest "serve /model.wasm --listen 127.0.0.1:$port"; }

"$repository/deploy/rootfs" "$foretold" "$model" "$work/files" >"$work/bake.log" 2>&1 || fail "the files"
engine build --file "$repository/deploy/Containerfile.scratch" --tag foretold "$work/files" >"$work/build.log" 2>&1 ||
    fail "the image"
container=$(engine from --pull=never foretold)
root=$(engine mount "$container")
mapfile -t entry < <(engine inspect --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}' "$container" | grep .)
user=$(engine inspect --format '{{.OCIv1.Config.User}}' "$container")
[ "$user" = 65532:65532 ] || fail "the image's user is $user"

redis_port=$(free_port)
redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --dir "$work" --daemonize yes >/dev/null
port=$(free_port)
# The last --listen counts: the image's port may be taken, since there is no network of its own.
options=()
for argument in "${entry[@]}"; do
    [ "$argument" != 0.0.0.0:8080 ] || argument=127.0.0.1:$port
    options+=("$argument")
done
options+=(--store "redis://127.0.0.1:$redis_port")

mount --bind "$root" "$root"
mounted=$root
mount -o remount,bind,ro "$root"
engine run --isolation chroot --user "$user" --cap-drop all \
    --mount type=tmpfs,destination=/cache,tmpfs-size=64m,tmpfs-mode=1777 \
    "$container" -- "${options[@]}" >"$work/run.log" 2>&1 &
service=$!

miss_then_hit "$model" "$port" "$service"
[[ $first == "foretold; fwd=miss; detail=write-queued"* ]] || fail "the first answer: $first"
# Nobody waits for the write.
for _ in $(seq 100); do
    [ "$(redis-cli -p "$redis_port" dbsize)" -gt 0 ] && break
    sleep 0.05
done
[ "$(redis-cli -p "$redis_port" dbsize)" -gt 0 ] || fail "there is nothing in Redis"

# What the kernel says of the process.
process=$(of_the_image)
status() { sed -n "s/^$1:\t*//p" "/proc/$process/status"; }
[ "$(status Uid | cut -f1)" = 65532 ] || fail "it runs as $(status Uid)"
[ "$(status CapEff)" = 0000000000000000 ] || fail "it has the capabilities $(status CapEff)"
awk '$5 == "/" && $6 ~ /^ro/ { found = 1 } END { exit !found }' "/proc/$process/mountinfo" || fail "its root can be written"
[ -z "$(ls -A "$root/cache")" ] || fail "something was written into the image"
echo "the container: $(du -sm "$work/files" | cut -f1) MB, user $user, read-only root, no capabilities: $first, then $second"
