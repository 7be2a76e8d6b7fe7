#!/usr/bin/env bash
# The soak on a Redis Cluster of three primaries and three replicas: each primary is killed and comes back, one
# is stopped, one is cut off from one of the hosts, slots are moved, and all nodes go away at once.
#
#     tests/fleet/soak-cluster.sh FORETOLD SECONDS
set -euo pipefail
foretold=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
ports=(17401 17402 17403 17404 17405 17406)
export ports_text="${ports[*]}" folder

start() { # PORT
    redis-server --port "$1" --bind 127.0.0.1 --save '' --dir "$folder" --cluster-enabled yes \
        --cluster-config-file "nodes-$1.conf" --cluster-node-timeout 1000 --daemonize yes \
        --pidfile "$folder/$1.pid" >/dev/null
}
signal() { # SIGNAL PORT
    kill "-$1" "$(cat "$folder/$2.pid")" 2>/dev/null || true
}
# A primary as the cluster is now: of port number N among them.
primary() { # N
    for port in $ports_text; do
        redis-cli -p "$port" cluster nodes 2>/dev/null && break
    done | awk '/master/ && !/fail/ && NF > 8 {split($2, a, "[:@]"); print a[2]}' | sort -u | sed -n "$1p"
}
move_slots() {
    local from to
    from=$(redis-cli -p "$(primary 1)" cluster myid) to=$(redis-cli -p "$(primary 2)" cluster myid)
    # After a fail-over the nodes take a moment to agree.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        redis-cli --cluster reshard "127.0.0.1:$(primary 1)" --cluster-from "$from" --cluster-to "$to" \
            --cluster-slots 100 --cluster-yes >"$folder/reshard.log" 2>&1 && return
        redis-cli --cluster fix "127.0.0.1:$(primary 1)" --cluster-yes >/dev/null 2>&1 || true
        sleep 1
    done
    tail -n 5 "$folder/reshard.log"
    return 1
}
# Waits until every node says that the cluster serves, which takes some seconds after a node is back.
healthy() {
    local ok
    for _ in $(seq 100); do
        ok=0
        for port in $ports_text; do
            redis-cli -p "$port" cluster info 2>/dev/null | grep -q cluster_state:ok && ok=$((ok + 1))
        done
        [ $ok = 6 ] && return
        sleep 0.2
    done
    return 1
}
export -f start signal primary move_slots healthy
trap 'for port in $ports_text; do signal 9 "$port"; done; drop_second -D 2>/dev/null || true; rm -rf "$folder"' EXIT

for port in "${ports[@]}"; do start "$port"; done
sleep 1
redis-cli --cluster create "${ports[@]/#/127.0.0.1:}" --cluster-replicas 1 --cluster-yes >/dev/null
healthy

run() { printf '%s|%s|%s' "$1" "$2" "$3"; }
killed() { run "primary $1 killed" "primary $1 >\$folder/struck; signal 9 \$(cat \$folder/struck)" \
    "start \$(cat \$folder/struck); sleep 1; healthy"; }
# What the second host sends to a primary is dropped: it is told apart by its group. Only root can do that.
group=4242
drop_second() { iptables "$1" OUTPUT -p tcp --dport "$(cat "$folder/struck")" -m owner --gid-owner $group -j DROP; }
export -f drop_second
export group
if cut_off=$(primary 2) && echo "$cut_off" >"$folder/struck" && drop_second -I 2>/dev/null && drop_second -D; then
    second=(--second-through "setpriv --regid $group --clear-groups" --fault
        "$(run 'primary 2 cut off from one host' "primary 2 >\$folder/struck; drop_second -I" 'drop_second -D; healthy')")
else
    echo 'SKIPPED: no node is cut off from one host, which needs root and iptables'
    second=()
fi
python3 "$here/soak.py" "$foretold" --seconds "$seconds" --store "redis+cluster://127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}" \
    --fault "$(killed 1)" --fault "$(killed 2)" --fault "$(killed 3)" \
    --fault "$(run 'slots moved' move_slots healthy)" "${second[@]}" \
    --fault "$(run 'primary 1 stopped' "primary 1 >\$folder/struck; signal STOP \$(cat \$folder/struck)" \
        "signal CONT \$(cat \$folder/struck); sleep 1; healthy")" \
    --fault "$(run 'all nodes killed' "for port in \$ports_text; do signal 9 \$port; done" \
        "for port in \$ports_text; do start \$port; done; sleep 1; healthy")"
