// Repositories and their data types: failures first, with what to do; searched, filtered and sorted in the browser.
// Rows are updated in place, one by one, as the stream sends them. They stand in groups, and the browser skips the groups
// that are out of sight (content-visibility): to watch each of a thousand rows would cost more than it saves.

import { cancelOne, retry } from "./actions.js";
import { el, setAttribute, setText, show } from "./dom.js";
import { count, number, percent, timeElement } from "./formats.js";
import { asOf, isRetryable, ORDERS, shareOf, shareOfType, stateOf, STATUS_WORDS, typeName } from "./model.js";
import { setStatusIcon, statusIcon } from "./icons.js";
import { RepositoryDetails, reasonOf } from "./details.js";

const ORDER_NAMES = { attention: "Attention first", name: "Name", progress: "Least complete first", rows: "Most items first" };

const GROUP = 20;
/** More rows than that scroll in a frame of their own: what follows the table stays near. Fewer are always laid out, so
 *  that they take no more room than they have, also while they are out of sight. */
const MANY = 25;

export class Repositories {
  #rows = new Map();
  #types = null;
  #job = null;
  #session = null;
  #ask;
  #search = el("input", { type: "search", id: "repository-search", placeholder: "owner/name", autocomplete: "off", spellcheck: "false" });
  #filter = el("select", { id: "repository-filter" });
  #order = el("select", { id: "repository-order" }, ...Object.entries(ORDER_NAMES).map(([value, name]) => el("option", { value }, name)));
  #found = el("p", { class: "hint", role: "status", "data-found": true });
  #head = el("tr", { role: "row" });
  #table = el("table", { role: "table", "aria-labelledby": "repositories-title" }, el("thead", { role: "rowgroup" }, this.#head));
  #groups = [];
  element = el(
    "section",
    { class: "card", "aria-labelledby": "repositories-title" },
    el("h2", { id: "repositories-title" }, "Repositories"),
    el(
      "div",
      { class: "controls", role: "search", "aria-label": "Repositories" },
      field("Find", this.#search),
      field("Show", this.#filter),
      field("Sort", this.#order),
    ),
    this.#found,
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of repositories" },
      this.#table,
    ),
  );

  constructor(ask) {
    this.#ask = ask;
    this.#search.addEventListener("input", () => this.#arrange());
    this.#filter.addEventListener("change", () => this.#arrange());
    this.#order.addEventListener("change", () => this.#arrange());
  }

  update(session) {
    this.#session = session;
    const job = session.job;
    show(this.element, Boolean(job?.repositories.size));
    if (!job) return;
    if (job !== this.#job || this.#types !== job.fields.data_types.join()) this.#begin(job);
    const changed = job.changes();
    for (const id of changed) this.#put(id, job.repositories.get(id));
    if (changed.size) this.#arrange();
    const mayChange = session.workspace?.may_change && !session.isLookingBack;
    setAttribute(this.element, "data-may-change", mayChange);
    // A job that waits for its turn, or is being canceled, has no repository to cancel alone.
    setAttribute(this.element, "data-goes-on", job.fields.status === "in_progress" && !job.fields.cancel_requested_at);
  }

  #begin(job) {
    this.#job = job;
    this.#types = job.fields.data_types.join();
    this.#rows.clear();
    for (const group of this.#groups.splice(0)) group.remove();
    job.changes();
    for (const [id, repository] of job.repositories) this.#put(id, repository);
    const headings = ["Repository", "Status", ...job.fields.data_types.map(typeName)];
    this.#head.replaceChildren(...headings.map((each) => el("th", { role: "columnheader", scope: "col" }, each)));
    this.element.style.setProperty("--types", job.fields.data_types.length);
    this.#arrange();
  }

  #put(id, repository) {
    const row = this.#rows.get(id);
    if (!repository) {
      row?.element.remove();
      this.#rows.delete(id);
    } else if (row) row.update(repository);
    else this.#rows.set(id, new Row(repository, this.#rowTemplate(), this));
  }

  /** Cloning a row is several times faster than making it. */
  #rowTemplate() {
    if (this.#template?.types === this.#types) return this.#template.row;
    const cells = this.#job.fields.data_types.map((type) =>
      el(
        "td",
        { role: "cell", "data-type": type, "data-name": typeName(type) },
        statusIcon("pending"),
        el("span", { class: "amount" }),
        el("small", {}),
      ),
    );
    const row = el(
      "tr",
      { role: "row" },
      el("th", { role: "rowheader", scope: "row" }, el("button", { type: "button", class: "name", "aria-expanded": "false" })),
      el("td", { role: "cell", class: "status" }, statusIcon("pending"), el("span", {})),
      ...cells,
    );
    this.#template = { types: this.#types, row };
    return row;
  }

  #template = null;

  /** Which rows are shown, and in which order; rows that stay where they are are not touched. */
  #arrange() {
    const states = new Map();
    for (const [id, { repository }] of this.#rows) states.set(id, stateOf(repository));
    this.#offer(states);
    const wanted = this.#search.value.trim().toLowerCase();
    const filter = this.#filter.value;
    const isShown = ({ repository_id: id, full_name: name }) =>
      name.toLowerCase().includes(wanted) && (!filter || states.get(id) === filter);
    const order = ORDERS[this.#order.value];
    const rows = [...this.#rows.values()].filter((row) => isShown(row.repository));
    rows.sort((one, other) => order(one.repository, other.repository));
    const root = this.element.getRootNode();
    const focused = this.#table.contains(root.activeElement) ? root.activeElement : null;
    this.#place(rows);
    // An element that is moved loses the focus.
    if (focused?.isConnected && root.activeElement !== focused) focused.focus({ preventScroll: true });
    const all = count(this.#rows.size, "repository", "repositories");
    setAttribute(this.element, "data-many", this.#rows.size > MANY);
    setText(this.#found, rows.length === this.#rows.size ? all : `${number(rows.length)} of ${all}`);
  }

  #place(rows) {
    const needed = Math.ceil(rows.length / GROUP);
    while (this.#groups.length < needed) {
      const group = el("tbody", { role: "rowgroup" });
      this.#groups.push(group);
      this.#table.append(group);
    }
    for (const [index, group] of this.#groups.entries()) {
      let place = group.firstElementChild;
      for (const { element } of rows.slice(index * GROUP, (index + 1) * GROUP)) {
        if (element === place) place = place.nextElementSibling;
        else group.insertBefore(element, place);
      }
      while (place) {
        const next = place.nextElementSibling;
        place.remove();
        place = next;
      }
    }
    for (const group of this.#groups.splice(needed)) group.remove();
  }

  /** The filter offers the states that there are, with their numbers. */
  #offer(states) {
    const numbers = new Map();
    for (const state of states.values()) numbers.set(state, (numbers.get(state) ?? 0) + 1);
    const offered = Object.keys(STATUS_WORDS).filter((state) => numbers.has(state) || state === this.#filter.value);
    const named = (state) => `${capitalized(STATUS_WORDS[state])} (${number(numbers.get(state) ?? 0)})`;
    const words = [["", "All"], ...offered.map((state) => [state, named(state)])];
    if (this.#filter.dataset.offered === words.join()) return;
    this.#filter.dataset.offered = words.join();
    const chosen = this.#filter.value;
    this.#filter.replaceChildren(...words.map(([value, text]) => el("option", { value }, text)));
    this.#filter.value = chosen;
  }

  ask(repository, dataType) {
    this.#ask(retry(this.#session, repository, dataType));
  }

  askToCancel(repository) {
    this.#ask(cancelOne(this.#session, repository));
  }
}

class Row {
  #table;
  #name;
  #statusIcon;
  #statusText;
  #cells = new Map();
  #details = null;
  #problem = null;

  constructor(repository, template, table) {
    this.#table = table;
    this.element = template.cloneNode(true);
    const [heading, status, ...cells] = this.element.children;
    this.#name = heading.firstElementChild;
    this.#name.addEventListener("click", () => this.#toggle());
    [this.#statusIcon, this.#statusText] = status.children;
    for (const cell of cells) this.#cells.set(cell.getAttribute("data-type"), cell);
    this.update(repository);
  }

  update(repository) {
    this.repository = repository;
    const state = stateOf(repository);
    setText(this.#name, repository.full_name);
    setAttribute(this.element, "data-repository", repository.full_name);
    setAttribute(this.element, "data-status", state);
    setStatusIcon(this.#statusIcon, state);
    this.#statusIcon.style.setProperty("--share", shareOf(repository) ?? 0);
    this.#statusText.replaceChildren(...statusInWords(repository, state));
    for (const type of repository.types) this.#updateCell(this.#cells.get(type.data_type), type);
    this.#updateProblem(repository, state);
    this.#details?.update(repository);
  }

  #updateCell(cell, type) {
    if (!cell) return;
    const [icon, stored, of] = cell.children;
    setStatusIcon(icon, type.status === "completed" && type.unshown?.things ? "notes" : type.status);
    if (type.status === "in_progress") icon.style.setProperty("--share", shareOfType(type));
    setText(stored, storedInWords(type));
    setText(of, expectedInWords(type));
  }

  /** The line below a row that failed: the first reason, what to do, and the button that does it. */
  #updateProblem(repository, state) {
    const failed = repository.types.filter((type) => type.status === "failed");
    if (!isRetryable(repository.status)) {
      if (this.#problem?.element.contains(this.element.getRootNode().activeElement)) this.#name.focus();
      this.#problem?.element.remove();
      this.#problem = null;
      return;
    }
    this.#problem ??= new Problem(() => this.#table.ask(this.repository, null));
    this.#problem.update(repository, failed, state);
    if (!this.#problem.element.isConnected) this.element.insertBefore(this.#problem.element, this.#details?.element ?? null);
  }

  #toggle() {
    if (this.#details) {
      this.#details.element.remove();
      this.#details = null;
    } else {
      this.#details = new RepositoryDetails({
        retry: (dataType) => this.#table.ask(this.repository, dataType),
        cancel: () => this.#table.askToCancel(this.repository),
      });
      this.#details.update(this.repository);
      this.element.append(this.#details.element);
    }
    this.#name.setAttribute("aria-expanded", String(this.#details !== null));
  }
}

class Problem {
  #text = el("span", {});
  #retry;

  constructor(ask) {
    this.#retry = el("button", { type: "button", class: "small change", "data-retry": "repository", on: { click: ask } }, "Retry");
    this.element = el("td", { role: "cell", class: "wide problem", "data-problem": true }, this.#text, this.#retry);
  }

  update(repository, failed, state) {
    setText(this.#text, problemInWords(repository, failed, state));
    setAttribute(this.#retry, "aria-label", `Retry ${repository.full_name}`);
  }
}

function problemInWords({ error }, failed, state) {
  if (state === "canceled") return "Canceled before it was complete. A retry goes on from there.";
  const [first] = failed;
  if (!first?.error) return error ?? "It failed.";
  const whatToDo = first.error.what_to_do || first.error.action;
  const words = [`${typeName(first.data_type)}: ${sentenceEnd(first.error.message)}`];
  if (whatToDo) words.push(`What to do: ${sentenceEnd(whatToDo)}`);
  if (failed.length > 1) words.push(`${count(failed.length - 1, "other type", "other types")} failed, too.`);
  return words.join(" ");
}

const sentenceEnd = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

function statusInWords(repository, state) {
  const word = capitalized(STATUS_WORDS[state] ?? state);
  if (state === "waiting" || state === "paused") return [word, el("small", {}, ...reasonOf(repository.waiting))];
  if (state === "in_progress") {
    const share = shareOf(repository);
    return [share === null ? word : percent(share * 100)];
  }
  const moment = asOf(repository);
  const isThere = state === "completed" || state === "notes";
  return isThere && moment ? [word, el("small", {}, "as of ", timeElement(moment))] : [word];
}

function storedInWords({ status, stored, expected }) {
  if (status === "skipped") return "skipped";
  return status === "pending" && !stored && expected === null ? "–" : number(stored);
}

function expectedInWords({ status, stored, expected, recent_done }) {
  const words = [];
  if (expected !== null && status !== "skipped" && !(status === "completed" && stored === expected)) words.push(`of ${number(expected)}`);
  if (recent_done && status !== "completed" && status !== "skipped") words.push("90 days ✓");
  return words.join("\n");
}

const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function field(label, control) {
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control);
}
