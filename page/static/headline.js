// What is true now, in one sentence; how fresh that is; the add-on that pays for it; and what can be done.

import { actionsOf } from "./actions.js";
import { el, keepList, setAttribute, setText, show } from "./dom.js";
import { ago, clockWithSeconds, count, date, moment, range, sentence, sentenceText, timeElement } from "./formats.js";

const FRESH_SECONDS = 5;
const WITHOUT_ADDON = "Until it is, 30 days of history are kept. With it, everything is fetched up to the days bought, and shown here as it comes.";

export class Headline {
  #workspace = el("p", { class: "workspace" });
  #connection = new Connection();
  #icon = el("span", { class: "icon", "aria-hidden": "true" });
  #text = el("h2", { class: "headline", "data-headline": true, tabindex: -1 });
  #detail = el("p", { class: "detail", hidden: true });
  #left = el("p", { class: "left", "data-time-left": true, hidden: true });
  #actions = el("div", { class: "buttons", role: "group", "aria-label": "What you can do" });
  #rights = el("p", { class: "hint", hidden: true }, "You can look. Owners and admins of the workspace can pause, cancel and retry.");
  #addon = new Addon();
  #past = el("span", {});
  #back = el("button", { type: "button", class: "small" }, "Back to the latest");
  #looksBack = el("div", { class: "past", hidden: true, "data-looks-back": true }, this.#past, this.#back);
  #ask;
  element = el(
    "section",
    { class: "card hero", "aria-label": "Now" },
    this.#looksBack,
    el("div", { class: "line" }, this.#workspace, this.#connection.element),
    el("div", { class: "now" }, this.#icon, el("div", { class: "words" }, this.#text, this.#detail, this.#left)),
    this.#actions,
    this.#rights,
    this.#addon.element,
  );

  /** `ask(action)` opens the dialog of an action. */
  constructor({ ask, retryNow, showLatest }) {
    this.#ask = ask;
    this.#connection.retryNow = retryNow;
    this.#back.addEventListener("click", showLatest);
  }

  focus() {
    this.#text.focus();
  }

  update(session) {
    const { workspace, job } = session;
    setText(this.#workspace, workspace?.name ?? job?.fields?.workspace_name ?? "");
    this.#connection.update(session);
    const fields = job?.fields;
    const headline = fields?.headline ?? withoutJob(session);
    setAttribute(this.element, "data-state", headline.state);
    setAttribute(this.#icon, "class", `icon large ${headline.state}`);
    this.#icon.style.setProperty("--share", (fields?.progress?.percent ?? 0) / 100);
    if (this.#text.textContent !== sentenceText(headline)) this.#text.replaceChildren(...sentence(headline));
    this.#updateDetail(fields, session);
    this.#updateLeft(fields);
    show(this.#looksBack, session.isLookingBack && Boolean(fields));
    if (session.isLookingBack && fields) setText(this.#past, `This is an earlier backfill, of ${moment(fields.created_at)}.`);
    this.#updateActions(actionsOf(session));
    show(this.#rights, workspace?.may_change === false);
    this.#addon.update(fields?.addon ?? workspace?.addon ?? null);
  }

  tick(session) {
    this.#connection.update(session);
  }

  /** Whoever has just pressed a button that goes (pause becomes resume) keeps his place. */
  #updateActions(actions) {
    const root = this.element.getRootNode();
    const hadFocus = this.#actions.contains(root.activeElement);
    keepList(this.#actions, actions, (each) => each.key, (first) => this.#button(first));
    show(this.#actions, actions.length > 0);
    if (hadFocus && !this.#actions.contains(root.activeElement)) (this.#actions.querySelector("button") ?? this.#text).focus();
  }

  #button(first) {
    let action = first;
    const element = el("button", { type: "button", "data-action": first.key, on: { click: () => this.#ask(action) } });
    const update = (latest) => {
      action = latest;
      setText(element, latest.label);
      setAttribute(element, "class", latest.isMain ? "main" : latest.isDangerous ? "quiet danger" : "quiet");
    };
    return { element, update };
  }

  #updateDetail(fields, { workspace }) {
    const parts = [];
    if (!fields && workspace && !workspace.addon && !workspace.latest_job_id) parts.push(WITHOUT_ADDON);
    if (fields?.cancel_requested_at && !fields.completed_at) parts.push("It ends at the next page; what is stored stays.");
    if (fields?.retries_waiting) parts.push(`${count(fields.retries_waiting, "retry waits", "retries wait")} for this attempt to end.`);
    if (fields?.status === "failed" && fields.error_message) parts.push(fields.error_message);
    setText(this.#detail, parts.join(" "));
    show(this.#detail, parts.length > 0);
  }

  #updateLeft(fields) {
    const left = fields?.time_left;
    const reason = left?.reason ?? fields?.time_left_reason ?? null;
    const runs = fields && !fields.completed_at && (left || reason);
    show(this.#left, Boolean(runs));
    if (!runs) return;
    const nodes = [left ? `Time left: ${range(left.from_seconds, left.to_seconds)}` : "Time left: unknown"];
    if (reason?.text) nodes.push(el("span", { class: "reason" }, " · ", ...sentence(reason)));
    const key = nodes.map((each) => each.textContent ?? each).join("");
    if (this.#left.textContent !== key) this.#left.replaceChildren(...nodes);
  }
}

function withoutJob({ connection, workspace }) {
  if (!workspace) return { state: "loading", text: "Asking the server …" };
  if (workspace.latest_job_id && connection !== "idle") return { state: "loading", text: "Loading the backfill …" };
  if (!workspace.addon) return { state: "none", text: "Extended Data Retention has not been bought for this workspace." };
  return { state: "none", text: "No history has been fetched yet." };
}

/** Whether the numbers are live, and if not, from when they are. */
class Connection {
  #dot = el("span", { class: "dot", "aria-hidden": "true" });
  #text = el("span", {});
  #retry = el("button", { type: "button", class: "link", hidden: true, on: { click: () => this.retryNow() } }, "Try now");
  retryNow = () => {};
  element = el("div", { class: "connection", "data-connection": "loading" }, this.#dot, this.#text, this.#retry);

  update(session) {
    setAttribute(this.element, "data-connection", session.connection);
    setText(this.#text, this.#words(session));
    show(this.#retry, session.connection === "reconnecting");
  }

  #words({ connection, heardAt, retryAt }) {
    const from = heardAt ? clockWithSeconds(heardAt) : null;
    switch (connection) {
      case "live":
        return "Live";
      case "idle":
        return `Up to date · ${from}`;
      case "reconnecting": {
        const away = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
        const again = away > 0 ? `trying again in ${away} s` : "trying again now";
        return from ? `Not live: as of ${from} · ${again}` : `The server does not answer · ${again}`;
      }
      case "suspended":
        return `Asleep: as of ${from}`;
      case "unauthorized":
        return from ? `Signed out: as of ${from}` : "Signed out";
      case "no_access":
        return "No access";
      default:
        return "Connecting …";
    }
  }
}

/** The banner over everything, for what the small print beside the workspace's name would hide. */
export class Outage {
  #text = el("p", {});
  element = el("div", { class: "banner", role: "status", "data-outage": true, hidden: true }, this.#text);

  update({ connection, heardAt, job }) {
    const lasts = connection === "reconnecting" && heardAt !== null && Date.now() - heardAt > FRESH_SECONDS * 1000;
    const unreachable = connection === "reconnecting" && heardAt === null;
    show(this.element, lasts || unreachable);
    if (lasts) {
      const numbers = job ? ` What you see is from ${clockWithSeconds(heardAt)}, ${ago(heardAt)}.` : "";
      const calm = "The backfill does not need this page: it goes on by itself. This page reconnects by itself, too.";
      setText(this.#text, `The server does not answer.${numbers} ${calm}`);
    } else if (unreachable) {
      setText(this.#text, "The server does not answer. This page goes on trying.");
    }
  }
}

class Addon {
  #facts = el("dl", { class: "facts" });
  #warning = el("p", { class: "warning", hidden: true });
  #key = null;
  element = el(
    "div",
    { class: "addon", role: "group", "aria-label": "Add-on", "data-addon": true },
    this.#facts,
    this.#warning,
  );

  update(addon) {
    const key = JSON.stringify(addon);
    if (key === this.#key) return;
    this.#key = key;
    show(this.element, addon !== null);
    if (!addon) return;
    const facts = factsOf(addon).map(([term, ...value]) => el("div", {}, el("dt", {}, term), el("dd", {}, ...value)));
    this.#facts.replaceChildren(...facts);
    show(this.#warning, addon.past_due);
    if (addon.past_due) {
      const what = "The add-on stays until the subscription is revoked; update the payment method to keep it.";
      setText(this.#warning, `A payment is due. ${what}`);
    }
  }
}

function factsOf(addon) {
  const facts = [["Add-on", "Extended Data Retention"]];
  if (addon.retention_days) facts.push(["History", count(addon.retention_days, "day", "days")]);
  if (addon.purchased_at) facts.push(["Bought", timeElement(addon.purchased_at, date)]);
  if (addon.status !== "active") facts.push(["Status", addon.status]);
  if (addon.expires_at) {
    const over = new Date(addon.expires_at) < new Date();
    const term = addon.status === "active" && addon.renews !== false ? "Renews" : over ? "Ended" : "Ends";
    facts.push([term, timeElement(addon.expires_at, date)]);
  }
  if (addon.changes_at) {
    const to = addon.changes_to_days ? count(addon.changes_to_days, "day", "days") : "another plan, without extended retention";
    facts.push(["Changes", "to ", to, " on ", timeElement(addon.changes_at, date)]);
  }
  return facts;
}
