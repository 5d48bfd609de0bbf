// A job as the browser knows it: the job's own fields, and its repositories, replaced whole as the stream sends them.

import { compareNames } from "./formats.js";

export const TYPES = {
  pull_requests: "Pull requests",
  issues: "Issues",
  discussions: "Discussions",
  events: "Events",
  embeddings: "Search index",
};
/** `embeddings` are what search by meaning is made of: people know it by what it is for. */

export const ENDED = new Set(["completed", "failed", "canceled"]);

export const STATUS_WORDS = {
  failed: "failed",
  waiting: "waiting",
  in_progress: "in progress",
  pending: "not begun",
  paused: "paused",
  stopping: "stopping",
  canceled: "canceled",
  notes: "complete, with notes",
  completed: "complete",
  skipped: "skipped",
};

const NEARLY = 0.999;

const ATTENTION = ["failed", "waiting", "in_progress", "stopping", "paused", "pending", "canceled", "notes", "skipped", "completed"];

export const typeName = (dataType) => TYPES[dataType] ?? dataType;

/** What a repository is to its reader: its status, and of one at work or complete, what else there is to say. */
export function stateOf(repository) {
  const { status, waiting } = repository;
  if (status === "in_progress" || status === "pending") {
    if (repository.cancel_requested) return "stopping";
    if (waiting?.reason === "paused") return "paused";
    if (waiting?.reason === "turn") return status === "pending" ? "pending" : "in_progress";
    if (waiting && !waiting.data_types.length) return "waiting";
  }
  if (status === "completed" && repository.types.some(hasNotes)) return "notes";
  return status;
}

export const hasNotes = (type) => (type.unshown?.things ?? 0) > 0 || type.notes.length > 0;
export const isRetryable = (status) => status === "failed" || status === "canceled";
/** Whether it can be canceled without the others, in a job that goes on. */
export const isCancelable = ({ status, cancel_requested: isStopping }) => ["in_progress", "pending"].includes(status) && !isStopping;
export const attention = (state) => ATTENTION.indexOf(state);

export const storedOf = (repository) => repository.types.reduce((sum, type) => sum + type.stored, 0);

const isDone = ({ status }) => status === "completed" || status === "skipped";

/** How much of a repository is there, of 1: what its types store of what they expect. Nobody counts events beforehand.
 * Null where a total is unknown; 1 only once the repository is complete. */
export function shareOf({ status, types }) {
  if (isDone({ status })) return 1;
  let [stored, expected] = [0, 0];
  for (const type of types) {
    if (type.data_type === "events" || type.status === "skipped") continue;
    if (type.expected === null && !isDone(type)) return null;
    stored += type.stored;
    expected += type.expected ?? type.stored;
  }
  return expected ? Math.min(NEARLY, stored / expected) : null;
}

/** Of 1; 0 where the total is unknown. */
export function shareOfType(type) {
  if (isDone(type)) return 1;
  return type.expected ? Math.min(NEARLY, type.stored / type.expected) : 0;
}

/** Whether all that is expected of a type is stored, and it goes on: with comments, and with the proof that nothing lacks. */
export const isBeingChecked = ({ status, stored, expected }) => status === "in_progress" && stored > 0 && stored === expected;

/** The moment up to which all of a repository's complete types are what GitHub had; null: none is complete. */
export function asOf(repository) {
  const moments = repository.types.map((type) => type.as_of).filter(Boolean);
  return moments.length ? moments.reduce((first, each) => (each < first ? each : first)) : null;
}

export class Job {
  /** Without `repositories`. */
  fields = null;
  repositories = new Map();
  #changed = new Set();

  get isEnded() {
    return ENDED.has(this.fields.status);
  }

  get isPaused() {
    return Boolean(this.fields.paused_at) && !this.isEnded;
  }

  get retryable() {
    return [...this.repositories.values()].filter((each) => isRetryable(each.status));
  }

  /** Takes one event of the stream. Whether a picture can be drawn: a batch ends with the job. */
  take(name, data) {
    if (name === "snapshot") {
      const { repositories, ...fields } = data.job;
      this.fields = fields;
      const gone = new Set(this.repositories.keys());
      for (const each of repositories) {
        gone.delete(each.repository_id);
        this.#put(each);
      }
      for (const id of gone) this.#drop(id);
    } else if (name === "repository") this.#put(data);
    else if (name === "removed") this.#drop(data.repository_id);
    else if (name === "job") this.fields = data;
    return name === "snapshot" || name === "job";
  }

  /** The ids of repositories that have changed since this was asked last. */
  changes() {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  #put(repository) {
    this.repositories.set(repository.repository_id, repository);
    this.#changed.add(repository.repository_id);
  }

  #drop(id) {
    if (this.repositories.delete(id)) this.#changed.add(id);
  }
}

const byName = (one, other) => compareNames(one.full_name, other.full_name);

/** How the table can be sorted. */
export const ORDERS = {
  attention: (one, other) => attention(stateOf(one)) - attention(stateOf(other)) || byName(one, other),
  name: byName,
  progress: (one, other) => (shareOf(one) ?? 0) - (shareOf(other) ?? 0) || byName(one, other),
  rows: (one, other) => storedOf(other) - storedOf(one) || byName(one, other),
};
