#!/usr/bin/env bash
# Installs an npm package, as `make npm` makes it, in an empty folder and without a registry, and runs the lines
# of its README: a prediction.
#
#     tests/homes/npm.sh PACKAGE.tgz
#
# Without Node 20 or newer it says so and does nothing.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 PACKAGE.tgz" >&2; exit 2; }
package=$(realpath "$1")
if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
    echo "SKIPPED: there is no Node 20 or newer; so the npm package was not tested"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --offline --silent "$package"
sed -n '/^```js$/,/^```$/p' node_modules/*/README.md | grep -v '^```' >program.mjs
answer=$(node program.mjs)
[[ $answer == *probability* ]] || { echo "FAILED: $answer" >&2; exit 1; }
echo "the npm package: $(du -m "$package" | cut -f1) MB, installed without a registry: $(echo $answer)"
