#!/usr/bin/env bash
# Runs the image of a release as engines do: its entry point as its user, with a read-only root, a model that is
# mounted, and only a tmpfs to write to. The sample is a miss, then a hit.
#
#     tests/homes/image.sh ARCHIVE MODEL_DIR
#
# As root only, since the root file system is mounted read-only; without root or buildah it says so and does
# nothing.
set -euo pipefail
# shellcheck source=tests/homes/ask.sh
source "$(dirname "${BASH_SOURCE[0]}")/ask.sh"
[ $# = 2 ] || { echo "usage: $0 ARCHIVE MODEL_DIR" >&2; exit 2; }
archive=$1 model=$(cd "$2" && pwd)

skip() {
    echo "SKIPPED: $*; so the image was not tested"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "only root may mount a root file system read-only"
for program in buildah curl python3; do
    command -v "$program" >/dev/null || skip "there is no $program on PATH"
done
work=$(mktemp -d)
engine() { buildah --root "$work/storage" --runroot "$work/runroot" --storage-driver vfs "$@"; }
service='' mounted='' port=''
fail() {
    echo "FAILED: $*" >&2
    [ ! -e "$work/log" ] || cat "$work/log" >&2
    exit 1
}
# The newest process with this command line: the engine's own have it, too.
of_the_image() { pgrep --full --newest "serve /model --listen 127.0.0.1:$port"; }
# shellcheck disable=SC2317
clean_up() {
    if [ -n "$service" ]; then
        if process=$(of_the_image); then kill "$process" || true; fi
        wait "$service" 2>/dev/null || true
    fi
    [ -z "$mounted" ] || umount "$mounted"
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT

container=$(engine from "oci-archive:$archive")
root=$(engine mount "$container")
field() { engine inspect --format "{{range .OCIv1.Config.$1}}{{println .}}{{end}}" "$container" | grep .; }
mapfile -t line < <(field Entrypoint && field Cmd)
user=$(engine inspect --format '{{.OCIv1.Config.User}}' "$container")
[ "$user" = 65532:65532 ] || fail "the image's user is $user"
port=$(free_port)
# There is no network of its own, and the image's port may be taken.
mount --bind "$root" "$root"
mounted=$root
mount -o remount,bind,ro "$root"
engine run --isolation chroot --user "$user" --cap-drop all \
    --mount "type=bind,source=$model,destination=/model,ro" \
    --mount type=tmpfs,destination=/cache,tmpfs-size=64m,tmpfs-mode=1777 \
    "$container" -- "${line[@]/0.0.0.0:8080/127.0.0.1:$port}" >"$work/log" 2>&1 &
service=$!
miss_then_hit "$model" "$port" "$service"
process=$(of_the_image)
[ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$process/status")" = 65532 ] || fail "it is another user's"
echo "the image: $(du -m "$archive" | cut -f1) MB, user $user, read-only root, a model that is mounted: $first, then $second"
