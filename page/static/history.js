// What happened to this backfill, and every backfill that there was.

import { el, keepList, setAttribute, setText, show } from "./dom.js";
import { clock, count, duration, moment, number, sentence, timeElement } from "./formats.js";

const WHY = {
  api: "asked for by a member of the workspace",
  operator: "asked for by an operator",
  purchase: "begun by the purchase",
  reconciler: "begun by a change of the workspace",
};
const FIRST_EVENTS = 12;

/** In words, who asked for a job, or what began it. */
const whyInWords = (requestedBy) => WHY[requestedBy] ?? `asked for by ${requestedBy ?? "somebody"}`;

export class Timeline {
  #list = el("ol", { class: "timeline", role: "list" });
  #more = el("button", { type: "button", class: "quiet", hidden: true });
  #events = [];
  #isOpen = false;
  element = el(
    "section",
    { class: "card", "aria-labelledby": "timeline-title", "data-timeline": true },
    el("h2", { id: "timeline-title" }, "What happened"),
    this.#list,
    this.#more,
  );

  constructor() {
    this.#more.addEventListener("click", () => {
      this.#isOpen = !this.#isOpen;
      this.#draw();
    });
  }

  update({ events }) {
    this.#events = events;
    this.#draw();
  }

  #draw() {
    show(this.element, this.#events.length > 0);
    const shown = this.#isOpen ? this.#events : this.#events.slice(0, FIRST_EVENTS);
    keepList(this.#list, shown, (each) => `${each.at} ${each.kind} ${each.repository ?? ""}`, eventElement);
    show(this.#more, this.#events.length > FIRST_EVENTS);
    setText(this.#more, this.#isOpen ? "Show less" : `Show all ${number(this.#events.length)}`);
  }
}

function eventElement({ at, kind, text, who }) {
  const words = el("span", {}, ...sentence(text), ...(who && !text.text.includes(who) ? [el("small", {}, ` by ${who}`)] : []));
  return { element: el("li", { "data-kind": kind }, timeElement(at), words) };
}

export class History {
  #list = el("ul", { class: "jobs", role: "list" });
  #more = el("button", { type: "button", class: "quiet", hidden: true }, "Show older ones");
  #jobs = [];
  #next = null;
  #session = null;
  element = el(
    "section",
    { class: "card", "aria-labelledby": "history-title", "data-history": true, hidden: true },
    el("h2", { id: "history-title" }, "All backfills"),
    this.#list,
    this.#more,
  );

  /** `older(before)` answers the page of jobs that follows. */
  constructor(older, choose) {
    this.#more.addEventListener("click", async () => {
      this.#more.disabled = true;
      try {
        const page = await older(this.#next);
        this.#jobs.push(...page.backfills);
        this.#next = page.next;
        this.#draw();
      } finally {
        this.#more.disabled = false;
      }
    });
    this.choose = choose;
  }

  /** The newest page; older ones that were asked for stay. */
  update({ backfills, next }) {
    const newest = new Set(backfills.map((each) => each.id));
    const older = this.#jobs.filter((each) => !newest.has(each.id) && each.created_at < (backfills.at(-1)?.created_at ?? ""));
    if (!older.length) this.#next = next;
    this.#jobs = [...backfills, ...older];
    this.#draw();
  }

  look(session) {
    this.#session = session;
    this.#draw();
  }

  #draw() {
    const shownId = this.#session?.job?.fields?.id;
    show(this.element, this.#jobs.length > 0);
    show(this.#more, this.#next !== null);
    keepList(this.#list, this.#jobs, (each) => each.id, (each) => new HistoryEntry(each, this.choose));
    for (const entry of this.#list.children) {
      const isShown = entry.dataset.job === shownId;
      setAttribute(entry, "aria-current", isShown ? "true" : null);
      show(entry.querySelector("button"), !isShown);
    }
  }
}

class HistoryEntry {
  #icon = el("span", { "aria-hidden": "true" });
  #headline = el("p", { class: "what" });
  #facts = el("p", { class: "hint" });

  constructor({ id, created_at }, choose) {
    const show = el("button", { type: "button", class: "small", "aria-label": `Open the backfill of ${clock(created_at)}`, on: { click: () => choose(id) } }, "Open");
    this.element = el("li", { "data-job": id }, this.#icon, el("div", {}, this.#headline, this.#facts), show);
  }

  update(job) {
    setAttribute(this.#icon, "class", `icon ${job.headline?.state ?? job.status}`);
    this.#headline.replaceChildren(...(job.headline ? sentence(job.headline) : [job.status]));
    const facts = [
      moment(job.created_at),
      whyInWords(job.requested_by),
      count(job.retention_days, "day", "days"),
      count(job.total_repositories, "repository", "repositories"),
      `${number(job.rows_stored ?? 0)} rows`,
    ];
    if (job.started_at && job.completed_at) {
      facts.push(`took ${duration((Date.parse(job.completed_at) - Date.parse(job.started_at)) / 1000)}`);
    }
    if (job.attempt) facts.push(count(job.attempt, "retry", "retries"));
    setText(this.#facts, facts.join(" · "));
  }
}
