// Drawings as inline SVG, drawn anew for the width they have. Every figure in them stands in a table as well.

const HEIGHT = 220;
const MARGIN = { top: 12, right: 14, bottom: 34, left: 54 };

/** A drawing with a name, a sentence that says what it shows, and a legend. `draw(width)` gives its parts. */
const chart = (title, says, legend, draw) => {
  const [titleId, descriptionId] = [newId("chart"), newId("chart")];
  const holder = h("div", { class: "canvas" });
  let width = 0;
  const redraw = () => {
    const now = Math.max(280, Math.round(holder.clientWidth || 720));
    if (now === width) return;
    width = now;
    refill(
      holder,
      s(
        "svg",
        {
          viewBox: `0 0 ${width} ${HEIGHT}`,
          height: HEIGHT,
          role: "img",
          "aria-labelledby": `${titleId} ${descriptionId}`,
        },
        s("title", { id: titleId }, title),
        s("desc", { id: descriptionId }, says),
        draw(width),
      ),
    );
  };
  new ResizeObserver(redraw).observe(holder);
  return h(
    "figure",
    {},
    h(
      "figcaption",
      {},
      h("strong", {}, title),
      h(
        "ul",
        { class: "legend" },
        legend.map(([name, text]) => h("li", { class: name }, text)),
      ),
    ),
    holder,
  );
};

const SIDES = [
  ["production", "Production"],
  ["shadow", "Shadow"],
];

/** Round steps for an axis from 0 to `most`: 1, 2 or 5 times a power of ten. */
const steps = (most, wanted) => {
  if (!(most > 0)) return [0, 1];
  const rough = most / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = 0; at < wanted * 3 && (found.length < 2 || found.at(-1) < most); at++) found.push(at * step);
  return found;
};

const frame = (width, xTicks, yTicks, x, y, yText) => [
  yTicks.map((tick) => [
    s("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
    s("text", { class: "tick", x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, yText(tick)),
  ]),
  xTicks.map(([tick, text]) => [
    s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: HEIGHT - MARGIN.bottom, y2: HEIGHT - MARGIN.bottom + 5 }),
    s("text", { class: "tick", x: x(tick), y: HEIGHT - MARGIN.bottom + 20, "text-anchor": "middle" }, text),
  ]),
];

const linear = (from, to, begin, end) => (value) => begin + ((value - from) / (to - from || 1)) * (end - begin);

const path = (points, x, y) =>
  points.map(([left, up], at) => `${at === 0 ? "M" : "L"}${x(left).toFixed(1)} ${y(up).toFixed(1)}`).join("");

// ---- Latency

const BINS = 48;

/** Shares of pairs in bins of equal width on a logarithmic axis from `low` to `high`. */
const binned = (buckets, low, high, width) => {
  const bins = new Float64Array(BINS);
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  const bin = (micros) => ((Math.log(micros) - low) / (high - low)) * BINS;
  let before = 0;
  for (const [bound, count] of buckets) {
    // A bucket's pairs lie between its bound and the one before it, if that is near: empty buckets are not in the list.
    const to = Math.min(BINS, bin(Math.max(1, bound)));
    const from = Math.max(0, bin(Math.max(1, before, bound / width)));
    for (let at = Math.floor(from); at < BINS && at <= to; at++) {
      const part =
        to > from ? (Math.min(to, at + 1) - Math.max(from, at)) / (to - from) : at === Math.floor(to) ? 1 : 0;
      if (part > 0) bins[at] += (count / all) * part;
    }
    if (from >= BINS) bins[BINS - 1] += count / all;
    before = bound;
  }
  return bins;
};

/** How far apart neighbouring buckets are: the least ratio of two bounds in a row. */
const bucketWidth = (...lists) => {
  let least = 2;
  for (const buckets of lists)
    for (let at = 1; at < buckets.length; at++)
      if (buckets[at - 1][0] > 0) least = Math.min(least, buckets[at][0] / buckets[at - 1][0]);
  return Math.max(1.01, least);
};

/** 1, 2 and 5 times each power of ten, or powers alone where there are many. */
const logTicks = (low, high) => {
  const decades = (high - low) / Math.LN10;
  const parts = decades > 4 ? [1] : decades > 2.5 ? [1, 3] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(low / Math.LN10); power <= Math.ceil(high / Math.LN10); power++)
    for (const part of parts) {
      const micros = part * 10 ** power;
      if (Math.log(micros) >= low - 1e-9 && Math.log(micros) <= high + 1e-9) found.push(micros);
    }
  return found;
};

const shortDuration = (micros) => {
  const [number, unit] = micros >= 1e6 ? [micros / 1e6, "s"] : [micros / 1000, "ms"];
  return `${Number(number.toPrecision(2))} ${unit}`;
};

/** Both distributions over each other. */
const latencyChart = (production, shadow) => {
  const buckets = [production.buckets, shadow.buckets];
  const bounds = buckets.flat().map(([bound]) => Math.max(1, bound));
  if (bounds.length === 0) return h("p", { class: "muted" }, "No latencies yet.");
  const width = bucketWidth(...buckets);
  const [least, most] = [bounds.reduce((a, b) => Math.min(a, b)), bounds.reduce((a, b) => Math.max(a, b))];
  const [low, high] = [Math.log(least / width) - 0.05, Math.log(most) + 0.05];
  const sides = buckets.map((one) => binned(one, low, high, width));
  const top = Math.max(...sides.flatMap((bins) => [...bins]));
  const says =
    `Share of pairs by time to the last byte, on a logarithmic axis from ${shortDuration(least)} to ${shortDuration(most)}. ` +
    `Half of production's answers took at most ${duration(production.last.p50.value)}, of the shadow's ${duration(shadow.last.p50.value)}; ` +
    `99% at most ${duration(production.last.p99.value)} and ${duration(shadow.last.p99.value)}.`;
  return chart("Distribution of latencies", says, SIDES, (wide) => {
    const x = linear(low, high, MARGIN.left, wide - MARGIN.right);
    const yTicks = steps(top, 4);
    const y = linear(0, yTicks.at(-1), HEIGHT - MARGIN.bottom, MARGIN.top);
    let ticks = logTicks(low, high);
    const room = Math.max(2, Math.floor((wide - MARGIN.left) / 62));
    while (ticks.length > room) ticks = ticks.filter((_, at) => at % 2 === 0);
    const at = (bin) => low + (bin / BINS) * (high - low);
    const drawn = (bins) =>
      [...bins].flatMap((share, bin) => [
        [at(bin), share],
        [at(bin + 1), share],
      ]);
    const p99 = (latency, name) => {
      const place = x(Math.min(high, Math.max(low, Math.log(Math.max(1, latency.last.p99.value)))));
      // The lower one is named on its left, where there is room.
      const other = latency === production ? shadow : production;
      const lower = latency.last.p99.value < other.last.p99.value;
      const right = lower ? place < MARGIN.left + 100 : place < wide - 90;
      const up = name === "production" ? MARGIN.top + 10 : MARGIN.top + 24;
      return [
        s("line", { class: `mark ${name}`, x1: place, x2: place, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }),
        s(
          "text",
          { class: `tick ${name}`, x: place + (right ? 4 : -4), y: up, "text-anchor": right ? "start" : "end" },
          `p99 ${name}`,
        ),
      ];
    };
    const floor = [
      [high, 0],
      [low, 0],
    ];
    return [
      frame(
        wide,
        ticks.map((micros) => [Math.log(micros), shortDuration(micros)]),
        yTicks,
        x,
        y,
        (share) => `${Number((share * 100).toPrecision(3))}%`,
      ),
      s("path", { class: "area production", d: `${path([...drawn(sides[0]), ...floor], x, y)}Z` }),
      s("path", { class: "line production", d: path(drawn(sides[0]), x, y) }),
      s("path", { class: "line shadow", d: path(drawn(sides[1]), x, y) }),
      p99(production, "production"),
      p99(shadow, "shadow"),
    ];
  });
};

// ---- Over time

const timeTicks = (timeline, wide) => {
  const end = timeline.from_ms + timeline.step_ms * timeline.steps.length;
  const most = Math.max(2, Math.floor((wide - MARGIN.left) / 110));
  // Where a step begins: two within one second would read the same.
  const stride = Math.ceil(timeline.steps.length / most);
  const days = (iso(timeline.from_ms) || "").slice(0, 10) !== (iso(end) || "").slice(0, 10);
  return Array.from({ length: Math.ceil(timeline.steps.length / stride) }, (_, at) => {
    const ms = timeline.from_ms + at * stride * timeline.step_ms;
    const text = iso(ms) || "";
    return [ms, days ? `${text.slice(5, 10)} ${text.slice(11, 16)}` : text.slice(11, 19)];
  });
};

/** Lines over time: `series` are `[class, name, (step) => number]`. */
const timeChart = (title, says, timeline, series, yText) => {
  const { steps: list, from_ms: from, step_ms: step } = timeline;
  if (list.length === 0) return h("p", { class: "muted" }, "Nothing over time yet.");
  const top = list.reduce((most, one) => Math.max(most, ...series.map(([, , of]) => of(one))), 0);
  return chart(
    title,
    says,
    series.map(([name, text]) => [name, text]),
    (wide) => {
      const x = linear(from, from + step * list.length, MARGIN.left, wide - MARGIN.right);
      const yTicks = steps(top, 4);
      const y = linear(0, yTicks.at(-1), HEIGHT - MARGIN.bottom, MARGIN.top);
      const points = (of) =>
        list.flatMap((one, at) => [
          [from + at * step, of(one)],
          [from + (at + 1) * step, of(one)],
        ]);
      return [
        frame(wide, timeTicks(timeline, wide), yTicks, x, y, yText),
        series.map(([name, , of]) => s("path", { class: `line ${name}`, d: path(points(of), x, y) })),
      ];
    },
  );
};
