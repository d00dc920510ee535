# The hub and the local ION in one image; build with `docker build -t ultraviolet .`
FROM python:3.12-slim AS build
WORKDIR /source
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/ultraviolet \
 && /opt/ultraviolet/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /opt/ultraviolet/bin/pip install --no-cache-dir --no-build-isolation --no-deps .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home ultraviolet && install -d -o ultraviolet /data
COPY --from=build /opt/ultraviolet /opt/ultraviolet
ENV PATH=/opt/ultraviolet/bin:$PATH ULTRAVIOLET_DATA=/data PYTHONUNBUFFERED=1
# By number, because Kubernetes does not take a name for proof that it is not root.
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["ultraviolet"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
