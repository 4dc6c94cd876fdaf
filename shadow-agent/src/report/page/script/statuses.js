// Pairs by status code: production's against the shadow's.

/** Most codes of a side in a matrix. */
const MOST_CODES = 12;

const isExcusedStatus = (pair) => (pair.excused ?? 0) === pair.count;

const isNew5xx = (pair) => pair.shadow >= 500 && pair.production < 500 && !isExcusedStatus(pair);

const statusNote = (pair) => {
  const excused = pair.excused ?? 0;
  if (isExcusedStatus(pair)) return "excused";
  const what = isNew5xx(pair) ? "new 5xx" : "differs";
  return excused > 0 ? `${what}, ${grouped(excused)} excused` : what;
};

const statusPart = () => {
  const holder = h("div", {});
  const matrix = (statuses, productions, shadows) => {
    const counts = new Map(statuses.map((pair) => [`${pair.production} ${pair.shadow}`, pair]));
    const caption = "Pairs by status code: production's down, the shadow's across";
    const cell = (production, shadow) => {
      const pair = counts.get(`${production} ${shadow}`);
      if (!pair) return h("td", { class: "number none" }, h("span", { "aria-hidden": "true" }, "·"), unseen("0"));
      if (production === shadow) return h("td", { class: "number same" }, grouped(pair.count));
      return h(
        "td",
        { class: `number ${isNew5xx(pair) ? "bad" : "other"}` },
        grouped(pair.count),
        h("small", {}, statusNote(pair)),
      );
    };
    return scroller(
      caption,
      h(
        "table",
        { class: "matrix" },
        captionOf(caption),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Production"),
            shadows.map((code) => h("th", { scope: "col", class: "number" }, unseen("Shadow "), String(code))),
          ),
        ),
        h(
          "tbody",
          {},
          productions.map((production) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, String(production)),
              shadows.map((shadow) => cell(production, shadow)),
            ),
          ),
        ),
      ),
    );
  };
  return {
    element: holder,
    update: ({ statuses }) => {
      const codes = (of) => [...new Set(statuses.map(of))].sort((a, b) => a - b);
      const [productions, shadows] = [codes((pair) => pair.production), codes((pair) => pair.shadow)];
      if (statuses.length === 0) refill(holder, h("p", { class: "muted" }, "No pair yet."));
      else if (productions.length <= MOST_CODES && shadows.length <= MOST_CODES)
        refill(holder, matrix(statuses, productions, shadows));
      else
        refill(
          holder,
          plainTable(
            "Pairs by status code, most first",
            ["Production", "Shadow", "Pairs"],
            [...statuses]
              .sort((a, b) => b.count - a.count)
              .slice(0, 200)
              .map((pair) => [String(pair.production), String(pair.shadow), grouped(pair.count)]),
            [1, 2],
          ),
        );
    },
  };
};
