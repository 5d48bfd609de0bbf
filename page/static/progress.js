// One bar over all, and one for each data type. Without a known total there is no percentage, and the bar says so.

import { el, keepList, setAttribute, setText, show } from "./dom.js";
import { count, listed, number, percent } from "./formats.js";
import { isBeingChecked, typeName } from "./model.js";

export class Progress {
  #all = new Bar("All of the history");
  #types = el("ul", { class: "types", role: "list" });
  #recent = el("p", { class: "recent", "data-recent": true, hidden: true });
  #counted = el("p", { class: "hint", "data-counted": true });
  element = el(
    "section",
    { class: "card", "aria-labelledby": "progress-title" },
    el("h2", { id: "progress-title" }, "Progress"),
    this.#all.element,
    this.#recent,
    this.#types,
    this.#counted,
  );

  update(job) {
    const fields = job?.fields;
    show(this.element, Boolean(fields?.progress));
    if (!fields?.progress) return;
    this.#all.update(fields.progress, fields.failed_repositories && job.isEnded ? "failed" : fields.status);
    setText(this.#counted, countedInWords(fields));
    this.#updateRecent(job);
    keepList(this.#types, fields.types ?? [], (each) => each.data_type, (each) => new TypeBar(each));
  }

  /** Customers care for the latest 90 days first: they are said to be there before all is there. */
  #updateRecent(job) {
    const repositories = [...job.repositories.values()].filter((each) => each.status !== "failed" && each.status !== "skipped");
    const done = repositories.filter((each) => each.types.every((type) => type.recent_done || type.status === "skipped")).length;
    const isShown = !job.isEnded && repositories.some((each) => each.types.some((type) => type.recent_done));
    show(this.#recent, isShown);
    if (!isShown) return;
    const all = done === repositories.length;
    setAttribute(this.#recent, "class", all ? "recent done" : "recent");
    setText(this.#recent, all
      ? "The latest 90 days of all repositories are there and can be used. What is older still comes."
      : `The latest 90 days come first: they are there for ${number(done)} of ${count(repositories.length, "repository", "repositories")}.`);
  }
}

/** A progress bar with its words. */
class Bar {
  #fill = el("span", { class: "fill" });
  #track;
  #share = el("span", { class: "share" });
  #words = el("span", { class: "words" });

  constructor(label) {
    const range = { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": label };
    this.#track = el("div", { class: "track", ...range }, this.#fill);
    const line = el("div", { class: "line" }, el("span", { class: "label" }, label), this.#share);
    this.element = el("div", { class: "bar" }, line, this.#track, this.#words);
  }

  /** `more` are words that follow; `bad` is what is wrong, and stands out. */
  update({ percent: done, stored, expected }, status, more = "", bad = "") {
    const isKnown = done !== null && done !== undefined;
    const words = expected === null || expected === undefined
      ? `${number(stored)} stored${status === "in_progress" ? ", total not known yet" : ""}`
      : `${number(stored)} of ${number(expected)}`;
    setAttribute(this.#track, "aria-valuenow", isKnown ? Math.floor(done) : null);
    setAttribute(this.#track, "aria-valuetext", isKnown ? `${percent(done)}, ${words}` : words);
    setAttribute(this.#track, "data-status", status === "failed" && done === 100 ? "completed" : status);
    setAttribute(this.#track, "data-known", String(isKnown));
    this.#fill.style.setProperty("--share", isKnown ? done / 100 : 0);
    setText(this.#share, isKnown ? percent(done) : "");
    const all = [words, more].filter(Boolean).join(" · ") + (bad ? ", " : "");
    if (this.#words.textContent === all + bad) return;
    this.#words.replaceChildren(all, ...(bad ? [el("span", { class: "bad" }, bad)] : []));
  }
}

/** What goes on once all that was counted is stored, where that is not about comments. */
const CHECKS = { embeddings: "all stored; checks follow" };

class TypeBar {
  #bar;

  constructor({ data_type }) {
    this.#bar = new Bar(typeName(data_type));
    this.element = el("li", { "data-type": data_type }, this.#bar.element);
  }

  update(type) {
    const failed = type.repositories?.failed ?? 0;
    const more = isBeingChecked(type) ? CHECKS[type.data_type] ?? "all stored; comments and checks follow" : repositoriesInWords(type.repositories);
    this.#bar.update(type, type.status, more, failed ? `${number(failed)} failed` : "");
  }
}

/** What the numbers over all types count. */
function countedInWords({ data_types: types }) {
  const counted = types.filter((type) => type !== "events").map((type) => typeName(type).toLowerCase());
  if (!counted.length) return "";
  const events = types.includes("events") ? "; events come on top, because nobody counts them beforehand" : "";
  return `“All of the history” counts ${listed(counted)}${events}.`;
}

function repositoriesInWords(of) {
  if (!of) return "";
  const all = Object.values(of).reduce((sum, each) => sum + each, 0);
  const parts = [];
  if (of.waiting) parts.push(`${number(of.waiting)} waiting`);
  if (of.skipped) parts.push(`${number(of.skipped)} skipped`);
  const repositories = count(all, "repository", "repositories");
  const done = of.completed === all ? `all ${repositories}` : `${number(of.completed)} of ${repositories} complete`;
  return [done, ...parts].join(", ");
}
