// Keeps the parts that the stream does not send (chart, timeline, history): asked for when they are in sight and the job
// has changed since, one request at a time each, and never more often than every few seconds.

import { ApiError } from "./api.js";
import { show } from "./dom.js";

const PAUSE_SECONDS = 5;
const PAUSE_AFTER_ERROR_SECONDS = 15;
const NEAR_PIXELS = 300;

export class Refresher {
  #parts;
  #session = null;
  #change = 0;
  #key = null;

  /** `parts` are pairs of a part (`element`, `update(answer)`) and the function that asks for its answer. */
  constructor(parts) {
    this.#parts = parts.map(([part, ask]) => ({ part, ask, isNear: false, isAsking: false, seen: -1, jobId: null, notBefore: 0 }));
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) this.#parts.find(({ part }) => part.element === target).isNear = isIntersecting;
        this.tick();
      },
      { rootMargin: `${NEAR_PIXELS}px` },
    );
    for (const { part } of this.#parts) observer.observe(part.element);
  }

  /** The job has changed, or may have. */
  update(session) {
    this.#session = session;
    const { fields } = session.job;
    const key = JSON.stringify([fields.id, fields.progress, fields.status, fields.attempt, fields.headline, fields.paused_at]);
    if (key === this.#key) return;
    this.#key = key;
    this.#change += 1;
    this.tick();
  }

  tick() {
    const job = this.#session?.job?.fields;
    if (!job || !["live", "idle"].includes(this.#session.connection)) return;
    for (const each of this.#parts) {
      const isOther = each.jobId !== job.id;
      // A part of a job that nothing is known of yet has no height to be near with.
      const isWanted = isOther || each.isNear || each.part.element.hidden;
      if (each.isAsking || !isWanted || each.seen === this.#change || (!isOther && Date.now() < each.notBefore)) continue;
      this.#ask(each, job);
    }
  }

  async #ask(each, job) {
    const session = this.#session;
    const change = this.#change;
    each.isAsking = true;
    let pause = PAUSE_SECONDS;
    try {
      const answer = await each.ask(session.api, job);
      if (session !== this.#session || session.job?.fields?.id !== job.id) return;
      each.seen = change;
      each.jobId = job.id;
      show(each.part.element, true);
      each.part.update(answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What is missing here stands elsewhere on the page; whether the server is there the connection says.
      each.jobId = job.id;
      pause = error.retryAfter ?? PAUSE_AFTER_ERROR_SECONDS;
      if (error.isUnauthorized) session.refused();
    } finally {
      each.isAsking = false;
      each.notBefore = Date.now() + pause * 1000;
    }
  }
}
