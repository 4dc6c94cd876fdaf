// Figures and hostile text as people read them: the same as in the other forms of the report (figures.rs).

const grouping = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A number with commas between thousands. */
const grouped = (number) => grouping.format(number);

/** "1 pair", "2 pairs". */
const counted = (number, one, many = `${one}s`) => `${grouped(number)} ${number === 1 ? one : many}`;

/** A share as a percentage: 0% and 100% only where that is exactly so. */
const percent = (share) => {
  if (share === null) return "–";
  if (share === 0) return "0%";
  if (share === 1) return "100%";
  if (share > 0 && share < 0.0001) return "<0.01%";
  if (share > 0.9999 && share < 1) return ">99.99%";
  return `${(share * 100).toFixed(2)}%`;
};

/** Microseconds, as milliseconds or seconds; nothing takes no time. */
const duration = (micros) => {
  if (!(micros > 0)) return "–";
  const millis = micros / 1000;
  if (millis >= 10000) return `${(millis / 1000).toFixed(1)} s`;
  if (millis >= 100) return `${grouped(millis)} ms`;
  if (millis >= 10) return `${millis.toFixed(1)} ms`;
  return `${millis.toFixed(2)} ms`;
};

/** How many times one is the other; 0 where there is nothing to tell. */
const ratio = (value) => (value > 0 ? `${value.toFixed(2)}×` : "–");

const between = (interval, write) => `${write(interval.low)} to ${write(interval.high)}`;

/** A length of time between two moments in milliseconds. */
const lasted = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return counted(seconds, "second");
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return counted(minutes, "minute");
  return `${grouped(Math.floor(minutes / 60))} h ${minutes % 60} min`;
};

const iso = (ms) => {
  const time = new Date(ms);
  return ms > 0 && !Number.isNaN(time.getTime()) ? time.toISOString() : null;
};

/** A moment in UTC: `2026-11-24 12:26:07 UTC`. */
const moment = (ms) => {
  const text = iso(ms);
  return text ? h("time", { datetime: text }, `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`) : "unknown";
};

/** A moment in UTC without its day, where all that it stands among is of one day. */
const clock = (ms, oneDay) => {
  const text = iso(ms);
  if (!text) return "unknown";
  const shown = text.slice(11, 19);
  return h("time", { datetime: text }, oneDay ? shown : `${text.slice(0, 10)} ${shown}`);
};

/** Whether a comparison began and ended on one day. */
const isOneDay = (comparison) =>
  (iso(comparison.from_ms) || "").slice(0, 10) === (iso(comparison.to_ms) || "").slice(0, 10);

const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]|[\u{e0000}-\u{e007f}]/gu;

/** Hostile text with everything made visible that nobody would see, or that would move what is around it. */
const visible = (text) =>
  String(text).replace(HIDDEN, (hidden) => `⟨U+${hidden.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

/** Hostile text in an element of its own: letters that are read from right to left move nothing around it. */
const code = (text) => {
  const parts = visible(text).split("/");
  // Lines break behind a slash, but a hostile text has no thousands of elements.
  if (parts.length > 50) return h("code", {}, parts.join("/"));
  return h(
    "code",
    {},
    parts.map((part, at) => (at === 0 ? part : ["/", h("wbr"), part])),
  );
};

/** A sentence of hostile text. */
const sentence = (text) => h("bdi", {}, visible(text));

const WORDS = {
  GO: { class: "go", sign: "✓" },
  "NOT ENOUGH DATA": { class: "unsure", sign: "?" },
  "NO-GO": { class: "no-go", sign: "✕" },
};

/** The word, small. */
const wordBadge = (word) => {
  const known = WORDS[word] || WORDS["NOT ENOUGH DATA"];
  return h("span", { class: `badge ${known.class}` }, h("span", { "aria-hidden": "true" }, `${known.sign} `), word);
};

/** A sum of an object's values. */
const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
