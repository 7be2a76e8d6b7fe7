# What the scripts beside it have in common: they source it, and have a function `fail`.
# shellcheck shell=bash

# What asks: something before it where the service has a network of its own.
curl=(curl)

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# ask MODEL_DIR PORT: what the cache did for the model's sample.
ask() {
    "${curl[@]}" --silent --show-error --dump-header - --output /dev/null --header 'content-type: application/json' \
        --data "@$1/sample.json" "http://127.0.0.1:$2/decisions" | tr -d '\r' | sed -n 's/^cache-status: //p'
}

# until_it_answers PORT PROCESS: waits for at most a minute, and as long as the process is there.
until_it_answers() {
    for _ in $(seq 600); do
        ! "${curl[@]}" --silent --output /dev/null "http://127.0.0.1:$1/healthz" || break
        kill -0 "$2" 2>/dev/null || fail "it ended"
        sleep 0.1
    done
}
