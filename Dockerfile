# giftbridge in a container: docker build --tag giftbridge .
# The tag names a moving image: whoever builds for production pins it, FROM python:3.13-slim@sha256:...
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /tools \
 && /tools/bin/pip install --quiet --require-hashes --requirement requirements/build.txt \
 && python -m venv /opt/giftbridge \
 && /opt/giftbridge/bin/pip install --quiet --require-hashes --requirement requirements/runtime.txt
COPY . .
RUN /tools/bin/pip wheel --quiet --no-build-isolation --no-deps --wheel-dir /wheels . \
 && /opt/giftbridge/bin/pip install --quiet --no-index --no-deps /wheels/*.whl \
 && /opt/giftbridge/bin/python -m compileall -q /opt/giftbridge/lib

FROM python:3.13-slim
RUN groupadd --gid 10001 giftbridge \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin giftbridge \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/giftbridge /run/giftbridge
COPY --from=build /opt/giftbridge /opt/giftbridge
# The root file system may be read-only: what is written lies in these two folders and /dev/shm.
ENV PATH=/opt/giftbridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GIFTBRIDGE_BIND=0.0.0.0:8080 \
    GIFTBRIDGE_PROVIDERS=/etc/giftbridge/providers.toml \
    GIFTBRIDGE_DATA=/var/lib/giftbridge \
    RUNTIME_DIRECTORY=/run/giftbridge
VOLUME /var/lib/giftbridge
WORKDIR /
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["giftbridge", "health"]
ENTRYPOINT ["giftbridge"]
CMD ["serve"]
