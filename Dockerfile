# digestbot as a service, with pictures. Build: docker build -t digestbot .
# Run, with a read-only root, the configuration in ./config and the ledger in the volume "ledger":
#   docker run --read-only --tmpfs /tmp -v ./config:/config:ro -v ledger:/ledger digestbot
# In config.toml write database = "sqlite:////ledger/digestbot.db". Secrets come from the environment
# (DIGESTBOT_CHANNELS__X__API_KEY) or from mounted files (api_key_file); none belongs into an image.
# For the operators' pages: [web] with host = "0.0.0.0", a password or a token, and public_url; -p 127.0.0.1:8790:8790; the folder
# ./config writable, if schedules are to be saved there.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /opt/digestbot \
    && /opt/digestbot/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE config.example.toml ./
COPY templates templates
COPY contrib contrib
COPY digestbot digestbot
RUN /opt/digestbot/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin digestbot \
    && install -d -o digestbot -g digestbot /config /ledger
COPY --from=build /opt/digestbot /opt/digestbot
ENV PATH=/opt/digestbot/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DIGESTBOT_CONFIG=/config/config.toml
USER 10001
VOLUME ["/ledger"]
STOPSIGNAL SIGTERM
# `run` ends by itself when its scheduler dies or hangs; this tells whether configuration, templates and ledger are sound.
HEALTHCHECK --interval=5m --timeout=30s --start-period=1m CMD ["digestbot", "check"]
ENTRYPOINT ["digestbot"]
CMD ["run"]
