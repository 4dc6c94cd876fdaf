// Differences by their cause, the gravest first: one change at fourteen endpoints is one entry, which opens.

const SEVERITIES = { status: ["bad", "status"], shape: ["bad", "shape"], value: ["warn", "value"], header: ["", "header"] };
const MOST_CAUSES = 100;
const MOST_ROWS = 50;

const causesPart = () => {
  const holder = h("div", {});
  const open = new Set();
  const nameOf = (rows) => `${rows[0].path}\n${rows[0].kind}\n${rows.length > 1 ? "" : rows[0].endpoint}`;

  const below = (cause, rows) =>
    h(
      "div",
      { class: "below" },
      cause.advice && h("p", {}, h("strong", {}, "Known pattern: "), sentence(cause.advice)),
      plainTable(
        "Where",
        ["Endpoint", "Where", "What", "Pairs", "Production → shadow"],
        rows
          .slice(0, MOST_ROWS)
          .map((row) => [
            code(row.endpoint),
            code(row.path),
            row.kind,
            grouped(row.count),
            h("span", { class: "values" }, shortValues(row)),
          ]),
        [3],
      ),
      rows.length > MOST_ROWS && h("p", { class: "muted" }, `And ${grouped(rows.length - MOST_ROWS)} more.`),
      cause.rule && [
        h("p", {}, "Where this is as it should be, a rule for --compare-rules, with a reason and a date to fill in:"),
        h("pre", {}, sentence(cause.rule)),
      ],
    );

  const entry = (cause, rows) => {
    const name = nameOf(rows);
    const [look, word] = SEVERITIES[cause.severity] || ["", cause.severity];
    const element = h(
      "details",
      {
        class: "cause",
        open: open.has(name),
        ontoggle: () => (element.open ? open.add(name) : open.delete(name)),
      },
      h("summary", {}, h("span", { class: `tag ${look}` }, word), " ", sentence(cause.what)),
      below(cause, rows),
    );
    return element;
  };

  return {
    element: holder,
    update: ({ causes = [], differences, known = [] }) => {
      refill(
        holder,
        causes.slice(0, MOST_CAUSES).map((cause) => entry(cause, cause.rows.map((at) => differences[at]))),
        causes.length > MOST_CAUSES &&
          h("p", { class: "muted" }, `And ${grouped(causes.length - MOST_CAUSES)} more: see the list of differences.`),
        causes.length === 0 && h("p", {}, "Nothing differs that counts."),
        known.length > 0 &&
          plainTable(
            "Intended by this release",
            ["Difference", "Pairs"],
            known.map((one) => [sentence(one.what), one.count === 0 ? "no longer occurs" : grouped(one.count)]),
            [1],
          ),
      );
    },
  };
};
