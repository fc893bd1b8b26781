# The daemon in a container: the single file is built in the first stage and unpacked in the second, so that the container
# starts at once and its own file system can be read-only.
#
#   docker build --build-arg RINGSIDE_UID="$(id -u)" --tag ringside .

FROM python:3.11-slim-bookworm AS build

# --slim leaves out Databento's client: an image of a third of the size.
ARG ZIPAPP_OPTIONS=""
WORKDIR /source
COPY pyproject.toml zipapp.py ./
COPY onefile onefile
COPY config config
COPY console console
COPY core core
COPY providers providers
COPY ringbuf ringbuf
COPY sql sql
COPY strategies strategies
RUN python zipapp.py ${ZIPAPP_OPTIONS} --output /out/ringside.pyz

FROM python:3.11-slim-bookworm

# Rings belong to one user: who reads them on the host must have this number.
ARG RINGSIDE_UID=1000
ARG RINGSIDE_GID=1000
ENV RINGSIDE_HOME=/data \
    RINGSIDE_CACHE=/opt/ringside/cache \
    HOME=/data
COPY --from=build /out/ringside.pyz /opt/ringside/ringside.pyz
RUN /opt/ringside/ringside.pyz --unpack \
 && chmod -R u=rwX,go=rX /opt/ringside \
 && ln -s /opt/ringside/ringside.pyz /usr/local/bin/ringside \
 && install -d -m 0700 -o "${RINGSIDE_UID}" -g "${RINGSIDE_GID}" /data
USER ${RINGSIDE_UID}:${RINGSIDE_GID}
WORKDIR /data
VOLUME /data

STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ringside --batch control "${RINGSIDE_INSTANCE:-docker}" ping || exit 1

# A program, not a shell: the signal that stops the container reaches the engine, also as process 1.
ENTRYPOINT ["ringside"]
CMD ["--batch", "serve", "--persist", "--ipc", "--instance-id", "docker"]
