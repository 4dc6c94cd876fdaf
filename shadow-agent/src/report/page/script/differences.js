// The list of differences: what counts apart from noise, each with pairs that show it.

const NOISE_BY = {
  rule: "Noise, by a rule",
  known: "Intended by this release",
  control: "Noise, by the control",
  repeat: "Noise, by the shadow's second answer",
  not_learned: "Not learned yet",
  like_control: "Excused",
  raced: "Raced with others' writes",
};

/** Whether the page has a phone's width: then the first cells of a row say all of it. */
const narrow = matchMedia("(max-width: 40rem)");

const isExcused = (row) => row.noise !== null && row.noise.by === "like_control";

/** What a row that does not count is called beside its place. */
const noiseTag = (row) => (isExcused(row) ? "excused" : `noise: ${row.noise.by}`);

/** A row's own name: status codes have a row for each two of them. */
const differenceName = (row) => {
  const codes = row.kind === "status" ? `\n${row.production} ${row.shadow}` : "";
  return `${row.endpoint}\n${row.path}\n${row.kind}${codes}`;
};

const differencesPart = () => {
  let comparison = null;
  let examples = new Map();
  let oneDay = true;
  const group = newId("which");
  const choices = [
    ["counts", "What counts", (row) => row.noise === null],
    ["noise", "Noise", (row) => row.noise !== null && !isExcused(row)],
    ["excused", "Excused", isExcused],
    ["all", "All", () => true],
  ];
  let kept = choices[0][2];
  const labels = new Map();
  const choose = h(
    "fieldset",
    { class: "choice" },
    h("legend", {}, "Show"),
    choices.map(([name, text, keep]) => {
      const id = newId("which");
      const input = h("input", {
        type: "radio",
        name: group,
        id,
        value: name,
        onchange: () => {
          kept = keep;
          table.again();
        },
      });
      input.checked = keep === kept;
      const label = h("label", { for: id }, text);
      labels.set(name, label);
      return h("span", {}, input, label);
    }),
  );

  const views = new Map();
  const nameOf = differenceName;
  /** An example below a row: made once, so that what is opened in it stays open while the page goes on, unless other parts of it count. */
  const exampleOf = (row, id) => {
    const example = examples.get(id);
    const marks = marksOf(example, comparison.differences);
    const name = `${nameOf(row)}\n${id}\n${marks.name}`;
    if (!views.has(name)) views.set(name, { id, element: exampleView(example, marks) });
    return views.get(name).element;
  };

  const detail = (row) =>
    h(
      "div",
      { class: "below" },
      row.noise &&
        h(
          "p",
          {},
          h("strong", {}, `${NOISE_BY[row.noise.by]}: `),
          sentence(row.noise.why),
          row.noise.reference &&
            `. Seen among the references in ${percent(row.noise.reference.share)} (${grouped(row.noise.reference.count)} of ${grouped(row.noise.reference.total)}).`,
        ),
      (row.aside ?? []).map((aside) =>
        h(
          "p",
          {},
          h("strong", {}, `${NOISE_BY[aside.noise.by]}, in ${counted(aside.count, "more pair")}: `),
          sentence(aside.noise.why),
        ),
      ),
      row.suspicious > 0 &&
        h(
          "p",
          {},
          h("strong", {}, "Suspicious: "),
          `in ${counted(row.suspicious, "pair")} the shadow's value was neither production's nor the control's.`,
        ),
      h(
        "p",
        { class: "narrow" },
        `${percent(row.share)} of its pairs, from `,
        clock(row.first_ms, oneDay),
        " to ",
        clock(row.last_ms, oneDay),
      ),
      h("p", {}, "In the first pair: ", values(row)),
      row.examples.map((id) => (examples.has(id) ? exampleOf(row, id) : null)),
      !row.examples.some((id) => examples.has(id)) && h("p", { class: "muted" }, "No example of it was kept."),
    );

  const table = dataTable({
    caption: "Differences between the shadow's answers and production's",
    noun: "difference",
    sorted: { at: 0, way: "descending" },
    key: nameOf,
    text: (row) => `${row.endpoint} ${row.path} ${row.kind} ${row.production ?? ""} ${row.shadow ?? ""}`,
    keep: (row) => kept(row),
    detailName: (row) => `${row.path}, ${row.kind}, ${row.endpoint}`,
    detail,
    tools: [choose],
    columns: [
      { title: "Pairs", numeric: true, sort: (row) => row.count, cell: (row) => grouped(row.count) },
      { title: "Share", numeric: true, wide: true, sort: (row) => row.share, cell: (row) => percent(row.share) },
      {
        title: "Where",
        head: true,
        sort: (row) => row.path,
        cell: (row) => [
          code(row.path),
          row.noise && h("span", { class: "tag" }, noiseTag(row)),
          row.suspicious > 0 && h("span", { class: "tag warn" }, `${grouped(row.suspicious)} suspicious`),
          narrow.matches && [
            h("span", { class: "narrow" }, `${row.kind} at `, code(row.endpoint)),
            h("span", { class: "narrow values" }, shortValues(row)),
          ],
        ],
      },
      { title: "What", wide: true, sort: (row) => row.kind, cell: (row) => row.kind },
      { title: "Endpoint", wide: true, sort: (row) => row.endpoint, cell: (row) => code(row.endpoint) },
      {
        title: "Production → shadow",
        wide: true,
        sort: (row) => `${row.production ?? ""} ${row.shadow ?? ""}`,
        cell: (row) => h("span", { class: "values" }, shortValues(row)),
      },
      {
        title: "First seen (UTC)",
        numeric: true,
        wide: true,
        first: "ascending",
        sort: (row) => row.first_ms,
        cell: (row) => clock(row.first_ms, oneDay),
      },
      {
        title: "Last seen (UTC)",
        numeric: true,
        wide: true,
        sort: (row) => row.last_ms,
        cell: (row) => clock(row.last_ms, oneDay),
      },
    ],
  });
  narrow.addEventListener("change", () => table.again());
  const note = h("p", {});
  return {
    element: h("div", {}, note, table.element),
    update: (next) => {
      comparison = next;
      oneDay = isOneDay(comparison);
      examples = new Map(comparison.examples.map((example) => [example.id, example]));
      for (const [name, { id }] of views) if (!examples.has(id)) views.delete(name);
      const rows = comparison.differences;
      for (const [name, text, keep] of choices)
        labels.get(name).textContent = `${text} (${grouped(rows.filter(keep).length)})`;
      note.textContent =
        comparison.differences_beyond > 0
          ? `${counted(comparison.differences_beyond, "more difference")} of further kinds are not listed: --compare-max-differences was reached.`
          : "";
      note.hidden = comparison.differences_beyond === 0;
      table.update(rows);
    },
  };
};
