# The serving image. RUNTIME=cpu or gpu picks the ONNX runtime; BASE is any Debian with Python 3.11 and its venv module.
# Where packages come from is the business of the builder's own pip configuration, handed in as build secrets:
#   make image IMAGE_ARGS="--secret id=pip_conf,src=$HOME/.config/pip/pip.conf --secret id=ca_bundle,src=/path/to/ca.crt"
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG RUNTIME=cpu
ENV PIP_CONSTRAINT=/source/constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python3 -m venv /opt/fetalhead

# The dependencies first, with empty packages in place of ours, so that a change of the sources does not fetch them again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt \
    mkdir app training model_store \
    && /opt/fetalhead/bin/pip install ".[${RUNTIME},report]" \
    && /opt/fetalhead/bin/pip uninstall --quiet --yes fetalhead \
    && rm -rf build ./*.egg-info

COPY app app
COPY training training
COPY model_store model_store
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt \
    /opt/fetalhead/bin/pip install --no-deps . \
    && /opt/fetalhead/bin/pip uninstall --quiet --yes pip setuptools

FROM ${BASE}
LABEL org.opencontainers.image.title="fetalhead" \
      org.opencontainers.image.description="Measures the whole fetal head in 3D ultrasound volumes; research use only" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin fetalhead \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/fetalhead /opt/fetalhead
ENV PATH=/opt/fetalhead/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FETALHEAD_HOST=0.0.0.0 \
    FETALHEAD_PORT=8000 \
    FETALHEAD_DATA_DIR=/data \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Start-up loads the model and runs its test vector before the service is ready.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
CMD ["fetalhead", "serve"]
