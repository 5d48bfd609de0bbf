// <data-retention workspace="…" api="…">: a workspace's backfill as it runs. Its `token` property is the reader's.
//
// `api` is where webhook.py answers; by default where this module came from. Events: `workspace` ({ name }) once it is
// known, `token-entered` ({ token }) from the form, `token-refused` when the API does not, or no longer, accept it.

import { ActionDialog } from "./actions.js";
import { Chart } from "./chart.js";
import { el, show } from "./dom.js";
import { timeZone } from "./formats.js";
import { Headline, Outage } from "./headline.js";
import { History, Timeline } from "./history.js";
import { Progress } from "./progress.js";
import { Refresher } from "./refresher.js";
import { Repositories } from "./repositories.js";
import { Session } from "./session.js";
import { SignIn } from "./sign_in.js";
import { Toasts } from "./toasts.js";

const STYLESHEET = new URL("data-retention.css", import.meta.url).href;
const SERVER = new URL("..", import.meta.url).href;

class DataRetention extends HTMLElement {
  static observedAttributes = ["workspace", "api"];

  #token = null;
  #session = null;
  #frame = null;
  #ticker = null;
  #view = null;

  get token() {
    return this.#token;
  }

  /** A new token replaces the old one at once; what is shown stays. */
  set token(value) {
    const isRefused = this.#session?.connection === "unauthorized";
    if (value === this.#token && this.#session && !isRefused) return;
    this.#token = value || null;
    if (this.#token && this.#session) this.#session.renew(this.#token);
    else this.#restart();
  }

  connectedCallback() {
    // A property that was set before this module arrived hides the accessor.
    if (Object.hasOwn(this, "token")) {
      const given = this.token;
      delete this.token;
      this.#token = given || null;
    }
    this.#view ??= new View(this);
    this.#ticker = setInterval(() => this.#session && this.#view.tick(this.#session), 1000);
    this.#restart();
  }

  disconnectedCallback() {
    clearInterval(this.#ticker);
    this.#session?.stop();
    this.#session = null;
  }

  attributeChangedCallback(_name, before, after) {
    if (before !== after && this.#session) {
      this.#view.clear();
      this.#restart();
    }
  }

  #restart() {
    if (!this.#view || !this.isConnected) return;
    this.#session?.stop();
    this.#session = null;
    if (!this.#token || !this.getAttribute("workspace")) return this.#view.signIn("missing");
    const session = new Session({
      base: new URL(this.getAttribute("api") || SERVER, document.baseURI).href,
      workspaceId: this.getAttribute("workspace"),
      token: this.#token,
      listener: {
        changed: () => this.#changed(session),
        event: (name, data, job) => this.#view.event(name, data, job),
      },
    });
    this.#session = session;
    this.#view.signIn(null);
    session.start();
    this.#changed(session);
  }

  /** Many changes of one moment are drawn once. A tab in the background draws nothing, and needs nothing drawn. */
  #changed(session) {
    if (session.connection === "unauthorized") this.dispatchEvent(new CustomEvent("token-refused"));
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      if (this.#session) this.#view.update(this.#session);
    });
  }
}

/** What stands in the shadow root. */
class View {
  #host;
  #signIn;
  #toasts = new Toasts();
  #outage = new Outage();
  #headline;
  #progress = new Progress();
  #repositories;
  #chart = new Chart();
  #timeline = new Timeline();
  #history;
  #dialog;
  #refresher;
  #noAccess = el(
    "section",
    { class: "card", "data-no-access": true, hidden: true },
    el("h2", {}, "There is nothing here that you may see"),
    el("p", {}, "The workspace does not exist, or you are not a member of it. If you were just now: your access has ended."),
  );
  #content;
  #session = null;
  #job = null;
  #met = new Set();
  #hasBeenIdle = false;

  constructor(host) {
    this.#host = host;
    const ask = (action) => this.#dialog.ask(action);
    this.#signIn = new SignIn((token) => {
      host.dispatchEvent(new CustomEvent("token-entered", { detail: { token } }));
      host.token = token;
    });
    this.#headline = new Headline({
      ask,
      retryNow: () => this.#session.retryNow(),
      showLatest: () => this.#session.choose(null),
    });
    this.#repositories = new Repositories(ask);
    const choose = (jobId) => {
      this.#session.choose(jobId);
      this.#headline.focus();
    };
    this.#history = new History((before) => this.#session.api.history(this.#session.workspaceId, before), choose);
    this.#dialog = new ActionDialog({
      done: (action) => {
        this.#toasts.say(action.done);
        this.#session?.retryNow();
      },
      unauthorized: () => this.#session?.refused(),
    });
    this.#refresher = new Refresher([
      [this.#chart, (api, { id }) => api.chart(id)],
      [this.#timeline, (api, { id }) => api.timeline(id)],
      [this.#history, (api, { workspace_id }) => api.history(workspace_id)],
    ]);
    this.#content = el(
      "div",
      { class: "content" },
      this.#headline.element,
      this.#progress.element,
      this.#repositories.element,
      this.#chart.element,
      this.#timeline.element,
      this.#history.element,
      el("p", { class: "hint foot" }, `Times are in ${timeZone}.`),
    );
    const root = host.attachShadow({ mode: "open" });
    const style = el("link", { rel: "stylesheet", href: STYLESHEET, crossorigin: "anonymous" });
    const whole = el(
      "div",
      { class: "view", hidden: true },
      this.#outage.element,
      this.#signIn.element,
      this.#noAccess,
      this.#content,
      this.#dialog.element,
      this.#toasts.element,
    );
    // Nothing is shown without its style; a stylesheet that does not come is no reason to show nothing.
    for (const type of ["load", "error"]) style.addEventListener(type, () => show(whole, true));
    root.append(style, whole);
    show(this.#content, false);
  }

  signIn(reason) {
    this.#signIn.update(reason);
    if (reason === "missing") show(this.#content, false);
  }

  clear() {
    this.#job = null;
    show(this.#content, false);
  }

  event(name, data, job) {
    this.#toasts.event(name, data, job);
  }

  update(session) {
    this.#session = session;
    const { connection, workspace, job } = session;
    const isOut = connection === "no_access";
    show(this.#noAccess, isOut);
    // Numbers that were seen with a token stay when it expires, and say from when they are; without access they go.
    const hasContent = !isOut && (connection !== "unauthorized" || Boolean(this.#job));
    show(this.#content, hasContent);
    this.#signIn.update(connection === "unauthorized" ? (this.#job ? "expired" : "refused") : null);
    this.#outage.update(session);
    if (!hasContent) return;
    if (workspace && this.#host.dataset.workspaceName !== workspace.name) {
      this.#host.dataset.workspaceName = workspace.name;
      this.#host.dispatchEvent(new CustomEvent("workspace", { detail: { name: workspace.name } }));
    }
    if (job?.fields && job !== this.#job) this.#meet(session);
    if (connection === "idle") this.#hasBeenIdle = true;
    if (job?.fields || connection === "idle") this.#job = job;
    if (!job && this.#job && connection !== "idle") return this.#headline.tick(session);
    this.#headline.update(session);
    this.#progress.update(job);
    this.#repositories.update(session);
    this.#history.look(session);
    if (job?.fields) this.#refresher.update(session);
    else for (const part of [this.#chart, this.#timeline, this.#history]) show(part.element, false);
  }

  /** A job that appears while somebody looks is news; one that was there, or that he chose to see, is not. */
  #meet(session) {
    const { fields } = session.job;
    const isNews = this.#hasBeenIdle && !session.isLookingBack && !this.#met.has(fields.id);
    this.#met.add(fields.id);
    this.#toasts.meet(fields, isNews);
  }

  tick(session) {
    this.#headline.tick(session);
    this.#outage.update(session);
    this.#refresher.tick();
  }
}

if (!customElements.get("data-retention")) customElements.define("data-retention", DataRetention);
