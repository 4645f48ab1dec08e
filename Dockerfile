# One image for the API, the worker, the keeper and the migrations; the command chooses.
# TORCH_INDEX is the index torch comes from: left out, the CUDA build; https://download.pytorch.org/whl/cpu, a
# build for CPUs that is a tenth of the size.
FROM python:3.12-slim AS build
ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/td3
ENV PATH=/opt/td3/bin:$PATH
WORKDIR /src
COPY constraints.txt ./
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml README.md LICENSE ./
COPY td3core td3core
COPY td3client td3client
COPY api api
COPY worker worker
COPY embedded embedded
COPY migrations migrations
RUN pip install -c constraints.txt ./td3core ./td3client .

FROM build AS guide
COPY mkdocs.yml ./
COPY docs docs
COPY guide guide
RUN pip install -c constraints.txt '.[docs]' && python -m guide /guide

FROM python:3.12-slim
# The worker compiles the inner steps, and keeps what it compiled beside its data.
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home td3 && install -d -o td3 -g td3 /data
COPY --from=build /opt/td3 /opt/td3
COPY --from=guide /guide /opt/td3/lib/python3.12/site-packages/api/static/guide
ENV PATH=/opt/td3/bin:$PATH PYTHONUNBUFFERED=1 TD3_DATA_DIR=/data TORCHINDUCTOR_CACHE_DIR=/data/compiled
USER td3
WORKDIR /home/td3
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "api"]
