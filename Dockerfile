# One image for each process of the Procfile: docker run IMAGE release|web|worker
#
# deploy/pin adds the current digest of the tag to each image.
ARG PYTHON=docker.io/library/python:3.13.18-slim-trixie

# The packages, without the tools that install them.
FROM ${PYTHON} AS packages
COPY requirements.txt /
RUN python -m venv /venv && \
    /venv/bin/pip install --require-hashes --no-cache-dir --disable-pip-version-check --no-input \
      --requirement /requirements.txt && \
    /venv/bin/pip uninstall --yes --quiet --disable-pip-version-check pip

FROM ${PYTHON}
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin chat
WORKDIR /srv/chat
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DEBUG=0 \
    PORT=8000
COPY --from=packages /venv /venv
COPY Procfile manage.py ./
COPY deploy/start deploy/
COPY channels_workers channels_workers
COPY chat chat
COPY chat_project chat_project
# The key signs nothing and is stored nowhere. The settings need one, collectstatic does not.
RUN python -m compileall -q . && \
    SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
      python manage.py collectstatic --noinput

USER 10001:10001
EXPOSE 8000
# For web only. Start a worker and a release without it: they do not listen.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=3)"]
# The script becomes the process (exec), so that signals reach it without a shell in between.
ENTRYPOINT ["deploy/start"]
CMD ["web"]
