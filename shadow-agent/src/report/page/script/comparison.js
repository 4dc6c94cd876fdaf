// One comparison: the word and why first, then everything that it rests on.

const figure = (name, value, note) =>
  h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value), note && h("small", {}, note)));

const ofRate = (rate) => (rate.total === 0 ? ["–", "nothing to count"] : [percent(rate.share), between(rate, percent)]);

/** The shadow, and the names of both releases where they are known. */
const titleOfComparison = ({ shadow, names = {} }) => {
  const release = names.shadow === undefined ? shadow : `${names.shadow} (${shadow})`;
  if (names.production === undefined) return release;
  if (names.shadow === undefined) return `${shadow} after ${names.production}`;
  return `${names.shadow} after ${names.production} (${shadow})`;
};

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
            ? [
                ". ",
                moment(comparison.from_ms),
                " to ",
                moment(comparison.to_ms),
                ` (${lasted(comparison.to_ms - comparison.from_ms)}).`,
              ]
            : ". No request yet.",
          comparison.ended_ms !== undefined && [" Its output ended ", moment(comparison.ended_ms), "."],
        ),
        h(
          "p",
          { class: `word ${word.class}` },
          h("span", { class: "sign", "aria-hidden": "true" }, word.sign),
          verdict.word,
        ),
        h(
          "ul",
          { class: "why" },
          verdict.why.map((why) => h("li", {}, sentence(why))),
        ),
        h(
          "dl",
          { class: "figures" },
          figure("Agreement", ...ofRate(comparison.agreement)),
          figure("Before noise", ...ofRate(comparison.agreement_raw)),
          comparison.excused > 0 &&
            figure("Excused", grouped(comparison.excused), "pairs: the control differs as the shadow does"),
          figure("New 5xx", ...ofRate(comparison.new_5xx)),
          figure("Other status", ...ofRate(comparison.other_status)),
          figure(
            "p99 ratio",
            ratio(comparison.p99_ratio.value),
            comparison.p99_ratio.value > 0 ? between(comparison.p99_ratio, ratio) : "not known yet",
          ),
          figure(
            "Coverage",
            percent(coverage.share),
            `${grouped(coverage.compared)} compared, ${grouped(total(coverage.failed))} failed of ${grouped(coverage.eligible)}`,
          ),
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
        return [
          code(rule.rule),
          h("span", { class: `badge ${look}` }, h("span", { "aria-hidden": "true" }, `${sign} `), rule.outcome),
          sentence(rule.text),
        ];
      });
      refill(
        holder,
        plainTable(
          "The release fails if one of these is certain",
          ["Fails on", "Outcome", "Measured, with the 95% interval"],
          rows,
        ),
      );
    },
  };
};

const forcePart = () => {
  const holder = h("div", {});
  const lists = [
    ["notes", "What these figures cannot tell"],
    ["fail_on", "Fails on"],
    ["ignored", "Ignored or tolerated"],
    ["protected", "Never treated as noise"],
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
              h(
                "div",
                {},
                h("dt", {}, title),
                force[name].map((one) =>
                  h("dd", {}, name === "notes" || name === "noise" || name === "selection" ? sentence(one) : code(one)),
                ),
              ),
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
    ["Causes", causesPart()],
    ["Differences", differencesPart()],
    ["Endpoints", endpointsPart()],
    ["Status codes", statusPart()],
    ["Latency", latencyPart()],
    ["Over time", timePart()],
    ["Coverage", coveragePart(meanings)],
    ["In force", forcePart()],
  ].map(([name, part]) => ({ name, part, id: newId("part") }));
  const head = headPart();
  const nav = h(
    "nav",
    {},
    h(
      "ul",
      {},
      parts.map(({ name, id: to }) => h("li", {}, h("a", { href: `#${to}` }, name))),
    ),
  );
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
      title.replaceChildren(sentence(titleOfComparison(comparison)));
      nav.setAttribute("aria-label", `Parts of ${visible(comparison.shadow)}`);
      head.update(comparison);
      holding(element, () => {
        for (const { part } of parts) part.update(comparison);
      });
    },
  };
};
