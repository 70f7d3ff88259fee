#!/bin/sh
# Calls a running server with clients that are not ours: Python grpcio, Node grpc-js, `buf curl`, and curl for
# gRPC-Web and JSON. Runs the example clients too.
#
#   tests/interop/run.sh target/debug/cointag
#
# Needs python3 with venv, node, npx and curl, and the package registries of Python and npm for the first run.
# The Python packages stay in $INTEROP_VENV (default: a temporary folder that is removed).
set -eu

binary=${1:?usage: run.sh PATH-TO-COINTAG}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
server=

finish() {
    status=$?
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    if [ "$status" -ne 0 ] && [ -s "$work/server.log" ]; then
        echo "--- the server's log" >&2
        cat "$work/server.log" >&2
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

# Port 0: the system picks free ports, and the first line of the log says which.
"$binary" serve --grpc-listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --state-dir "$work/state" \
    --set market.sources=file --set "market.file.path=$root/examples/quotes.json" \
    --set log.format=json --set serve.drain_delay=0s --set limits.queue_wait_max=30s --set 'grpc.web_origins=https://news.example' 2>"$work/server.log" &
server=$!

tries=0
until grep -q '"message":"serving"' "$work/server.log"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
        echo "the server did not start" >&2
        exit 1
    fi
    sleep 0.1
done
grpc=$(sed -n 's/.*"grpc":"\([^"]*\)".*/\1/p' "$work/server.log" | head -n 1)
http=$(sed -n 's/.*"http":"\([^"]*\)".*/\1/p' "$work/server.log" | head -n 1)
echo "server: gRPC $grpc, HTTP $http"

until "$binary" health --addr "$grpc" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -le 300 ] || { echo "the server did not become ready" >&2; exit 1; }
    sleep 0.1
done

echo "== Python grpcio"
mkdir "$work/pb"
"$venv/bin/python" -m grpc_tools.protoc -I "$root/proto" --python_out="$work/pb" --grpc_python_out="$work/pb" \
    "$root"/proto/cointag/v1/*.proto
PYTHONPATH=$work/pb "$venv/bin/python" "$here/client.py" "$grpc" "$server"

echo "== Node grpc-js"
mkdir "$work/node"
cp "$here/node/package.json" "$here/node/client.mjs" "$work/node/"
npm --prefix "$work/node" install --silent --no-audit --no-fund
(cd "$work/node" && node client.mjs "$grpc" "$root/proto")

echo "== buf curl"
buf() {
    npx --yes @bufbuild/buf@1.75.0 curl --protocol grpc --http2-prior-knowledge "$@"
}
expect() {
    what=$1 wanted=$2 got=$3
    case $got in
    *"$wanted"*) echo "ok: $what" ;;
    *)
        echo "FAILED: $what: no \`$wanted\` in: $got" >&2
        exit 1
        ;;
    esac
}
expect "reflection lists the methods" cointag.v1.TaggerService/Tag "$(buf --list-methods "http://$grpc")"
expect "Tag" '"tokenId": "bitcoin"' \
    "$(buf --data '{"document":{"title":"Bitcoin slips as $ETH holds"}}' "http://$grpc/cointag.v1.TaggerService/Tag")"
expect "health" SERVING "$(buf --data '{"service":""}' "http://$grpc/grpc.health.v1.Health/Check")"
expect "BatchTag" '"tokenId": "ethereum"' \
    "$(buf --data '{"documents":[{"title":"Ethereum"}]}' "http://$grpc/cointag.v1.TaggerService/BatchTag")"
expect "gRPC-Web by buf" '"tokenId": "bitcoin"' \
    "$(npx --yes @bufbuild/buf@1.75.0 curl --protocol grpcweb --http2-prior-knowledge \
        --data '{"document":{"title":"Bitcoin"}}' "http://$grpc/cointag.v1.TaggerService/Tag")"
expect "a clear error" 'options.min_confidence: ' \
    "$(buf --data '{"document":{},"options":{"min_confidence":2}}' \
        "http://$grpc/cointag.v1.TaggerService/Tag" 2>&1 || true)"

echo "== gRPC-Web by curl"
# TagRequest{document: Document{title: "Bitcoin"}}: field 1 of 9 bytes, in it field 2 of 7 bytes; before it one
# byte for "not compressed" and four for the length.
printf '\000\000\000\000\013\012\011\022\007Bitcoin' >"$work/request.bin"
web() {
    curl -sS --http1.1 -D "$work/head" -o "$work/answer.bin" "http://$grpc/cointag.v1.TaggerService/Tag" \
        -H 'Origin: https://news.example' "$@"
}
web -H 'Content-Type: application/grpc-web+proto' -H 'X-Grpc-Web: 1' --data-binary "@$work/request.bin"
expect "the answer names the token" bitcoin "$(tr -d '\000' <"$work/answer.bin" | LC_ALL=C tr -cd '[:print:]')"
expect "the trailers are in the body" grpc-status:0 "$(LC_ALL=C tr -cd '[:print:]' <"$work/answer.bin")"
expect "the page may read it" "access-control-allow-origin: https://news.example" "$(cat "$work/head")"
web -X OPTIONS -H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Headers: x-grpc-web,content-type'
expect "preflight" "access-control-allow-headers: x-grpc-web,content-type" "$(cat "$work/head")"

echo "== examples"
expect "Python" '$BTC' "$(PYTHONPATH=$work/pb "$venv/bin/python" "$root/examples/python/mentioned_tokens.py" "$grpc")"
expect "TypeScript" '<li>$BTC $' \
    "$(npx --yes tsx@4 "$root/examples/typescript/mentioned-tokens.ts" "http://$http")"

echo "== curl"
expect "JSON" '"token_id":"bitcoin"' \
    "$(curl -sS "http://$http/v1/tag" -H 'Content-Type: application/json' -d '{"document":{"title":"Bitcoin"}}')"
expect "readyz" ready "$(curl -sS "http://$http/readyz")"

echo "== stop, with a Watch open"
PYTHONPATH=$work/pb "$venv/bin/python" "$here/client.py" "$grpc" "$server" --stop
wait "$server"
server=
echo "all good"
