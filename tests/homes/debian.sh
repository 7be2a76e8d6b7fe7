#!/usr/bin/env bash
# Looks at a release, as `make dist` makes it: digests, paths in what was compiled, lintian's opinion of
# the Debian package. Then installs package and archive in a plain Debian, starts its systemd, and asks
# the service: the sample is a miss, then a hit. It is killed, and is there again; it stops well.
#
#     tests/homes/debian.sh RELEASE
#
# As root only, for the Debian is a folder of packages of this machine's release (mmdebstrap); without
# root or what it needs it says so and does nothing.
set -euo pipefail
# shellcheck source=tests/homes/ask.sh
source "$(dirname "${BASH_SOURCE[0]}")/ask.sh"
[ $# = 1 ] || { echo "usage: $0 RELEASE" >&2; exit 2; }
release=$(cd "$1" && pwd)
repository=$(cd "$(dirname "$0")/../.." && pwd)

skip() {
    echo "SKIPPED: $*; so the release was not tested"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "only root may install packages"
for program in mmdebstrap lintian curl python3 systemd-nspawn; do
    command -v "$program" >/dev/null || skip "there is no $program on PATH"
done
# shellcheck disable=SC1091
[ "$(. /etc/os-release && echo "$ID")" = debian ] || skip "this is no Debian, whose packages could be taken"

work=$(mktemp -d)
root=$work/root machine=''
# shellcheck disable=SC2317
clean_up() {
    # As if its power were cut: it is thrown away.
    [ -z "$machine" ] || { kill -s KILL "$init" && wait "$machine"; } 2>/dev/null || true
    for mounted in proc dev/null; do umount "$root/$mounted" 2>/dev/null || true; done
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
fail() {
    echo "FAILED: $*" >&2
    [ ! -e "$work/log" ] || cat "$work/log" >&2
    exit 1
}
only() {
    local found=("$release"/$1)
    [ ${#found[@]} = 1 ] && [ -e "${found[0]}" ] || fail "$release has not one $1"
    echo "${found[0]}"
}
package=$(only 'foretold_*.deb')
archive=$(only 'foretold-*.tar.gz')
wheel=$(only 'foretold-*x86_64.whl')

(cd "$release" && sha256sum --check --strict --quiet SHA256SUMS) || fail "SHA256SUMS"

# What belongs to the machine that it was built on.
mkdir "$work/package" "$work/archive" "$work/wheel"
dpkg-deb --raw-extract "$package" "$work/package"
tar --extract --file "$archive" --directory "$work/archive" --strip-components=1
python3 -m zipfile --extract "$wheel" "$work/wheel"
for place in "$repository" "$HOME" "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}"; do
    ! grep --recursive --text --fixed-strings --files-with-matches "$place/" "$work" || fail "these have the path $place"
done
[ "$("$work/package/usr/bin/foretold" --version)" = "$("$work/archive/bin/foretold" --version)" ] ||
    fail "the command of the package has other components than that of the archive"
for folder in package/usr/share/doc/foretold archive/share/doc/foretold wheel/foretold-*.dist-info/licenses/licences; do
    [ -s "$(echo "$work"/$folder)/THIRD-PARTY-LICENCES.txt" ] || fail "no licences in $folder"
done

lintian --fail-on error,warning --tag-display-limit 0 "$package" || fail "lintian"

sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    [ ! -s "$file" ] || sources+=("$file")
done
# shellcheck disable=SC1091
mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --include=systemd-sysv,dbus "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" \
    "${sources[@]}" >"$work/log" 2>&1 || fail "no Debian"
inside() { chroot "$root" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
mount -t proc proc "$root/proc"
touch "$root/dev/null"
mount --bind /dev/null "$root/dev/null"

cp "$package" "$root/foretold.deb"
inside dpkg --install /foretold.deb >"$work/log" 2>&1 || fail "dpkg"
inside foretold --version
inside getent passwd foretold >/dev/null || fail "no user"
[ "$(inside dpkg-query --showformat '${Conffiles}' --show foretold | awk 'NF { print $1 }')" = /etc/default/foretold ] || fail "no conffile"
[ ! -e "$root/etc/systemd/system/multi-user.target.wants/foretold.service" ] || fail "it would start without a model"
inside systemd-analyze verify foretold.service >"$work/log" 2>&1 || fail "the unit"
[ ! -s "$work/log" ] || fail "the unit"
for page in foretold foretold-serve foretold-cache-purge; do
    [ -s "$root/usr/share/man/man1/$page.1.gz" ] || fail "no manual of $page"
done
inside bash -c 'source /usr/share/bash-completion/completions/foretold && complete -p foretold' >/dev/null || fail "completions"

# As the operator does.
mkdir "$root/etc/foretold"
inside foretold bake /usr/share/doc/foretold/examples/credit -o /etc/foretold/model.wasm
inside systemctl enable foretold >"$work/log" 2>&1 || fail "systemctl enable"
for mounted in proc dev/null; do umount "$root/$mounted"; done
systemd-nspawn --quiet --directory "$root" --boot --register=no --keep-unit --private-network --console=pipe \
    >"$work/log" 2>&1 &
machine=$!
for _ in $(seq 600); do
    init=$(pgrep --parent "$machine" --full '^/[a-z/]*systemd$' || true)
    [ -z "$init" ] || ! booted=$(nsenter --target "$init" --all systemctl is-system-running --wait 2>/dev/null) || break
    sleep 0.1
done
within() { nsenter --target "$init" --all "$@"; }
[ "${booted:-}" = running ] || { within systemctl --failed >>"$work/log" || true; fail "systemd: ${booted:-it did not start}"; }
curl=(nsenter --target "$init" --net curl)
now() { within systemctl show --value --property "$1" foretold; }
miss_then_hit "$repository/models/credit" 8080 "$machine"
[ "$(within stat --format %U "/proc/$(now MainPID)")" = foretold ] || fail "it is another user's"
within systemctl kill --signal KILL foretold
for _ in $(seq 100); do
    [ "$(now NRestarts)" != 1 ] || break
    sleep 0.1
done
until_it_answers 8080 "$machine"
third=$(ask "$repository/models/credit" 8080) || fail "no answer after it was killed"
[[ $third == "foretold; fwd=miss"* ]] || fail "the answer after it was killed: $third"
within systemctl stop foretold || fail "systemctl stop"
[ "$(now Result) $(now ExecMainStatus)" = "success 0" ] || fail "it did not end well"
# It may be gone before it has said so.
within systemctl poweroff 2>/dev/null || true
wait "$machine" || fail "systemd did not end well"
machine=''
mount -t proc proc "$root/proc"
mount --bind /dev/null "$root/dev/null"

echo 'FORETOLD_OPTIONS=--ttl 60' >>"$root/etc/default/foretold"
inside dpkg --remove foretold >"$work/log" 2>&1 || fail "dpkg --remove"
[ ! -e "$root/usr/bin/foretold" ] && grep --quiet ttl "$root/etc/default/foretold" || fail "what --remove left"
inside dpkg --purge foretold >"$work/log" 2>&1 || fail "dpkg --purge"
[ ! -e "$root/etc/default/foretold" ] && [ -e "$root/etc/foretold/model.wasm" ] || fail "what --purge left"

# The archive, where the package was.
tar --extract --file "$archive" --directory "$root/usr/local" --strip-components=1
inside systemd-analyze verify foretold.service >"$work/log" 2>&1 || fail "the unit of the archive"
inside foretold bake /usr/local/share/doc/foretold/examples/credit -o /etc/foretold/model.wasm || fail "the archive"
echo "the release: installed, asked ($first, then $second), removed and purged in $(cat "$root/etc/debian_version")"
