// Elements of the view. What others wrote goes in as text nodes alone: nothing here reads a string as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("button", { class: "quiet", on: { click } }, "Retry")`. Attributes that are null or false are left out. */
export function el(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    else setAttribute(node, name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets or removes an attribute; what is so already is left alone. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

/** Sets an element's text; the same text again changes nothing, so that a screen reader does not say it twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

const lists = new WeakMap();

/**
 * Makes the children of `parent` those of `items`: one element per key, made once, updated in place, moved only where
 * the order changed. `make(item)` answers `{ element, update(item) }`.
 */
export function keepList(parent, items, keyOf, make) {
  const known = lists.get(parent) ?? new Map();
  const kept = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const entry = known.get(key) ?? make(item);
    kept.set(key, entry);
    entry.update?.(item);
    if (entry.element === place) place = place.nextElementSibling;
    else parent.insertBefore(entry.element, place);
  }
  for (const [key, entry] of known) if (kept.get(key) !== entry) entry.element.remove();
  lists.set(parent, kept);
  return kept;
}
