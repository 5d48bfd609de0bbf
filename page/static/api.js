// The API of webhook.py, as the browser asks it: with the reader's token, in time, and with errors that say what is wrong.

const ANSWER_SECONDS = 20;

/** Why a request failed. `status` 0: no answer came. `message` is for people. */
export class ApiError extends Error {
  constructor(status, code, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  get isUnauthorized() {
    return this.status === 401;
  }

  get isNotFound() {
    return this.status === 404;
  }
}

export class Api {
  #base;
  /** The reader's; a new one counts from the next request on. */
  token;

  /** `base` is where webhook.py answers. */
  constructor(base, token) {
    this.#base = new URL("api/", base.endsWith("/") ? base : `${base}/`);
    this.token = token;
  }

  workspace(id, signal) {
    return this.#json("GET", `workspaces/${id}`, { signal });
  }

  history(id, before, signal) {
    const query = new URLSearchParams({ limit: "10", ...(before ? { before } : {}) });
    return this.#json("GET", `workspaces/${id}/backfills?${query}`, { signal });
  }

  timeline(jobId, signal) {
    return this.#json("GET", `backfills/${jobId}/timeline`, { signal });
  }

  chart(jobId, signal) {
    return this.#json("GET", `backfills/${jobId}/chart`, { signal });
  }

  /** Asks for a new job; the same `key` again asks for the same one. */
  start(workspaceId, key) {
    return this.#json("POST", `workspaces/${workspaceId}/backfills`, { body: {}, headers: { "Idempotency-Key": key } });
  }

  /** `what` is `pause`, `resume`, `cancel` or `retry`; a retry may name `repositories` and `data_types`. */
  change(jobId, what, body = null) {
    return this.#json("POST", `backfills/${jobId}/${what}`, { body });
  }

  /** The response of the job's event stream, whatever its status; rejects where no answer comes. */
  events(jobId, lastEventId, signal) {
    const headers = { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": lastEventId } : {}) };
    return this.#send("GET", `backfills/${jobId}/events`, { headers, signal });
  }

  async #json(method, path, { signal, ...rest }) {
    const ends = AbortSignal.any([AbortSignal.timeout(ANSWER_SECONDS * 1000), ...(signal ? [signal] : [])]);
    let response;
    try {
      response = await this.#send(method, path, { ...rest, signal: ends });
      if (response.ok) return await response.json();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, "no_answer", "The server does not answer.");
    }
    throw await errorOf(response);
  }

  #send(method, path, { body = null, headers = {}, signal }) {
    return fetch(new URL(path, this.#base), {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        ...(body ? { "Content-Type": "application/json" } : {}),
        ...headers,
      },
      body: body ? JSON.stringify(body) : null,
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal,
    });
  }
}

/** The error that a response tells of; an answer that is no JSON comes from a proxy, and is told by its status. */
export async function errorOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const { error } = await response.json().catch(() => ({}));
  const message = error?.message ?? `The server answered ${response.status}.`;
  return new ApiError(response.status, error?.code ?? "unknown", message, retryAfter);
}
