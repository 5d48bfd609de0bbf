// Toasts at the start, the end and failures of a backfill; and milestones, said to screen readers and not shown.

import { el, setText } from "./dom.js";
import { count, percent, sentenceText } from "./formats.js";
import { ENDED } from "./model.js";

const SHOWN_SECONDS = 8;
const MOST = 4;
const MILESTONES = [25, 50, 75];

export class Toasts {
  #shown = el("div", { class: "toasts", role: "region", "aria-label": "Notifications" });
  #polite = el("div", { class: "unseen", role: "status" });
  #urgent = el("div", { class: "unseen", role: "alert" });
  #saidMilestone = 0;
  #saidState = null;
  #failed = [];
  element = el("div", {}, this.#shown, this.#polite, this.#urgent);

  /** `kind` is `info`, `good` or `bad`; what is bad stays until somebody closes it. */
  say(text, kind = "info") {
    const close = el("button", { type: "button", class: "close", "aria-label": "Close this notification" }, "×");
    const toast = el("div", { class: `toast ${kind}`, "data-toast": kind }, el("p", {}, text), close);
    const leave = () => toast.remove();
    close.addEventListener("click", leave);
    if (kind !== "bad") setTimeout(leave, SHOWN_SECONDS * 1000);
    this.#shown.append(toast);
    while (this.#shown.childElementCount > MOST) this.#shown.firstElementChild.remove();
    // A live region is heard when its text changes: it is there before, and holds the latest alone.
    setText(kind === "bad" ? this.#urgent : this.#polite, text);
  }

  /** Looks at an event before the job takes it: what is different from what is known? */
  event(name, data, job) {
    if (!job.fields) return;
    const repositories = name === "repository" ? [data] : name === "snapshot" ? data.job.repositories : [];
    for (const each of repositories) {
      const before = job.repositories.get(each.repository_id);
      if (before && before.status !== "failed" && each.status === "failed") this.#failed.push(each.full_name);
    }
    if (name === "job") this.#changed(job.fields, data);
    if (name === "snapshot") this.#changed(job.fields, data.job);
  }

  /** A job is shown from now on. If it `isNews` its beginning, or its end, is said; its milestones so far never are. */
  meet(fields, isNews) {
    this.#failed = [];
    this.#saidMilestone = fields.progress?.percent ?? 0;
    this.#saidState = fields.headline?.state ?? null;
    if (isNews && ENDED.has(fields.status)) this.#end(fields);
    else if (isNews && fields.status === "in_progress") this.#begin(fields);
  }

  #changed(before, after) {
    const failed = this.#failed;
    this.#failed = [];
    if (before.status !== after.status || before.attempt !== after.attempt) {
      if (ENDED.has(after.status)) return this.#end(after);
      if (after.status === "in_progress") {
        this.#saidMilestone = 0;
        this.#begin(after);
      }
    }
    if (failed.length) {
      const others = failed.length > 1 ? ` and ${count(failed.length - 1, "other repository", "other repositories")}` : "";
      this.say(`${failed[0]}${others} failed.`, "bad");
    }
    this.#milestone(after);
  }

  #begin({ attempt }) {
    this.say(attempt ? "The retry has begun." : "The backfill has begun.");
  }

  #end({ status, headline }) {
    const text = headline ? sentenceText(headline) : `The backfill is ${status}.`;
    const isBad = status === "failed" || headline?.state === "partly_failed";
    this.say(text, isBad ? "bad" : status === "completed" ? "good" : "info");
  }

  #milestone({ progress, headline }) {
    const passed = MILESTONES.findLast((each) => (progress?.percent ?? 0) >= each) ?? 0;
    if (passed > this.#saidMilestone) {
      this.#saidMilestone = passed;
      setText(this.#polite, `${percent(passed)} of the history is there.`);
    } else if (headline && headline.state !== this.#saidState && this.#saidState) {
      setText(this.#polite, sentenceText(headline));
    }
    this.#saidState = headline?.state ?? null;
  }
}
