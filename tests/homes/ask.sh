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

# miss_then_hit MODEL_DIR PORT PROCESS: asks twice, and leaves what the cache did in first and second.
miss_then_hit() {
    until_it_answers "$2" "$3"
    first=$(ask "$1" "$2") || fail "no answer"
    second=$(ask "$1" "$2") || fail "no answer"
    [[ $first == "foretold; fwd=miss"* ]] || fail "the first answer: $first"
    [[ $second == "foretold; hit"* ]] || fail "the second answer: $second"
}

# until_it_answers PORT PROCESS: waits for at most a minute, and as long as the process is there.
until_it_answers() {
    for _ in $(seq 600); do
        ! "${curl[@]}" --silent --output /dev/null "http://127.0.0.1:$1/healthz" || break
        kill -0 "$2" 2>/dev/null || fail "it ended"
        sleep 0.1
    done
}
