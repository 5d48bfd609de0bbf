// What the page knows and how it knows it: asks for the workspace, follows a job's stream, and goes on after interruptions.

import { Api, ApiError } from "./api.js";
import { Job } from "./model.js";
import { Stream } from "./stream.js";

const LOOK_SECONDS = 5;
/** While nothing runs, so often it is asked whether something new has begun. */
const LONGEST_PAUSE_SECONDS = 30;

/**
 * `connection` is one of
 * - `loading`: nothing is known yet
 * - `live`: changes arrive as they happen
 * - `reconnecting`: the connection broke; the next attempt is at `retryAt`
 * - `suspended`: nobody looks at the tab
 * - `idle`: the job has ended, or there is none; it is asked now and then whether that changed
 * - `unauthorized`: the token is not, or no longer, good
 * - `no_access`: there is no such workspace for this reader
 */
export class Session {
  connection = "loading";
  retryAt = null;
  /** When the server last said anything. */
  heardAt = null;
  workspace = null;
  job = null;

  #api;
  #workspaceId;
  #listener;
  #stopped = new AbortController();
  #stream = null;
  #wake = null;
  #failures = 0;
  #chosen = null;
  #turn = 0;

  /** `listener` has `changed()`, after anything above has, and `event(name, data, job)` before an event is taken. */
  constructor({ base, workspaceId, token, listener }) {
    this.#api = new Api(base, token);
    this.#workspaceId = workspaceId;
    this.#listener = listener;
  }

  get api() {
    return this.#api;
  }

  get workspaceId() {
    return this.#workspaceId;
  }

  /** Whether the reader looks at a job that is not the latest. */
  get isLookingBack() {
    return this.#chosen !== null && this.#chosen !== this.workspace?.latest_job_id;
  }

  start() {
    document.addEventListener("visibilitychange", () => !document.hidden && this.#wake?.(), {
      signal: this.#stopped.signal,
    });
    this.#look();
  }

  stop() {
    this.#stopped.abort();
    this.#leave();
  }

  /** Tries again at once, or looks at once whether something has begun. */
  retryNow() {
    this.#stream?.retryNow();
    this.#wake?.();
  }

  /** Shows this job instead of the latest; null: the latest again. */
  choose(jobId) {
    this.#chosen = jobId;
    this.#look();
  }

  /** Goes on with another token; what is known stays. */
  renew(token) {
    this.#api.token = token;
    this.#look();
  }

  /** An action was refused for the token's sake. */
  refused() {
    this.#leave();
    this.#say("unauthorized");
  }

  /** Ends what goes on, but for the session. A turn that was left does nothing more. */
  #leave() {
    this.#turn += 1;
    this.#stream?.stop();
    this.#wake?.();
    return this.#turn;
  }

  #say(connection, retryAt = null) {
    if (this.#stopped.signal.aborted) return;
    this.connection = connection;
    this.retryAt = retryAt;
    this.#listener.changed();
  }

  /** Asks for the workspace until there is an answer, then follows its job. */
  async #look() {
    const turn = this.#leave();
    const { signal } = this.#stopped;
    const isOver = () => signal.aborted || turn !== this.#turn;
    while (!isOver()) {
      try {
        const workspace = await this.#api.workspace(this.#workspaceId, signal);
        if (isOver()) return;
        this.workspace = workspace;
        this.heardAt = Date.now();
        this.#failures = 0;
      } catch (error) {
        if (isOver()) return;
        if (!(error instanceof ApiError)) throw error;
        if (error.isUnauthorized) return this.#say("unauthorized");
        if (error.isNotFound) return this.#lose();
        const pause = Math.max(Math.min(LONGEST_PAUSE_SECONDS, 2 ** this.#failures++), error.retryAfter ?? 0);
        this.#say("reconnecting", Date.now() + pause * 1000);
        await this.#pause(pause);
        continue;
      }
      const jobId = this.#chosen ?? this.workspace.latest_job_id;
      if (jobId) return this.#follow(jobId, turn);
      this.job = null;
      this.#say("idle");
      await this.#pause(LOOK_SECONDS);
    }
  }

  #lose() {
    this.job = null;
    this.workspace = null;
    this.#say("no_access");
  }

  #follow(jobId, turn) {
    const isKnown = this.job?.fields?.id === jobId;
    if (!isKnown) this.job = null;
    const job = this.job ?? new Job();
    this.#stream = new Stream(
      this.#api,
      jobId,
      {
        connected: () => job.fields && this.#say("live"),
        heard: () => (this.heardAt = Date.now()),
        event: (name, data) => {
          this.#listener.event(name, data, job);
          if (!job.take(name, data)) return;
          this.job = job;
          this.#say("live");
        },
        disconnected: (retryAt) => this.#say("reconnecting", retryAt),
        suspended: () => this.#say("suspended"),
        ended: (reason) => this.#ended(reason, turn),
      },
      isKnown ? this.#stream?.lastEventId : null,
    );
    this.#stream.start();
  }

  async #ended(reason, turn) {
    if (reason === "job_deleted") this.#chosen = null;
    if (reason === "job_ended" || reason === "nothing_new") {
      this.heardAt = Date.now();
      this.#say("idle");
      await this.#pause(LOOK_SECONDS);
    }
    if (!this.#stopped.signal.aborted && turn === this.#turn) this.#look();
  }

  /** A tab that nobody looks at asks for nothing until somebody does. */
  async #pause(seconds) {
    const turn = this.#turn;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
    const isLeft = this.#stopped.signal.aborted || turn !== this.#turn;
    if (document.hidden && !isLeft) await new Promise((resolve) => (this.#wake = resolve));
    this.#wake = null;
  }
}
