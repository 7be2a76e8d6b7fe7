#!/usr/bin/env bash
# Runs a command while the credit model, or MODEL, is served; its address is in FORETOLD_URL.
#
#     tests/with-server.sh FORETOLD COMMAND...
set -euo pipefail
foretold=$1
shift
log=$(mktemp)
"$foretold" serve "${MODEL:-$(dirname "$0")/../models/credit}" --listen 127.0.0.1:0 2>"$log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -f "$log"' EXIT
until FORETOLD_URL=$(sed -n 's/.*serving .* at \(http:[^ ]*\): POST.*/\1/p' "$log" | grep .); do
    kill -0 $server 2>/dev/null || { cat "$log"; exit 1; }
    sleep 0.1
done
export FORETOLD_URL
"$@"
