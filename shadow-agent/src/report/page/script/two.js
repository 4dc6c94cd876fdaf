// Two documents side by side: figures of both, and which differences are new, gone, or in both.

const WRITE = { count: grouped, share: percent, micros: duration, ratio };

const ofInterval = (interval, write) =>
  interval === null
    ? "–"
    : [
        write(interval.value),
        (interval.low !== interval.value || interval.high !== interval.value) &&
          h("small", {}, between(interval, write)),
      ];

/** How a change looks, and what it is called. */
const changeOf = ({ a, b, better, change }) => {
  if (change === "better") return ["go", "✓ better"];
  if (change === "worse") return ["no-go", "✕ worse"];
  if (a === null || b === null) return ["", "only one has it"];
  if (a.value === b.value) return ["", "the same"];
  return ["", better === "neither" ? "another" : "within the confidence intervals"];
};

const byHow = ({ a, b, unit }) => {
  if (a === null || b === null || a.value === b.value) return null;
  const by = b.value - a.value;
  const sign = by > 0 ? "+" : "−";
  const size = Math.abs(by);
  if (unit === "share") return `${sign}${(size * 100).toFixed(2)} points`;
  return `${sign}${WRITE[unit](size)}`;
};

const changeCell = (figure) => {
  const [look, text] = changeOf(figure);
  const how = byHow(figure);
  return [look ? h("span", { class: `badge ${look}` }, text) : text, how && h("small", {}, how)];
};

const STATES = [
  ["new", "New"],
  ["both", "In both"],
  ["gone", "Gone"],
];

const twoDifferences = (two) => {
  const wanted = new Set(STATES.map(([state]) => state));
  let noise = false;
  const isNoise = (row) => (row.a === null || row.a.noise) && (row.b === null || row.b.noise);
  const box = (text, checked, change) => {
    const input = h("input", { type: "checkbox", id: newId("box") });
    input.checked = checked;
    input.addEventListener("change", () => {
      change(input.checked);
      table.again();
    });
    return h("span", {}, input, h("label", { for: input.id }, text));
  };
  const count = (state) => two.differences.filter((row) => row.state === state && !isNoise(row)).length;
  const choose = h(
    "fieldset",
    { class: "choice" },
    h("legend", {}, "Show"),
    STATES.map(([state, text]) =>
      box(`${text} (${grouped(count(state))})`, true, (on) => (on ? wanted.add(state) : wanted.delete(state))),
    ),
    box(`Noise (${grouped(two.differences.filter(isNoise).length)})`, false, (on) => {
      noise = on;
    }),
  );
  const seen = (one) =>
    one === null
      ? "–"
      : [grouped(one.count), h("small", {}, percent(one.share)), one.noise && h("span", { class: "tag" }, "noise")];
  const table = dataTable({
    caption: "Differences of A and B",
    noun: "difference",
    key: differenceName,
    text: (row) => `${row.endpoint} ${row.path} ${row.kind} ${row.production ?? ""} ${row.shadow ?? ""}`,
    keep: (row) => wanted.has(row.state) && (noise || !isNoise(row)),
    tools: [choose],
    columns: [
      {
        title: "State",
        sort: (row) => STATES.findIndex(([state]) => state === row.state),
        cell: (row) =>
          h(
            "span",
            { class: `badge ${{ new: "no-go", both: "", gone: "go" }[row.state]}` },
            STATES.find(([state]) => state === row.state)[1],
          ),
      },
      {
        title: "Pairs in A",
        numeric: true,
        sort: (row) => (row.a === null ? -1 : row.a.count),
        cell: (row) => seen(row.a),
      },
      {
        title: "Pairs in B",
        numeric: true,
        sort: (row) => (row.b === null ? -1 : row.b.count),
        cell: (row) => seen(row.b),
      },
      { title: "Where", head: true, sort: (row) => row.path, cell: (row) => code(row.path) },
      { title: "What", sort: (row) => row.kind, cell: (row) => row.kind },
      { title: "Endpoint", sort: (row) => row.endpoint, cell: (row) => code(row.endpoint) },
      {
        title: "Production → shadow",
        sort: (row) => `${row.production ?? ""} ${row.shadow ?? ""}`,
        cell: (row) => h("span", { class: "values" }, shortValues(row)),
      },
    ],
  });
  table.update(two.differences);
  return table.element;
};

const twoEndpoints = (two) => {
  const of = (side, cell) => (row) => (row[side] === null ? "–" : cell(row[side]));
  const by = (side, sort) => (row) => (row[side] === null ? -1 : sort(row[side]));
  const pair = (title, sort, cell, first) =>
    ["a", "b"].map((side) => ({
      title: `${title} ${side.toUpperCase()}`,
      numeric: true,
      first,
      sort: by(side, sort),
      cell: of(side, cell),
    }));
  const table = dataTable({
    caption: "Endpoints of A and B",
    noun: "endpoint",
    key: (row) => row.name,
    text: (row) => row.name,
    columns: [
      { title: "Endpoint", head: true, sort: (row) => row.name, cell: (row) => code(row.name) },
      ...pair(
        "Compared",
        (one) => one.compared,
        (one) => grouped(one.compared),
      ),
      ...pair(
        "Agreement",
        (one) => one.agreement.share,
        (one) => withInterval(one.agreement),
        "ascending",
      ),
      ...pair(
        "New 5xx",
        (one) => one.new_5xx.share,
        (one) => percent(one.new_5xx.share),
      ),
      ...pair(
        "p99",
        (one) => one.p99.value,
        (one) => duration(one.p99.value),
      ),
    ],
  });
  table.update(two.endpoints);
  return table.element;
};

const sideHead = (name, head, named) =>
  h(
    "div",
    {},
    h("h3", {}, name, head !== null && named && [": ", sentence(head.title)]),
    head === null
      ? h("p", { class: "muted" }, "It has no comparison to match.")
      : [
          h(
            "p",
            { class: `word small ${WORDS[head.word].class}` },
            h("span", { class: "sign", "aria-hidden": "true" }, WORDS[head.word].sign),
            head.word,
          ),
          h("p", { class: "muted" }, moment(head.from_ms), " to ", moment(head.to_ms)),
          h(
            "ul",
            { class: "why" },
            head.why.map((why) => h("li", {}, sentence(why))),
          ),
        ],
  );

const twoView = (two) => {
  const id = newId("two");
  const names = [...new Set([two.a, two.b].filter((head) => head !== null).map((head) => head.title))];
  const differ = names.length > 1;
  return h(
    "section",
    { class: "comparison", "aria-labelledby": id },
    h("h2", { id }, sentence(names.join(" and "))),
    h("div", { class: "pair" }, sideHead("A", two.a, differ), sideHead("B", two.b, differ)),
    h(
      "section",
      {},
      h("h3", {}, "Figures"),
      plainTable(
        "Figures of A and B, with 95% intervals",
        ["Figure", "A", "B", "Change"],
        two.figures.map((one) => [
          one.name,
          ofInterval(one.a, WRITE[one.unit]),
          ofInterval(one.b, WRITE[one.unit]),
          changeCell(one),
        ]),
        [1, 2],
      ),
    ),
    h(
      "section",
      {},
      h("h3", {}, "Differences"),
      two.differences_beyond > 0 &&
        h(
          "p",
          {},
          `${counted(two.differences_beyond, "difference")} exceed what the two reports keep: differences listed as new or gone may be among them.`,
        ),
      twoDifferences(two),
    ),
    h("section", {}, h("h3", {}, "Endpoints"), twoEndpoints(two)),
  );
};
