# One image for worker, webhook server and operator's commands: `python worker.py | webhook.py | starter.py ...`
FROM python:3.11.15-slim@sha256:90744cff8f32887f075c47d747a173ff333e9e98801667af93c357fa9f5e28ff AS install
WORKDIR /install
COPY requirements.txt ./
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.11.15-slim@sha256:90744cff8f32887f075c47d747a173ff333e9e98801667af93c357fa9f5e28ff
RUN groupadd --system --gid 10001 backfill \
    && useradd --system --uid 10001 --gid backfill --home-dir /app --shell /usr/sbin/nologin backfill
COPY --from=install /venv /venv
WORKDIR /app
COPY *.py ./
COPY activities/ activities/
COPY api/ api/
COPY budget/ budget/
COPY cli/ cli/
COPY progress/ progress/
COPY embedding/ embedding/
COPY github/ github/
COPY messages/ messages/
COPY metrics/ metrics/
COPY notify/ notify/
COPY page/ page/
COPY payloads/ payloads/
COPY polar/ polar/
COPY reconciler/ reconciler/
COPY schema/ schema/
COPY store/ store/
COPY workflows/ workflows/
# Pages come and go by the hundred kilobytes: given back at once, they leave no holes in glibc's heap.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_MMAP_THRESHOLD_=131072
USER 10001:10001
EXPOSE 8080
CMD ["python", "worker.py"]
