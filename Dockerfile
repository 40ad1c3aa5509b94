# The server with TLS to PostgreSQL, as a small image that runs without root.
#
#   docker build -t tokenpair .
#
# In a container others can reach the server, so it asks for a secret: set JWT_SECRET_KEY or JWT_SECRET_KEY_FILE.

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY migrations migrations
RUN cargo build --release --locked --features postgres-tls \
    && mkdir -p /rootfs/srv/tokenpair/data

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tokenpair
COPY --from=build /build/target/release/tokenpair /usr/local/bin/tokenpair
COPY --from=build --chown=10001:10001 --chmod=700 /rootfs/srv/tokenpair/data /srv/tokenpair/data
WORKDIR /srv/tokenpair
USER 10001:10001
VOLUME /srv/tokenpair/data
ENV SERVER_BIND=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s --retries=6 CMD ["tokenpair", "healthcheck"]
CMD ["tokenpair", "serve"]
