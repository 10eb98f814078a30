# The training image: torch with CUDA, the simulator, export and evaluation; for the GPU server, never for serving.
#   docker build -f docker/training.Dockerfile -t fetalhead-training .
#   docker run --gpus all --ipc host -v "$PWD/runs:/runs" fetalhead-training fit paper
# torch brings the CUDA libraries it was built for, so the pins of the service's own (nvidia-*) are left out here.
ARG BASE=nvidia/cuda:13.0.1-base-ubuntu24.04

FROM ${BASE} AS base
RUN if ! python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))'; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
        && rm -rf /var/lib/apt/lists/*; \
    fi

FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app app
COPY fetalhead fetalhead
COPY training training
COPY model_store model_store
# The CPU runtime runs export's parity test and the evaluation; torch alone uses the GPU.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv /opt/fetalhead \
    && grep -v '^nvidia-' constraints.txt > pins.txt \
    && /opt/fetalhead/bin/pip install --constraint pins.txt '.[cpu,train]' \
    && /opt/fetalhead/bin/pip uninstall --quiet --yes openvino-telemetry

FROM base
LABEL org.opencontainers.image.title="fetalhead-training" \
      org.opencontainers.image.description="Trains and evaluates the networks of fetalhead; research use only" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin fetalhead \
    && install --directory --owner=10001 --group=10001 --mode=0750 /runs
COPY --from=build /opt/fetalhead /opt/fetalhead
ENV PATH=/opt/fetalhead/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
WORKDIR /
VOLUME /runs
ENTRYPOINT ["fetalhead-train"]
CMD ["--help"]
