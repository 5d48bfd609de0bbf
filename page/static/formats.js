// Numbers, moments and durations in the reader's locale and time zone.

import { el } from "./dom.js";

const locale = known(navigator.languages);
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What Intl makes of the browser's list; undefined, its own default, where it knows none of it. */
function known(languages) {
  try {
    const found = Intl.NumberFormat.supportedLocalesOf(languages);
    return found.length ? found : undefined;
  } catch {
    return undefined;
  }
}

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const time = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const seconds = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
const list = new Intl.ListFormat("en", { type: "conjunction" });

export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export const number = (value) => whole.format(value);
export const compact = (value) => short.format(value);
export const compareNames = new Intl.Collator(locale, { numeric: true }).compare;

/** Of 100, rounded down: 100 % is shown once all of it is there. Spelled as in the headline, which comes from the server. */
export const percent = (value) => `${whole.format(Math.floor(value))}\u00a0%`;

/** `1 repository`, `14 repositories`. */
export const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;

/** `a, b, and c`. */
export const listed = (words) => list.format(words);

/** `14:05` today, else with the day. */
export function clock(moment) {
  const at = new Date(moment);
  return at.toDateString() === new Date().toDateString() ? time.format(at) : dayAndTime.format(at);
}

/** With the day, whichever it is. */
export const moment = (at) => dayAndTime.format(new Date(at));
export const clockWithSeconds = (moment) => seconds.format(new Date(moment));
export const date = (moment) => day.format(new Date(moment));
export const fullDate = (moment) => full.format(new Date(moment));

/** `3 minutes ago`, `in 2 hours`. */
export function ago(moment, now = Date.now()) {
  const away = (new Date(moment) - now) / 1000;
  for (const [unit, size] of [["day", DAY], ["hour", HOUR], ["minute", MINUTE]]) {
    if (Math.abs(away) >= size) return relative.format(Math.round(away / size), unit);
  }
  return relative.format(Math.round(away), "second");
}

/** `12 min`, `2.5 hr`. */
export function duration(length) {
  const [unit, size, digits] = unitOf(length);
  return unitFormat(unit, digits).format(length / size);
}

/** `8–14 min`; one number where both round to it. */
export function range(from, to) {
  const [unit, size, digits] = unitOf(to);
  if (unit === "second") return `under ${unitFormat("minute", 0).format(1)}`;
  const format = unitFormat(unit, digits);
  const [low, high] = [from / size, to / size];
  if (low * 10 ** digits < 0.5) return `up to ${format.format(high)}`;
  if (format.format(low) === format.format(high)) return `about ${format.format(high)}`;
  return format.formatRange ? format.formatRange(low, high) : `${format.format(low)} – ${format.format(high)}`;
}

function unitOf(length) {
  if (length < MINUTE) return ["second", 1, 0];
  if (length < 2 * HOUR) return ["minute", MINUTE, 0];
  if (length < 2 * DAY) return ["hour", HOUR, length < 10 * HOUR ? 1 : 0];
  return ["day", DAY, length < 10 * DAY ? 1 : 0];
}

function unitFormat(unit, maximumFractionDigits) {
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits });
}

/** A `<time>` with the full date and zone where one points at it. */
export function timeElement(moment, format = clock) {
  return el("time", { datetime: moment, title: fullDate(moment) }, format(moment));
}

const PLACEHOLDER = /\{(\w+)\}/;

/** A sentence of the API (`{ text, times }`) as nodes: its moments stand in the reader's locale and zone. */
export function sentence(of) {
  return of.text.split(PLACEHOLDER).map((part, index) => {
    if (index % 2 === 0) return part;
    const moment = of.times?.[part];
    return moment ? timeElement(moment) : `{${part}}`;
  });
}

/** The same as text. */
export function sentenceText(of) {
  return of.text.split(PLACEHOLDER).map((part, index) => {
    if (index % 2 === 0) return part;
    return of.times?.[part] ? clock(of.times[part]) : `{${part}}`;
  }).join("");
}
