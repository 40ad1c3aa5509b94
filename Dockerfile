# A small image of the server, with TLS to PostgreSQL, that runs without root. Builds with and without BuildKit.
#
#   docker build -t tokenpair .
#
# Other machines can reach a server in a container, so it needs a secret: set JWT_SECRET_KEY or JWT_SECRET_KEY_FILE.
# With SQLite, mount a volume at /srv/tokenpair/data; otherwise removing the container deletes the data.

# The dependencies depend only on the manifests and on an empty file for each of their targets. This stage runs at every
# change, but its result stays the same, so the dependencies come from the cache.
FROM rust:1.95-bookworm AS manifests
WORKDIR /build
COPY . .
RUN set -eu; \
    cargo metadata --offline --no-deps --format-version=1 > metadata.json; \
    mkdir stubs; \
    find . -name Cargo.toml -o -name Cargo.lock | xargs cp --parents --target-directory=stubs; \
    grep -o '"src_path":"[^"]*' metadata.json | cut -d '"' -f 4 | while read -r target; do \
        stub="stubs/${target#"$PWD/"}"; \
        mkdir -p "$(dirname "$stub")"; \
        echo 'fn main() {}' > "$stub"; \
    done

FROM rust:1.95-bookworm AS build
# Add `otlp` for traces: --build-arg FEATURES=postgres-tls,otlp. Released images have both.
ARG FEATURES=postgres-tls
WORKDIR /build
COPY --from=manifests /build/stubs ./
# Removes the stubs' own artifacts, which Cargo could mistake for those of the source.
RUN cargo build --profile dist --locked --features "$FEATURES" \
    && cargo clean --profile dist --workspace
COPY crates crates
COPY src src
COPY migrations migrations
RUN cargo build --profile dist --locked --features "$FEATURES"

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tokenpair \
    && install --directory --owner=10001 --group=10001 --mode=700 /srv/tokenpair/data
COPY --from=build /build/target/dist/tokenpair /usr/local/bin/tokenpair
WORKDIR /srv/tokenpair
USER 10001:10001
ENV SERVER_BIND=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s --retries=6 CMD ["tokenpair", "healthcheck"]
CMD ["tokenpair", "serve"]

# After all else, so that another revision changes no layer.
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="tokenpair" \
    org.opencontainers.image.description="A login server for web apps: short-lived access tokens and rotating refresh tokens" \
    org.opencontainers.image.licenses="(MIT OR Apache-2.0) AND Apache-2.0" \
    org.opencontainers.image.documentation="https://docs.rs/tokenpair-server" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.created="$CREATED" \
    org.opencontainers.image.source="$SOURCE"
