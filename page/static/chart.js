// What came when: rows by data type over time, with the waits for GitHub's budget behind them; and the same as a table.

import { el, setText, show, svg } from "./dom.js";
import { clock, clockWithSeconds, compact, count, date, duration, number } from "./formats.js";
import { typeName } from "./model.js";

const HEIGHT = 220;
const MARGIN = { top: 12, right: 8, bottom: 26, left: 48 };
const SMALLEST_WIDTH = 280;
const TABLE_ROWS = 24;
const TICKS = 4;
const SHORT_MILLISECONDS = 10 * 60 * 1000;
/** Below that, moments on the axis would be the same but for their seconds. */

export class Chart {
  #legend = el("ul", { class: "legend", role: "list" });
  #picture = el("div", { class: "picture" });
  #readout = el("p", { class: "hint", "data-readout": true });
  #summary = el("p", { class: "hint" });
  #table = el("div", { class: "table" });
  #none = el("p", { class: "hint" }, "Nothing has been stored yet.");
  #data = null;
  #width = 0;
  #whole;
  element;

  constructor() {
    this.#whole = el(
      "div",
      {},
      this.#legend,
      this.#picture,
      this.#readout,
      el("details", {}, el("summary", {}, "The same as a table"), this.#table),
    );
    this.element = el(
      "section",
      { class: "card", "aria-labelledby": "chart-title", "data-chart": true },
      el("h2", { id: "chart-title" }, "What came when"),
      this.#summary,
      this.#none,
      this.#whole,
    );
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width === this.#width) return;
      this.#width = width;
      this.#draw();
    }).observe(this.#picture);
  }

  update(data) {
    const { buckets } = data;
    this.#data = data;
    show(this.#none, buckets.length === 0);
    show(this.#whole, buckets.length > 0);
    show(this.#summary, buckets.length > 0);
    if (!buckets.length) return;
    const types = typesOf(data);
    const waited = data.waits.reduce((sum, each) => sum + endOf(each, data) - startOf(each), 0) / 1000;
    const rows = buckets.reduce((sum, bucket) => sum + total(bucket), 0);
    const times = count(data.waits.length, "wait", "waits");
    const waits = data.waits.length ? `, ${times} for GitHub's budget of ${duration(waited)} in all` : "";
    const between = `between ${clock(buckets[0].at)} and ${clock(lastMoment(data))}`;
    setText(this.#summary, `${count(rows, "row", "rows")} ${between}${waits}.`);
    const legend = types.map((type) => legendEntry(type, typeName(type)));
    if (data.waits.length) legend.push(legendEntry("wait", "Waiting for GitHub's budget"));
    this.#legend.replaceChildren(...legend);
    this.#table.replaceChildren(tableOf(data, types));
    this.#draw();
  }

  #draw() {
    if (!this.#data?.buckets.length || !this.#width) return;
    const data = this.#data;
    const width = Math.max(SMALLEST_WIDTH, this.#width);
    const types = typesOf(data);
    const begin = Math.min(...data.buckets.map(startOfBucket), ...data.waits.map(startOf));
    const end = lastMoment(data);
    const x = (moment) => MARGIN.left + ((moment - begin) / (end - begin)) * (width - MARGIN.left - MARGIN.right);
    const ticks = ticksOf(Math.max(1, ...data.buckets.map(total)));
    const most = ticks.at(-1);
    const y = (rows) => HEIGHT - MARGIN.bottom - (rows / most) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    const clockOf = end - begin < SHORT_MILLISECONDS ? clockWithSeconds : clock;
    const picture = svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${HEIGHT}`,
        width,
        height: HEIGHT,
        role: "img",
        "aria-label": this.#summary.textContent,
      },
      ...data.waits.map((wait) => column("wait", x(startOf(wait)), x(endOf(wait, data)))),
      ...ticks.map((tick) =>
        svg(
          "g",
          { class: "tick" },
          svg("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
          svg("text", { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, compact(tick)),
        ),
      ),
      ...momentsOf(begin, end, width).map((moment, index, all) =>
        svg("text", { x: x(moment), y: HEIGHT - 6, "text-anchor": anchorOf(index, all.length) }, clockOf(moment)),
      ),
      ...data.buckets.map((bucket) => this.#bars(bucket, types, x, y)),
    );
    this.#picture.replaceChildren(picture);
  }

  #bars(bucket, types, x, y) {
    const [left, right] = [startOfBucket(bucket), startOfBucket(bucket) + this.#data.bucket_seconds * 1000].map(x);
    const width = Math.max(1, right - left - (right - left > 4 ? 1 : 0));
    let below = 0;
    const bars = types.filter((type) => bucket.rows[type]).map((type) => {
      const rows = bucket.rows[type];
      const top = y(below + rows);
      const bar = svg("rect", { class: `rows ${type}`, x: left, width, y: top, height: y(below) - top });
      below += rows;
      return bar;
    });
    // The whole height answers to the pointer, also where a bar is low.
    const target = column("target", left, right);
    target.addEventListener("pointerenter", () => setText(this.#readout, inWords(bucket, types)));
    return svg("g", {}, ...bars, target);
  }
}

const total = (bucket) => Object.values(bucket.rows).reduce((sum, rows) => sum + rows, 0);
const startOfBucket = (bucket) => Date.parse(bucket.at);
const startOf = (wait) => Date.parse(wait.from);
const endOfBuckets = (data) => startOfBucket(data.buckets.at(-1)) + data.bucket_seconds * 1000;
const anchorOf = (index, length) => (index === 0 ? "start" : index === length - 1 ? "end" : "middle");

/** A wait that goes on reaches up to now, not to when it is going to end. */
const endOf = (wait, data) => Math.min(Date.parse(wait.until), Math.max(endOfBuckets(data), Date.now()));

function lastMoment(data) {
  return Math.max(endOfBuckets(data), ...data.waits.map((wait) => endOf(wait, data)));
}

function typesOf(data) {
  const seen = new Set(data.buckets.flatMap((bucket) => Object.keys(bucket.rows).filter((type) => bucket.rows[type])));
  return ["pull_requests", "issues", "discussions", "events", "embeddings"].filter((type) => seen.has(type));
}

/** Round numbers from 0 to at least `most`. */
function ticksOf(most) {
  const rough = Math.max(1, most / TICKS);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

function momentsOf(begin, end, width) {
  const number = Math.max(2, Math.min(7, Math.floor(width / 130)));
  return Array.from({ length: number }, (_, index) => begin + ((end - begin) * index) / (number - 1));
}

function inWords(bucket, types) {
  const parts = types.filter((type) => bucket.rows[type]).map((type) => `${typeName(type)} ${number(bucket.rows[type])}`);
  return `${clockWithSeconds(bucket.at)}: ${parts.join(", ") || "nothing"}`;
}

/** A rectangle of the chart's whole height. */
function column(name, left, right) {
  const height = HEIGHT - MARGIN.top - MARGIN.bottom;
  return svg("rect", { class: name, x: left, width: Math.max(1, right - left), y: MARGIN.top, height });
}

function legendEntry(name, text) {
  return el("li", {}, el("span", { class: `swatch ${name}`, "aria-hidden": "true" }), text);
}

/** At most so many lines, of several buckets each where there are more. */
function tableOf(data, types) {
  const size = Math.ceil(data.buckets.length / TABLE_ROWS);
  const groups = [];
  for (let at = 0; at < data.buckets.length; at += size) groups.push(data.buckets.slice(at, at + size));
  const sum = (group, type) => group.reduce((rows, bucket) => rows + (bucket.rows[type] ?? 0), 0);
  const headings = ["From", ...types.map(typeName)].map((each) => el("th", { scope: "col" }, each));
  const rows = groups.map((group) => {
    const cells = types.map((type) => el("td", {}, number(sum(group, type))));
    return el("tr", {}, el("th", { scope: "row" }, `${date(group[0].at)}, ${clockWithSeconds(group[0].at)}`), ...cells);
  });
  return el(
    "table",
    { class: "plain" },
    el("caption", { class: "unseen" }, "Rows stored by data type over time"),
    el("thead", {}, el("tr", {}, ...headings)),
    el("tbody", {}, ...rows),
  );
}
