#!/usr/bin/env bash
# Predicts with the wheel for arm64 in an emulated Python: a miss and a hit, with the answers of this machine.
#
#     python/tests/emulated.sh WHEEL MODEL_DIR
#
# Debian's Python for arm64 is unpacked, not installed, so that nothing has to run in it but Python.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 WHEEL MODEL_DIR" >&2; exit 2; }
wheel=$(realpath "$1") model=$(realpath "$2")
for program in mmdebstrap qemu-aarch64-static; do
    command -v "$program" >/dev/null || { echo "SKIPPED: there is no $program on PATH; so the wheel for arm64 was not tested"; exit 0; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --skip=check/qemu --arch=arm64 --variant=extract --include=python3,libpython3-stdlib bookworm "$work/debian"
mkdir "$work/package"
python3 -m zipfile -e "$wheel" "$work/package"
cat >"$work/program.py" <<'PYTHON'
import json, platform, sys

sys.path.insert(0, sys.argv[1])
import foretold

assert platform.machine() == "aarch64", platform.machine()
with open(f"{sys.argv[2]}/sample.json", encoding="utf-8") as file:
    row = json.load(file)
predictor = foretold.Predictor(sys.argv[2], {})
miss, hit = predictor.predict(row), predictor.predict(row)
print(miss, miss.hit, hit == miss, hit.hit)
PYTHON
python=("$work"/debian/usr/bin/python3.*)
# The home is made in the tmp of the emulated system: of paths that are there twice, some calls see the other one.
printed=$(HOME="/tmp/emulated.$$" PYTHONHOME="$work/debian/usr" qemu-aarch64-static -L "$work/debian" "${python[0]}" \
    "$work/program.py" "$work/package" "$model")
expected="{'decision': 'ACCEPT', 'probability': 0.30381715, 'risk_category': 'MEDIUM'} False True True"
[ "$printed" = "$expected" ] || { echo "the wheel for arm64 printed: $printed"; exit 1; }
echo "the wheel for arm64: passed"
