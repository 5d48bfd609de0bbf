// A job's server-sent events, read by fetch: EventSource cannot send an Authorization header.
// A connection that breaks, or gives no sign of life, is made again, with pauses that grow, from the last event's id.

import { ApiError, errorOf } from "./api.js";

const SILENCE_SECONDS = 40;
/** The server sends a comment every 15 seconds: after so long without anything the connection is dead. */
const FIRST_PAUSE_SECONDS = 1;
const LONGEST_PAUSE_SECONDS = 30;
const HIDDEN_SECONDS = 30;
/** A tab that nobody has looked at for so long gives its connection back. */

export class Stream {
  #api;
  #jobId;
  #listener;
  #stopped = new AbortController();
  #connection = null;
  #lastEventId;
  #wake = null;
  #hiddenTimer = null;

  /**
   * `listener` has `event(name, data)`, `connected()`, `disconnected(retryAt)`, `suspended()`, `heard()` after any bytes,
   * and `ended(reason)`, once: a reason of the server's `end`, `unauthorized`, `not_found`, or `nothing_new`.
   */
  constructor(api, jobId, listener, lastEventId = null) {
    this.#api = api;
    this.#jobId = jobId;
    this.#listener = listener;
    this.#lastEventId = lastEventId;
  }

  get lastEventId() {
    return this.#lastEventId;
  }

  start() {
    const { signal } = this.#stopped;
    document.addEventListener("visibilitychange", () => this.#visibility(), { signal });
    addEventListener("online", () => this.retryNow(), { signal });
    // A page that comes back from the browser's cache has a connection that only looks alive.
    addEventListener("pageshow", (event) => event.persisted && this.#connection?.abort(), { signal });
    this.#run();
  }

  stop() {
    this.#stopped.abort();
    this.#connection?.abort();
    this.#wake?.();
    clearTimeout(this.#hiddenTimer);
  }

  /** Ends a pause. */
  retryNow() {
    this.#wake?.();
  }

  async #run() {
    let failures = 0;
    while (!this.#stopped.signal.aborted) {
      if (this.#isSuspended) {
        this.#listener.suspended();
        await this.#pause(Infinity);
        continue;
      }
      let retryAfter = null;
      try {
        const reason = await this.#connect(() => (failures = 0));
        if (this.#stopped.signal.aborted) return;
        if (reason) return this.#end(reason);
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        retryAfter = error instanceof ApiError ? error.retryAfter : null;
      }
      if (this.#isSuspended) continue;
      const grown = Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** failures++);
      // Everybody's connection breaks when the server restarts: not everybody comes back at the same moment.
      const pause = Math.max(grown * (0.5 + Math.random() / 2), retryAfter ?? 0);
      this.#listener.disconnected(Date.now() + pause * 1000);
      await this.#pause(pause);
    }
  }

  /** Reads one connection to its end. The reason, if nothing follows; null if it broke off. */
  async #connect(succeeded) {
    const connection = (this.#connection = new AbortController());
    let silence = setTimeout(() => connection.abort(), SILENCE_SECONDS * 1000);
    try {
      const response = await this.#api.events(this.#jobId, this.#lastEventId, connection.signal);
      if (response.status === 204) return "nothing_new";
      if (response.status === 401) return "unauthorized";
      if (response.status === 404) return "not_found";
      if (!response.ok) throw await errorOf(response);
      this.#listener.connected();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return null;
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), SILENCE_SECONDS * 1000);
        this.#listener.heard();
        for (const { name, data, id } of parser.feed(value)) {
          succeeded();
          if (name === "end") return data.reason;
          this.#listener.event(name, data);
          if (id) this.#lastEventId = id;
        }
      }
    } finally {
      clearTimeout(silence);
      connection.abort();
    }
  }

  #end(reason) {
    this.stop();
    this.#listener.ended(reason);
  }

  #pause(seconds) {
    return new Promise((resolve) => {
      const timer = seconds === Infinity ? null : setTimeout(resolve, seconds * 1000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #isSuspended = false;

  #visibility() {
    clearTimeout(this.#hiddenTimer);
    if (document.visibilityState === "hidden") {
      this.#hiddenTimer = setTimeout(() => {
        this.#isSuspended = true;
        this.#connection?.abort();
        this.#wake?.();
      }, HIDDEN_SECONDS * 1000);
    } else {
      this.#isSuspended = false;
      this.#wake?.();
    }
  }
}

/** Server-sent events out of pieces of text; an event may come in any number of pieces. */
export class EventParser {
  #rest = "";

  /** The events that this piece completes, with their data out of JSON. */
  feed(piece) {
    const blocks = (this.#rest + piece).split("\n\n");
    this.#rest = blocks.pop();
    return blocks.map(eventOf).filter((event) => event !== null);
  }
}

function eventOf(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, "");
  }
  if (fields.data === undefined) return null;
  return { name: fields.event ?? "message", id: fields.id ?? null, data: JSON.parse(fields.data) };
}
