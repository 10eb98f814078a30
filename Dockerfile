# The serving image. The service needs neither torch nor a compiler, runs as nobody in particular, and writes to /data.
#   RUNTIME  gpu or cpu: which ONNX runtime is installed
#   BASE     any Debian-like system; where it has no Python 3.11 or newer, its own python3 is installed
# The default base brings the CUDA 13 runtime; cuBLAS, cuDNN and the rest come as wheels, in the versions of
# constraints.txt. Where packages come from is the business of the builder's own pip configuration, as build secrets:
#   make image IMAGE_ARGS="--secret id=pip_conf,src=$HOME/.config/pip/pip.conf --secret id=ca_bundle,src=/path/to/ca.crt"
ARG BASE=nvidia/cuda:13.0.1-base-ubuntu24.04

FROM ${BASE} AS base
RUN if ! python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))'; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
        && rm -rf /var/lib/apt/lists/*; \
    fi

FROM base AS build
ARG RUNTIME=gpu
ENV PIP_CONSTRAINT=/source/constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1
WORKDIR /source
RUN python3 -m venv /opt/fetalhead

# The dependencies first, with empty packages in place of ours, so that a change of the sources does not fetch them again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt \
    mkdir app fetalhead training model_store \
    && /opt/fetalhead/bin/pip install ".[${RUNTIME},report]" \
    && /opt/fetalhead/bin/pip uninstall --quiet --yes fetalhead \
    && rm -rf build ./*.egg-info

COPY app app
COPY fetalhead fetalhead
COPY training training
COPY model_store model_store
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt \
    /opt/fetalhead/bin/pip install --no-deps . \
    && /opt/fetalhead/bin/pip uninstall --quiet --yes openvino-telemetry pip setuptools

FROM base
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="fetalhead" \
      org.opencontainers.image.description="Measures the whole fetal head in 3D ultrasound volumes; research use only" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin fetalhead \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/fetalhead /opt/fetalhead
ENV PATH=/opt/fetalhead/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
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
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['FETALHEAD_PORT'] + '/health/ready', timeout=4)"]
# Exec form: the service itself is process 1, gets SIGTERM and has no children to reap.
CMD ["fetalhead", "serve"]
