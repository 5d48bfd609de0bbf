// Asks for a token where there is none, or where the one that there was is not good any more.

import { el, setText, show } from "./dom.js";

const AGAIN = "Open this page from your workspace's settings again";
const WORDS = {
  missing: {
    title: "Sign in to see this workspace",
    why: "Open this page from your workspace's settings, or enter an access token.",
  },
  refused: {
    title: "This token is not accepted",
    why: `It may be mistyped, expired, or of another project. ${AGAIN}, or enter another token.`,
  },
  expired: {
    title: "Your sign-in has expired",
    why: `The numbers below stay as they were. ${AGAIN}, or enter a new token. The backfill goes on by itself.`,
  },
};

export class SignIn {
  #input = el("input", {
    type: "password",
    id: "token",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "token-hint",
  });
  #title = el("h2", { id: "sign-in-title" });
  #why = el("p", { role: "status" });
  element = el(
    "section",
    { class: "card sign-in", "aria-labelledby": "sign-in-title", "data-sign-in": true, hidden: true },
    this.#title,
    this.#why,
    el(
      "form",
      { novalidate: true },
      el("label", { for: "token" }, "Access token"),
      el("div", { class: "line" }, this.#input, el("button", { type: "submit", class: "main" }, "Continue")),
      el("p", { class: "hint", id: "token-hint" }, "It stays in this tab: it is sent to the API alone, and forgotten when the tab is closed."),
    ),
  );

  /** `entered(token)` gets what the reader typed. */
  constructor(entered) {
    this.element.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.#input.value.trim();
      this.#input.value = "";
      if (token) entered(token);
    });
  }

  /** `reason` is `missing`, `refused`, `expired`, or null: nothing is asked for. */
  update(reason) {
    show(this.element, reason !== null);
    if (reason === null) return;
    setText(this.#title, WORDS[reason].title);
    setText(this.#why, WORDS[reason].why);
  }
}
