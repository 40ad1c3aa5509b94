# Functions that the scripts share. They also need `say`, which prints a heading.

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# PostgreSQL and PgBouncer refuse to run as root.
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

# Installs Debian packages; without arguments, does nothing.
install_packages() {
    [ $# = 0 ] && return
    say "installing $*"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Prints the folder of the newest PostgreSQL server. Some machines have only the client programs.
postgres_bin() { ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1 | xargs -r dirname; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Starts a PostgreSQL for tests, and stops it when the script ends.
start_postgres() {
    bin=$(postgres_bin)
    cluster=$(mktemp -d)
    [ "$(id -u)" = 0 ] && chown postgres "$cluster"
    trap stop_postgres EXIT
    local port
    port=$(free_port)
    as_postgres "$bin/initdb" --pgdata="$cluster/data" --username=postgres --auth=trust --no-sync >/dev/null
    as_postgres openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
        -keyout "$cluster/data/server.key" -out "$cluster/data/server.crt" 2>/dev/null
    as_postgres "$bin/pg_ctl" start --pgdata="$cluster/data" --wait --silent --log="$cluster/log" \
        -o "-p $port -k $cluster -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300 -c ssl=on"
    export TOKENPAIR_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres"
    say "PostgreSQL for the tests: $("$bin/postgres" --version)"
}

stop_postgres() {
    as_postgres "$bin/pg_ctl" stop --pgdata="$cluster/data" --mode=immediate --silent || true
    rm -rf "$cluster"
}

# Installs what tests/browser needs, and builds the server unless TOKENPAIR names one.
prepare_browser() {
    local missing=()
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing+=(chromium)
    install_packages "${missing[@]}" || return 1

    install_node_tools tests/browser tests/browser all || return 1

    if [ -z "${TOKENPAIR:-}" ]; then
        say "building"
        cargo build --locked --bin tokenpair || return 1
        TOKENPAIR=${CARGO_TARGET_DIR:-$PWD/target}/debug/tokenpair
    fi
    TOKENPAIR=$(realpath "$TOKENPAIR")
    export TOKENPAIR
}

# Installs the packages of a folder's package-lock.json into a folder, which may be the same, unless they are there: `all`, or for
# `quick` only the dependencies. All of them serve for `quick` too. npm empties node_modules first, and the note of what is there with it.
install_node_tools() {
    local lock=$1/package-lock.json tools=$2 kind=$3
    cmp --silent "$lock" "$tools/node_modules/installed-all.json" && return
    if [ "$kind" = quick ]; then
        cmp --silent "$lock" "$tools/node_modules/installed-quick.json" && return
    fi
    say "installing the packages of $1"
    mkdir -p "$tools"
    [ "$1" -ef "$tools" ] || cp "$1/package.json" "$lock" "$tools"
    local omit=()
    [ "$kind" = all ] || omit=(--omit=dev)
    (cd "$tools" && npm ci --silent --no-audit --no-fund "${omit[@]}") || return 1
    cp "$lock" "$tools/node_modules/installed-$kind.json"
}

# Installs the tests' Python packages into target/python, again when versions change: Flask-JWT-Extended, which the tests compare
# with the library, and schemathesis.
install_python_packages() {
    local venv=target/python
    if ! cmp --silent tests/requirements.txt "$venv/requirements.txt"; then
        say "installing Python packages"
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/requirements.txt
        cp tests/requirements.txt "$venv/requirements.txt"
    fi
    export TOKENPAIR_TEST_PYTHON="$PWD/$venv/bin/python"
}
