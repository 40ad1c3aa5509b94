# A scratch folder and PostgreSQL servers for scripts/bench and scripts/scale, removed when the script ends.

# Sets `scratch`, on the project's disk, since the benchmark measures durable commits, and `clusters`.
prepare_clusters() {
    mkdir -p target
    scratch=$(realpath "$(mktemp -d -p target)")
    clusters=$(mktemp -d)
    chmod 755 "$clusters"
    trap remove_clusters EXIT
}

remove_clusters() {
    local cluster
    for cluster in "$clusters"/*/; do
        [ -d "$cluster/data" ] || continue
        as_postgres pg_ctl stop --pgdata="$cluster/data" --mode=immediate --silent || true
    done
    rm -rf "$scratch" "$clusters"
}

# Starts a PostgreSQL under this name, with these options of the server; `preload` names a library to load into it.
# Sets `url`.
start_cluster() {
    local cluster="$clusters/$1" port
    mkdir "$cluster"
    [ "$(id -u)" = 0 ] && chown postgres "$cluster"
    port=$(free_port)
    as_postgres initdb --pgdata="$cluster/data" --username=postgres --auth=trust --no-sync >/dev/null
    as_postgres env ${preload:+LD_PRELOAD="$preload"} pg_ctl start --pgdata="$cluster/data" --wait --silent --log="$cluster/log" \
        -o "-p $port -k $cluster -c listen_addresses=127.0.0.1 -c max_connections=100 ${*:2}"
    url="postgres://postgres@127.0.0.1:$port"
}
