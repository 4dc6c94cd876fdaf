// One comparison: the word and why first, then everything that it rests on.

const figure = (name, value, note) => h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value), note && h("small", {}, note)));

const ofRate = (rate) => (rate.total === 0 ? ["–", "nothing to count"] : [percent(rate.share), between(rate, percent)]);

const headPart = () => {
  const holder = h("div", {});
  return {
    element: holder,
    update: (comparison) => {
      const { verdict, coverage } = comparison;
      const word = WORDS[verdict.word] || WORDS["NOT ENOUGH DATA"];
      refill(
        holder,
        h(
          "p",
          { class: "muted" },
          "Production ",
          comparison.production.map((one, at) => [at > 0 && ", ", code(one)]),
          comparison.control !== null && [", control ", code(comparison.control)],
          comparison.from_ms > 0
            ? [". ", moment(comparison.from_ms), " to ", moment(comparison.to_ms), ` (${lasted(comparison.to_ms - comparison.from_ms)}).`]
            : ". No request yet.",
        ),
        h("p", { class: `word ${word.class}` }, h("span", { class: "sign", "aria-hidden": "true" }, word.sign), verdict.word),
        h("ul", { class: "why" }, verdict.why.map((why) => h("li", {}, sentence(why)))),
        h(
          "dl",
          { class: "figures" },
          figure("Agreement", ...ofRate(comparison.agreement)),
          figure("Before noise", ...ofRate(comparison.agreement_raw)),
          figure("New 5xx", ...ofRate(comparison.new_5xx)),
          figure("Other status", ...ofRate(comparison.other_status)),
          figure("p99 ratio", ratio(comparison.p99_ratio.value), between(comparison.p99_ratio, ratio)),
          figure("Coverage", percent(coverage.share), `${grouped(coverage.compared)} of ${grouped(coverage.eligible)} compared`),
        ),
      );
    },
  };
};

const OUTCOMES = { passed: ["go", "✓"], failed: ["no-go", "✕"], undecided: ["unsure", "?"] };

const rulesPart = () => {
  const holder = h("div", {});
  return {
    element: holder,
    update: ({ verdict }) => {
      const rows = verdict.rules.map((rule) => {
        const [look, sign] = OUTCOMES[rule.outcome];
        return [code(rule.rule), h("span", { class: `badge ${look}` }, h("span", { "aria-hidden": "true" }, `${sign} `), rule.outcome), sentence(rule.text)];
      });
      refill(holder, plainTable("The release fails where one of these holds for sure", ["Fails on", "Outcome", "Measured, with the 95% interval"], rows));
    },
  };
};

// ---- Coverage

const term = (number, text) => h("span", { class: "term" }, h("b", {}, grouped(number)), ` ${text}`);

/** `seen = a + b`, with whether it is so. */
const equation = (whole, parts) => {
  const balances = parts.reduce((sum, [number]) => sum + number, 0) === whole[0];
  return h(
    "p",
    { class: "equation" },
    term(...whole),
    " = ",
    parts.map((part, at) => [at > 0 && " + ", term(...part)]),
    " ",
    balances
      ? h("span", { class: "badge go" }, h("span", { "aria-hidden": "true" }, "✓ "), "balances")
      : h("span", { class: "badge no-go" }, h("span", { "aria-hidden": "true" }, "✕ "), "does not balance"),
  );
};

const bar = (coverage, parts) => {
  const wide = 1000;
  let from = 0;
  return s(
    "svg",
    { class: "bar", viewBox: `0 0 ${wide} 14`, preserveAspectRatio: "none", "aria-hidden": "true" },
    parts.map(([name, number]) => {
      const width = coverage.eligible > 0 ? (number / coverage.eligible) * wide : 0;
      const x = from;
      from += width;
      // What is there at all can be seen.
      return number > 0 && s("rect", { class: name, x: Math.min(x, wide - 3), y: 0, width: Math.max(width, 3), height: 14 });
    }),
  );
};

const coveragePart = (meanings) => {
  const holder = h("div", {});
  return {
    element: holder,
    update: ({ coverage, extra }) => {
      const [failed, lost] = [total(coverage.failed), total(coverage.not_compared)];
      const share = (count) => percent(coverage.eligible > 0 ? count / coverage.eligible : 0);
      const rows = (counts, against) =>
        Object.entries(counts)
          .sort((a, b) => b[1] - a[1])
          .map(([reason, count]) => [code(reason), grouped(count), share(count), against, visible(meanings[reason] || "")]);
      const reasons = [...rows(coverage.failed, "the release"), ...rows(coverage.not_compared, "nobody")];
      refill(
        holder,
        bar(coverage, [["compared", coverage.compared], ["failed", failed], ["lost", lost], ["waiting", coverage.waiting]]),
        equation([coverage.seen, "seen"], [
          [coverage.filtered, "filtered"],
          [coverage.sampled_out, "sampled out"],
          [coverage.limited, "limited"],
          [coverage.eligible, "eligible"],
        ]),
        equation([coverage.eligible, "eligible"], [
          [coverage.compared, "compared"],
          [failed, "failed in the shadow"],
          [lost, "not compared"],
          [coverage.waiting, "waiting"],
        ]),
        reasons.length > 0
          ? plainTable("Why requests were not compared", ["Reason", "Requests", "Of eligible", "Speaks against", "What it means"], reasons, [1, 2])
          : h("p", {}, "Every eligible request was compared."),
        h(
          "p",
          {},
          `Capture lost ${counted(coverage.capture_lost_packets, "packet")} of production; ${percent(coverage.capture_loss)} of the requests seen had a hole.`,
        ),
        coverage.endpoints_not_compared.length > 0 &&
          h(
            "details",
            {},
            h("summary", {}, `${counted(coverage.endpoints_not_compared.length, "endpoint")} of which nothing was compared`),
            h("ul", { class: "plain" }, coverage.endpoints_not_compared.slice(0, 1000).map((name) => h("li", {}, code(name)))),
          ),
        extra.length > 0 &&
          plainTable(
            "Requests that the comparison itself made",
            ["What for", "Sent", "Answered", "Lost", "Waiting"],
            extra.map((one) => [
              visible(one.what),
              grouped(one.sent),
              grouped(one.answered),
              [grouped(total(one.lost)), Object.keys(one.lost).length > 0 && h("small", {}, Object.entries(one.lost).map(([reason, count]) => `${visible(reason)} ${grouped(count)}`).join(", "))],
              grouped(one.waiting),
            ]),
            [1, 2, 3, 4],
          ),
      );
    },
  };
};

// ---- Status codes

/** Most codes of a side in a matrix. */
const MOST_CODES = 12;

const isNew5xx = (pair) => pair.shadow >= 500 && pair.production < 500;

const statusPart = () => {
  const holder = h("div", {});
  const matrix = (statuses, productions, shadows) => {
    const counts = new Map(statuses.map((pair) => [`${pair.production} ${pair.shadow}`, pair]));
    const caption = "Pairs by status code: production's down, the shadow's across";
    const cell = (production, shadow) => {
      const pair = counts.get(`${production} ${shadow}`);
      if (!pair) return h("td", { class: "number none" }, h("span", { "aria-hidden": "true" }, "·"), unseen("0"));
      if (production === shadow) return h("td", { class: "number same" }, grouped(pair.count));
      return h("td", { class: `number ${isNew5xx(pair) ? "bad" : "other"}` }, grouped(pair.count), h("small", {}, isNew5xx(pair) ? "new 5xx" : "differs"));
    };
    return scroller(
      caption,
      h(
        "table",
        { class: "matrix" },
        captionOf(caption),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Production"), shadows.map((code) => h("th", { scope: "col", class: "number" }, unseen("Shadow "), String(code))))),
        h("tbody", {}, productions.map((production) => h("tr", {}, h("th", { scope: "row" }, String(production)), shadows.map((shadow) => cell(production, shadow))))),
      ),
    );
  };
  return {
    element: holder,
    update: ({ statuses }) => {
      const codes = (of) => [...new Set(statuses.map(of))].sort((a, b) => a - b);
      const [productions, shadows] = [codes((pair) => pair.production), codes((pair) => pair.shadow)];
      if (statuses.length === 0) refill(holder, h("p", { class: "muted" }, "No pair yet."));
      else if (productions.length <= MOST_CODES && shadows.length <= MOST_CODES) refill(holder, matrix(statuses, productions, shadows));
      else
        refill(
          holder,
          plainTable(
            "Pairs by status code, most first",
            ["Production", "Shadow", "Pairs"],
            [...statuses].sort((a, b) => b.count - a.count).slice(0, 200).map((pair) => [String(pair.production), String(pair.shadow), grouped(pair.count)]),
            [1, 2],
          ),
        );
    },
  };
};

// ---- Latency and throughput

const latencyPart = () => {
  const holder = h("div", {});
  return {
    element: holder,
    update: ({ production_latency: production, shadow_latency: shadow, p99_ratio }) => {
      const quantile = (interval) => [duration(interval.value), h("small", {}, between(interval, duration))];
      const row = (name, quantiles) => [
        name,
        grouped(quantiles.count),
        ...(quantiles.count > 0 ? [quantiles.p50, quantiles.p95, quantiles.p99].map(quantile) : ["–", "–", "–"]),
      ];
      refill(
        holder,
        latencyChart(production, shadow),
        plainTable(
          "Latencies from the request's last byte, with 95% intervals",
          ["Side", "Answers", "p50", "p95", "p99"],
          [
            row("Production, to the last byte", production.last),
            row("Shadow, to the last byte", shadow.last),
            row("Production, to the first byte", production.first),
            row("Shadow, to the first byte", shadow.first),
          ],
          [1, 2, 3, 4],
        ),
        h("p", {}, "The shadow's 99th percentile is ", h("b", {}, ratio(p99_ratio.value)), ` production's (${between(p99_ratio, ratio)}).`),
      );
    },
  };
};

const timePart = () => {
  const holder = h("div", {});
  return {
    element: holder,
    update: ({ timeline }) => {
      const seconds = timeline.step_ms / 1000 || 1;
      const perSecond = (count) => Number((count / seconds).toPrecision(3));
      const peak = timeline.steps.reduce((most, step) => Math.max(most, step.production), 0);
      const sum = (of) => timeline.steps.reduce((all, step) => all + of(step), 0);
      refill(
        holder,
        timeChart(
          "Answers a second",
          `In steps of ${lasted(timeline.step_ms)}. At most ${perSecond(peak)} a second in production; ${counted(sum((step) => step.production), "answer")} of production in all, ${counted(sum((step) => step.shadow), "answer")} of the shadow.`,
          timeline,
          [["production", "Production", (step) => step.production / seconds], ["shadow", "Shadow", (step) => step.shadow / seconds]],
          (value) => grouping.format(value) === "0" || value % 1 === 0 ? grouped(value) : String(Number(value.toPrecision(2))),
        ),
        timeChart(
          "Failures and 5xx",
          `${counted(sum((step) => step.failed), "request")} that the shadow failed to answer, ${counted(sum((step) => step.shadow_5xx), "5xx of the shadow", "5xx of the shadow")}, ${counted(sum((step) => step.production_5xx), "5xx of production", "5xx of production")}.`,
          timeline,
          [
            ["production", "Production 5xx", (step) => step.production_5xx],
            ["shadow", "Shadow 5xx", (step) => step.shadow_5xx],
            ["failed", "Shadow failed", (step) => step.failed],
          ],
          (value) => (value % 1 === 0 ? grouped(value) : String(value)),
        ),
        timeline.steps.length > 0 &&
          h(
            "details",
            {},
            h("summary", {}, "These figures as a table"),
            plainTable(
              `Counts in steps of ${lasted(timeline.step_ms)}`,
              ["From", "Production", "Shadow", "Failed", "Differ, noise included", "Production 5xx", "Shadow 5xx"],
              timeline.steps.slice(0, 1000).map((step, at) => [
                moment(timeline.from_ms + at * timeline.step_ms),
                ...[step.production, step.shadow, step.failed, step.different, step.production_5xx, step.shadow_5xx].map(grouped),
              ]),
              [1, 2, 3, 4, 5, 6],
            ),
          ),
      );
    },
  };
};

// ---- What was in force

const forcePart = () => {
  const holder = h("div", {});
  const lists = [
    ["notes", "What these figures cannot tell"],
    ["fail_on", "Fails on"],
    ["ignored", "Ignored or tolerated"],
    ["protected", "Never taken for noise"],
    ["noise", "How noise is learned"],
    ["routes", "Routes given"],
    ["selection", "Sampled and filtered"],
  ];
  return {
    element: holder,
    update: ({ in_force: force }) =>
      refill(
        holder,
        h(
          "dl",
          { class: "force" },
          lists
            .filter(([name]) => force[name].length > 0)
            .map(([name, title]) =>
              h("div", {}, h("dt", {}, title), force[name].map((one) => h("dd", {}, name === "notes" || name === "noise" || name === "selection" ? sentence(one) : code(one)))),
            ),
        ),
      ),
  };
};

/** A comparison's section: made once, updated with each document. */
const comparisonView = (meanings) => {
  const id = newId("comparison");
  const title = h("h2", { id });
  const parts = [
    ["Rules", rulesPart()],
    ["Differences", differencesPart()],
    ["Endpoints", endpointsPart()],
    ["Status codes", statusPart()],
    ["Latency", latencyPart()],
    ["Over time", timePart()],
    ["Coverage", coveragePart(meanings)],
    ["In force", forcePart()],
  ].map(([name, part]) => ({ name, part, id: newId("part") }));
  const head = headPart();
  const nav = h("nav", {}, h("ul", {}, parts.map(({ name, id: to }) => h("li", {}, h("a", { href: `#${to}` }, name)))));
  const element = h(
    "section",
    { class: "comparison", "aria-labelledby": id },
    title,
    head.element,
    nav,
    parts.map(({ name, part, id: at }) => h("section", {}, h("h3", { id: at, tabindex: -1 }, name), part.element)),
  );
  return {
    id,
    element,
    update: (comparison) => {
      title.replaceChildren(sentence(comparison.shadow));
      nav.setAttribute("aria-label", `Parts of ${visible(comparison.shadow)}`);
      head.update(comparison);
      for (const { part } of parts) part.update(comparison);
    },
  };
};
