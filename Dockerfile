# The hub and the local ION in one image; build with `docker build -t ultraviolet .`
# Python 3.12.14 on Debian 13, for every platform. Another base: `--build-arg BASE=python:3.12-slim`.
ARG BASE=python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea
FROM ${BASE} AS build
WORKDIR /source
COPY requirements-build.lock requirements-run.lock ./
RUN python -m venv --without-pip /opt/ultraviolet \
 && pip --python /opt/ultraviolet/bin/python install --no-cache-dir --require-hashes -r requirements-run.lock \
 && pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY src src
COPY docs docs
RUN pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheels . \
 && pip --python /opt/ultraviolet/bin/python install --no-cache-dir --no-index --no-deps /wheels/*.whl

FROM ${BASE}
RUN useradd --uid 10001 --create-home ultraviolet && install -d -m 0700 -o ultraviolet /data
COPY --from=build /opt/ultraviolet /opt/ultraviolet
# SQLite needs a directory for temporary files; only /data is writable.
ENV PATH=/opt/ultraviolet/bin:$PATH ULTRAVIOLET_DATA=/data TMPDIR=/data PYTHONUNBUFFERED=1
# A number, because Kubernetes cannot verify that a name is not root.
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["ultraviolet"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
