// Pictures of states, drawn by the stylesheet (`.icon.failed`), so that a thousand rows cost one element each.

import { el } from "./dom.js";
import { STATUS_WORDS } from "./model.js";

/** The picture of a status with its word for screen readers; `set` changes it. */
export function statusIcon(status) {
  const element = el("span", { role: "img" });
  setStatusIcon(element, status);
  return element;
}

export function setStatusIcon(element, status) {
  const name = `icon ${status}`;
  if (element.className === name) return;
  element.className = name;
  element.setAttribute("aria-label", STATUS_WORDS[status] ?? status);
}
