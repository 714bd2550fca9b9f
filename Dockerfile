# The service and the relay; engines come as images of their own (docker-compose.yml).

FROM python:3.13-slim AS packages
RUN python -m venv /packages
COPY requirements.lock .
RUN /packages/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
    --requirement requirements.lock

FROM python:3.13-slim
LABEL org.opencontainers.image.title="consent-service" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin consent \
    && install --directory --owner=10001 --mode=0700 /keys
COPY --from=packages /packages /packages
WORKDIR /service
COPY migrations migrations
COPY consent_service consent_service
# Compiled here: the running container may have a read-only file system.
RUN python -m compileall -q consent_service
ENV PATH=/packages/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CONSENT_HOST=0.0.0.0 \
    CONSENT_PORT=8000
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['CONSENT_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["python", "-m", "consent_service"]
CMD ["serve"]
