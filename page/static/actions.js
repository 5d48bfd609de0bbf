// What a reader may do to a backfill: each action says in a dialog what it will do before it does it.

import { ApiError } from "./api.js";
import { el, setText, show } from "./dom.js";
import { count, date, listed, number } from "./formats.js";
import { typeName } from "./model.js";

const NAMED = 3;

/** The actions that make sense for a job as it stands, the most likely one first. */
export function actionsOf(session) {
  const { job, workspace, connection } = session;
  if (!workspace?.may_change || session.isLookingBack || connection === "unauthorized") return [];
  if (!job?.fields) return session.connection === "idle" && workspace.addon ? [fetchAgain(session)] : [];
  if (job.isEnded) return [...(job.retryable.length ? [retryAll(session)] : []), fetchAgain(session)];
  if (job.fields.cancel_requested_at) return [];
  return [job.isPaused ? resume(session) : pause(session), cancel(session)];
}

function pause({ api, job }) {
  return {
    key: "pause",
    label: "Pause",
    title: "Pause this backfill?",
    points: [
      "It stops at the end of the page that is being fetched, within a minute.",
      "Everything stored so far stays and can be used.",
      "While it is paused, other backfills of this workspace go first. Resume it whenever you like: it goes on where it stood.",
    ],
    run: () => api.change(job.fields.id, "pause"),
    done: "Pausing: it stops at the end of a page.",
  };
}

function resume({ api, job }) {
  return {
    key: "resume",
    label: "Resume",
    isMain: true,
    title: "Resume this backfill?",
    points: [
      "It goes on where it stood. Nothing is fetched twice.",
      "If another backfill of this workspace runs, it goes on after that one.",
    ],
    run: () => api.change(job.fields.id, "resume"),
    done: "Resuming.",
  };
}

function cancel({ api, job }) {
  return {
    key: "cancel",
    label: "Cancel",
    isDangerous: true,
    confirm: "Cancel the backfill",
    dismiss: "Keep it running",
    title: "Cancel this backfill?",
    points: [
      "It ends at the next page. History that has not been fetched by then will be missing.",
      `What is stored stays${storedSoFar(job)}. Nothing is deleted.`,
      "You can have the rest fetched later: a retry goes on from here.",
    ],
    run: () => api.change(job.fields.id, "cancel"),
    done: "Canceling: it ends at the next page.",
  };
}

function retryAll({ api, job }) {
  const names = job.retryable.map((each) => each.full_name);
  return {
    key: "retry",
    label: names.length === 1 ? "Retry 1 repository" : `Retry ${number(names.length)} repositories`,
    isMain: true,
    confirm: "Retry",
    title: `Retry what did not complete in ${some(names)}?`,
    points: retryPoints(job),
    run: () => api.change(job.fields.id, "retry", {}),
    done: "Retrying.",
  };
}

/** Of one repository, or of one of its data types. */
export function retry({ api, job }, repository, dataType = null) {
  const what = dataType ? `${typeName(dataType).toLowerCase()} of ${repository.full_name}` : repository.full_name;
  const body = { repositories: [repository.full_name], ...(dataType ? { data_types: [dataType] } : {}) };
  return {
    key: "retry-one",
    label: "Retry",
    isMain: true,
    confirm: "Retry",
    title: `Retry ${what}?`,
    points: retryPoints(job),
    run: () => api.change(job.fields.id, "retry", body),
    done: job.isEnded ? `Retrying ${what}.` : `${what} will be retried when this attempt has ended.`,
  };
}

/** Of one repository, while the others go on. */
export function cancelOne({ api, job }, repository) {
  const name = repository.full_name;
  return {
    key: "cancel-one",
    label: "Cancel this repository",
    isDangerous: true,
    confirm: `Cancel ${name}`,
    dismiss: "Keep it running",
    title: `Cancel ${name}?`,
    points: [
      job.isPaused
        ? "It does not go on when this backfill is resumed. The other repositories do."
        : "It ends at its next page. The other repositories go on.",
      "What is stored stays. History that has not been fetched by then will be missing.",
      "You can have the rest fetched later: a retry goes on from here.",
    ],
    run: () => api.change(job.fields.id, "cancel", { repositories: [name] }),
    done: `Canceling ${name}: it ends at its next page.`,
  };
}

function retryPoints(job) {
  return [
    "Only what failed or was canceled is tried again. What is complete stays as it is.",
    `It goes on from where it stopped, in this same backfill: history since ${date(job.fields.cutoff_at)}.`,
    ...(job.isEnded ? [] : ["This backfill still runs: the retry begins once the present attempt has ended."]),
  ];
}

function fetchAgain({ api, workspace, workspaceId, job }) {
  const days = workspace.addon?.retention_days ?? job?.fields.retention_days;
  const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
  return {
    key: "fetch-again",
    label: job ? "Fetch again" : "Fetch the history",
    isMain: !job,
    confirm: job ? "Fetch again" : "Fetch the history",
    title: job ? "Look for everything again?" : "Fetch the history now?",
    points: [
      `A new backfill begins${days ? `: ${count(days, "day", "days")} of history, counted from today` : ""}.`,
      "It fetches what is missing or has changed. What is stored already is not fetched, and not stored, twice.",
      "What GitHub did not show last time is looked at again.",
    ].slice(0, job ? 3 : 2),
    run: () => api.start(workspaceId, key),
    done: "A new backfill was asked for.",
  };
}

function storedSoFar(job) {
  const stored = job.fields.progress?.stored;
  return stored ? ` (${number(stored)} so far)` : "";
}

function some(names) {
  const named = names.slice(0, NAMED);
  const more = names.length - named.length;
  return listed([...named, ...(more ? [count(more, "other repository", "other repositories")] : [])]);
}

/** The one dialog of the view. */
export class ActionDialog {
  #title = el("h2", { id: "dialog-title" });
  #points = el("ul", { id: "dialog-points" });
  #error = el("p", { class: "error", role: "alert", hidden: true });
  #confirm = el("button", { type: "button", "data-confirm": true });
  #dismiss = el("button", { type: "button", class: "quiet", "data-dismiss": true });
  #action = null;
  #listener;
  element = el(
    "dialog",
    { "aria-labelledby": "dialog-title", "aria-describedby": "dialog-points" },
    this.#title,
    this.#points,
    this.#error,
    el("div", { class: "buttons" }, this.#dismiss, this.#confirm),
  );

  /** `listener` has `done(action)` and `unauthorized()`. */
  constructor(listener) {
    this.#listener = listener;
    this.#dismiss.addEventListener("click", () => this.element.close());
    this.#confirm.addEventListener("click", () => this.#run());
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  ask(action) {
    this.#action = action;
    setText(this.#title, action.title);
    this.#points.replaceChildren(...action.points.map((point) => el("li", {}, point)));
    setText(this.#confirm, action.confirm ?? action.label);
    setText(this.#dismiss, action.dismiss ?? "Not now");
    this.#confirm.className = action.isDangerous ? "danger" : "main";
    this.#confirm.disabled = false;
    show(this.#error, false);
    this.element.showModal();
  }

  async #run() {
    const action = this.#action;
    this.#confirm.disabled = true;
    show(this.#error, false);
    try {
      await action.run();
      this.element.close();
      this.#listener.done(action);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.isUnauthorized) {
        this.element.close();
        return this.#listener.unauthorized();
      }
      setText(this.#error, `It was not done: ${error.message}`);
      show(this.#error, true);
    } finally {
      this.#confirm.disabled = false;
    }
  }
}
