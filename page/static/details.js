// One repository in full: each data type with its status, when it was complete, errors, notes, and a retry of it alone.

import { el, keepList, setAttribute, setText, show } from "./dom.js";
import { count, date, number, timeElement } from "./formats.js";
import { hasNotes, isCancelable, isRetryable, STATUS_WORDS, typeName } from "./model.js";
import { setStatusIcon, statusIcon } from "./icons.js";

const NOUNS = { embeddings: "entries of the search index", timeline_events: "timeline entries" };
const KINDS = { hidden: "counted but not shown", refused: "refused", unavailable: "not to be had" };

export class RepositoryDetails {
  #waiting = el("p", { class: "waits", hidden: true });
  #types = el("ul", { role: "list" });
  #cancel = el("button", { type: "button", class: "small change", "data-cancel": true }, "Cancel this repository");
  #listener;
  element = el("td", { role: "cell", class: "wide details", "data-details": true }, this.#waiting, this.#types, this.#cancel);

  /** `listener` has `retry(dataType)` and `cancel()`, which ask whether that shall be done. */
  constructor(listener) {
    this.#listener = listener;
    this.#cancel.addEventListener("click", () => listener.cancel());
  }

  update(repository) {
    const { cancel_requested: isStopping, waiting } = repository;
    show(this.#waiting, isStopping || Boolean(waiting));
    if (isStopping) this.#waiting.replaceChildren("Canceled. It ends at its next page; what is stored stays.");
    else if (waiting) this.#waiting.replaceChildren(...waitInWords(waiting));
    const { retry } = this.#listener;
    keepList(this.#types, repository.types, (each) => each.data_type, (each) => new TypeDetails(each, repository, retry));
    setAttribute(this.#cancel, "aria-label", `Cancel ${repository.full_name}`);
    show(this.#cancel, isCancelable(repository));
  }
}

class TypeDetails {
  #icon = statusIcon("pending");
  #text = el("span", {});
  #counts = el("p", { class: "hint" });
  #error = el("p", { class: "error", hidden: true });
  #notes = el("ul", { class: "notes", hidden: true });
  #retry;

  constructor({ data_type }, { full_name }, ask) {
    const label = `Retry ${typeName(data_type).toLowerCase()} of ${full_name}`;
    this.#retry = el(
      "button",
      { type: "button", class: "small change", "data-retry": data_type, "aria-label": label, hidden: true },
      "Retry this type",
    );
    this.#retry.addEventListener("click", () => ask(data_type));
    this.element = el(
      "li",
      { "data-type": data_type },
      el("p", { class: "type" }, this.#icon, el("strong", {}, typeName(data_type)), this.#text),
      this.#counts,
      this.#error,
      this.#notes,
      this.#retry,
    );
  }

  update(type) {
    setStatusIcon(this.#icon, type.status === "completed" && hasNotes(type) ? "notes" : type.status);
    this.#text.replaceChildren(...typeInWords(type));
    const counts = Object.entries(type.counts).filter(([, stored]) => stored);
    setText(this.#counts, counts.map(([noun, stored]) => `${number(stored)} ${NOUNS[noun] ?? noun.replaceAll("_", " ")}`).join(" · "));
    show(this.#counts, counts.length > 0);
    this.#updateError(type.error);
    const notes = notesOf(type);
    show(this.#notes, notes.length > 0);
    keepList(this.#notes, notes, (each) => each, (each) => ({ element: el("li", {}, each) }));
    show(this.#retry, isRetryable(type.status));
  }

  #updateError(error) {
    show(this.#error, Boolean(error));
    if (!error) return;
    const whatToDo = error.what_to_do || error.action;
    const advice = whatToDo ? [el("span", { class: "what-to-do" }, `What to do: ${whatToDo}`)] : [];
    this.#error.replaceChildren(error.message, ...advice);
  }
}

function typeInWords({ status, stored, expected, as_of, recent_done }) {
  const amount = expected === null ? number(stored) : `${number(stored)} of ${number(expected)}`;
  const words = [`${STATUS_WORDS[status] ?? status}, ${amount}`];
  if (as_of && status === "completed") words.push(", as of ", timeElement(as_of));
  if (recent_done && status !== "completed") words.push(" · the latest 90 days are there");
  return words;
}

/** What GitHub refuses in words, and what it does not show, thing by thing. */
function notesOf({ notes, unshown }) {
  const things = (unshown?.which ?? []).map((each) => {
    const where = each.number === null ? each.repository : `${each.repository}#${each.number}`;
    const words = each.words ? `: ${each.words}` : "";
    return `${where}: ${number(each.count)} ${each.what} ${KINDS[each.kind] ?? each.kind} since ${date(each.since)}${words}`;
  });
  const more = unshown?.more ? [`and ${count(unshown.more, "more thing", "more things")} GitHub does not show`] : [];
  return [...notes, ...things, ...more];
}

/** What a repository waits for, as nodes. */
export function waitInWords(waiting) {
  const types = waiting.data_types.length ? [`${waiting.data_types.map(typeName).join(", ")}: `] : [];
  const why = waiting.detail ? ` (${waiting.detail})` : "";
  return [...types, waiting.reason === "paused" ? "Paused " : "Waiting ", ...reasonOf(waiting), why];
}

/** For what, and until or since when: what follows "Waiting". */
export function reasonOf({ reason, since, until }) {
  const untilThen = until ? [" until ", timeElement(until)] : [];
  switch (reason) {
    case "github_limit":
      return ["for GitHub's budget", ...untilThen];
    case "openai_limit":
      return ["for OpenAI's limit", ...untilThen];
    case "github_away":
      return ["for GitHub, which is away", ...(until ? [", asked again at ", timeElement(until)] : [])];
    case "another_job":
      return ["for another backfill of the same"];
    case "no_worker":
      return ["for a worker since ", timeElement(since)];
    case "turn":
      return ["for its turn"];
    case "paused":
      return ["since ", timeElement(since)];
    default:
      return untilThen;
  }
}
