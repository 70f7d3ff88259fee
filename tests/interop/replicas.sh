#!/bin/sh
# Two replicas behind nginx, stopped one after the other under load as a rolling update does it: no call may fail.
#
#   tests/interop/replicas.sh target/debug/cointag
#
# Needs nginx, python3 with venv and curl. The Python packages stay in $INTEROP_VENV (default: a temporary folder
# that is removed).
set -eu

binary=${1:?usage: replicas.sh PATH-TO-COINTAG}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
nginx=$(command -v nginx || echo /usr/sbin/nginx)
pids=

if [ ! -x "$nginx" ]; then
    echo "nginx is not installed" >&2
    rmdir "$work"
    exit 1
fi

finish() {
    status=$?
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    if [ "$status" -ne 0 ]; then
        for log in "$work"/*.log; do
            echo "--- $log" >&2
            tail -n 40 "$log" >&2
        done
    fi
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

venv=${INTEROP_VENV:-$work/venv}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
fi
mkdir "$work/pb"
"$venv/bin/python" -m grpc_tools.protoc -I "$root/proto" --python_out="$work/pb" --grpc_python_out="$work/pb" \
    "$root"/proto/cointag/v1/*.proto

# start NAME ADDR: a replica; sets `pid` and `grpc` (its address) once it is ready.
start() {
    log=$work/$1.log
    : >"$log"
    "$binary" serve --grpc-listen "$2" --http-listen 127.0.0.1:0 --state-dir "$work/state-$1" \
        --set market.sources=file --set "market.file.path=$root/examples/quotes.json" --set log.format=json \
        --set serve.drain_delay=1s --set limits.queue_wait_max=30s 2>"$log" &
    pid=$!
    pids="$pids $pid"
    tries=0
    until grpc=$(sed -n 's/.*"message":"serving".*"grpc":"\([^"]*\)".*/\1/p' "$log") && [ -n "$grpc" ] &&
        "$binary" health --addr "$grpc" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
            echo "replica $1 did not become ready" >&2
            exit 1
        fi
        sleep 0.1
    done
    http=$(sed -n 's/.*"message":"serving".*"http":"\([^"]*\)".*/\1/p' "$log")
}

start a 127.0.0.1:0
a=$pid a_grpc=$grpc a_http=$http
start b 127.0.0.1:0
b=$pid b_grpc=$grpc b_http=$http

# nginx cannot be told to take any free port.
port=$("$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/nginx.conf" <<CONF
daemon off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.log warn;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    upstream cointag {
        server $a_grpc max_fails=0;
        server $b_grpc max_fails=0;
        keepalive 16;
    }
    server {
        listen 127.0.0.1:$port http2;
        keepalive_requests 1000000;
        location / { grpc_pass grpc://cointag; }
    }
}
CONF
"$nginx" -c "$work/nginx.conf" -p "$work" -e "$work/nginx.log" &
pids="$pids $!"

PYTHONPATH=$work/pb "$venv/bin/python" "$here/load.py" "127.0.0.1:$port" "$work/stop" >"$work/load.log" 2>&1 &
load=$!
pids="$pids $load"

answered() { curl -sS "http://$1/metrics" | sed -n 's/^cointag_requests_total{face="grpc",method="cointag.v1.TaggerService\/Tag",code="OK"} //p'; }
# busy HTTP: waits until the replica has answered some calls from now on.
busy() {
    before=$(answered "$1")
    tries=0
    until now=$(answered "$1") && [ "${now:-0}" -gt $((${before:-0} + 50)) ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "$load" 2>/dev/null; then
            echo "no load reaches http://$1" >&2
            exit 1
        fi
        sleep 0.1
    done
}
# stop NAME PID: as an orchestrator does it.
stop() {
    kill -TERM "$2"
    wait "$2" || { echo "replica $1 exited with code $?" >&2; exit 1; }
    echo "ok: replica $1 stopped under load, exit code 0"
}

busy "$a_http"
busy "$b_http"
stop a "$a"
busy "$b_http"
start c "$a_grpc"
busy "$http"
stop b "$b"
busy "$http"
touch "$work/stop"
wait "$load"
cat "$work/load.log"
