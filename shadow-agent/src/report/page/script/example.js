// A pair as it was: both answers side by side, with what differs marked by signs and words as well as by colour.

/** Equal lines around a difference that are shown; longer runs are folded. */
const CONTEXT = 3;

const bodyLines = (body) => {
  const text =
    body.text === null ? `(${counted(body.bytes, "byte")} of binary data)` : body.text;
  if (body.text === null && body.bytes === 0) return ["(no body)"];
  const lines = text === "" ? ["(no body)"] : text.split("\n");
  if (body.cut) lines.push(`(truncated here: ${counted(body.bytes, "byte")} in total)`);
  return lines;
};

const headLines = (head) => head.replace(/\n+$/, "").split("\n");

/** A tab is no danger and lays out text; what else is hidden is made visible. */
const line = (text) => text.split("\t").map(visible).join("\t");

/** What of an example's differences counts, by the rows of the comparison. `name` tells one such answer from another. */
const marksOf = (example, rows) => {
  const of = new Map();
  for (const row of rows) if (row.endpoint === example.endpoint) of.set(differenceName(row), row);
  const known = example.differences.map((one) => {
    const row = of.get(differenceName({ ...one, endpoint: example.endpoint }));
    return { path: one.path, one, row, counts: !row || row.noise === null };
  });
  const isOfHead = ({ path }) => path === "status" || path.startsWith("header.");
  const inBody = known.filter((one) => !isOfHead(one));
  const allBodyAside = inBody.every((one) => !one.counts);
  const says = (which) => which.some((one) => one.counts);
  return {
    name: known.map((one) => (one.counts ? "1" : "0")).join(""),
    differences: known,
    /** Whether a line of a head that differs does not count. */
    isHeadAside: (text) => {
      const name = fieldName(text);
      const path = name === null || /^HTTP\//.test(text) ? "status" : `header.${name}`;
      return !says(known.filter((one) => one.path === path || one.path.startsWith(`${path}.`)));
    },
    /** The same of a body: by the name of the member of JSON that begins it, where it has one. */
    isBodyAside: (text) => {
      const member = /^\s*"((?:[^"\\]|\\.)*)":/.exec(text);
      const about = member && inBody.filter((one) => one.path.split(/[.'"[\]]+/).includes(member[1]));
      return about && about.length > 0 ? !says(about) : allBodyAside;
    },
  };
};

const side = (text, other, name, isAside) => {
  if (text === null) return [h("td", { class: "sign none" }), h("td", { class: "none" }, unseen("no such line"))];
  const [sign, element] = name === "production" ? ["−", "del"] : ["+", "ins"];
  const look = isAside ? `${element} aside` : element;
  const says = isAside ? `only ${name}, does not count` : `only ${name}`;
  const [before, own, after] = other === null ? ["", text, ""] : ownPart(text, other);
  // Where all of a line differs there is nothing to point at within it.
  const marked = before === "" && after === "" ? line(own) : h("mark", {}, line(own));
  return [
    h("td", { class: `sign ${look}` }, h("span", { "aria-hidden": "true" }, isAside ? "·" : sign), unseen(says)),
    h("td", { class: look }, line(before), own !== "" && h(element, {}, marked), line(after)),
  ];
};

const lineRow = (isAside) => ([left, right, same]) =>
  same
    ? h(
        "tr",
        {},
        h("td", { class: "sign" }),
        h("td", {}, line(left)),
        h("td", { class: "sign" }),
        h("td", {}, line(right)),
      )
    : h(
        "tr",
        { class: "differs" },
        side(left, right, "production", [left, right].every((text) => text === null || isAside(text))),
        side(right, left, "shadow", [left, right].every((text) => text === null || isAside(text))),
      );

/** Lines of a part that are shown at once. */
const MOST_LINES = 400;

/** Rows of a part, long runs of equal lines folded into a button, and all that is beyond [`MOST_LINES`]. */
const lineGroup = (title, pairs, isAside) => {
  const near = new Uint8Array(pairs.length);
  pairs.forEach(([, , same], at) => {
    if (!same) near.fill(1, Math.max(0, at - CONTEXT), at + CONTEXT + 1);
  });
  const rows = [];
  let at = 0;
  while (at < pairs.length && rows.length < MOST_LINES) {
    let end = at;
    while (end < pairs.length && !near[end]) end++;
    if (end - at > 2 * CONTEXT) {
      rows.push(fold(pairs.slice(at, end), "equal line", isAside));
      at = end;
    } else rows.push(lineRow(isAside)(pairs[at++]));
  }
  if (at < pairs.length) rows.push(fold(pairs.slice(at), "more line", isAside));
  return h("tbody", {}, h("tr", {}, h("th", { colspan: 4, scope: "rowgroup" }, title)), rows);
};

/** A button that shows a run of lines, some at a time. */
const fold = (run, noun, isAside) => {
  const unfold = h("button", { type: "button", class: "fold" }, `Show ${counted(run.length, noun)}`);
  const row = h("tr", {}, h("td", { colspan: 4, class: "folded" }, unfold));
  unfold.addEventListener("click", () => {
    const region = row.closest(".scroll");
    const rest = run.length > MOST_LINES ? fold(run.slice(MOST_LINES), noun, isAside) : null;
    row.replaceWith(...run.slice(0, MOST_LINES).map(lineRow(isAside)), ...(rest === null ? [] : [rest]));
    if (rest !== null) rest.querySelector("button").focus();
    else if (region) {
      region.setAttribute("tabindex", "0");
      region.focus();
    }
  });
  return row;
};

const took = (answer) => (answer.took_us === null ? "an unknown time" : duration(answer.took_us));

/** The control's answer, to be read beside the other two. */
const controlView = (control) =>
  h(
    "details",
    {},
    h("summary", {}, `The control's answer (it took ${took(control)})`),
    h(
      "div",
      { class: "scroll", role: "group", tabindex: 0, "aria-label": "The control's answer" },
      h("pre", {}, [...headLines(control.head), "", ...bodyLines(control.body)].map(line).join("\n")),
    ),
  );

/** Everything about one example. `marks`: what of its differences counts. */
const exampleView = (example, marks) => {
  const { production, shadow } = example;
  const [head, other] = [headLines(production.head), headLines(shadow.head)];
  const request = [...headLines(example.request_head)];
  const hasBody = example.request_body.bytes > 0 || example.request_body.text;
  if (hasBody) request.push("", ...bodyLines(example.request_body));
  const caption = `Pair ${visible(example.id)}: production's answer beside the shadow's`;
  return h(
    "article",
    { class: "example", "aria-label": `Pair ${visible(example.id)}` },
    h("h4", {}, "Pair ", code(example.id)),
    h(
      "p",
      { class: "muted" },
      "Seen ",
      moment(example.at_ms),
      `. Production took ${took(production)}, the shadow ${took(shadow)}.`,
    ),
    example.differences.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, `All that differs in this pair (${grouped(example.differences.length)})`),
        h(
          "ul",
          { class: "plain" },
          marks.differences.map(({ one, row, counts }) =>
            h(
              "li",
              {},
              code(one.path),
              ` ${one.kind}: `,
              values(one),
              h("span", { class: counts ? "tag bad" : "tag" }, counts ? "counts" : noiseTag(row)),
            ),
          ),
        ),
      ),
    h(
      "details",
      {},
      h("summary", {}, "The request"),
      h(
        "div",
        { class: "scroll", role: "group", tabindex: 0, "aria-label": "The request" },
        h("pre", {}, request.map(line).join("\n")),
      ),
    ),
    example.control && controlView(example.control),
    scroller(
      caption,
      h(
        "table",
        { class: "diff" },
        h("caption", { class: "unseen" }, caption),
        h(
          "colgroup",
          {},
          ["sign", "side", "sign", "side"].map((name) => h("col", { class: name })),
        ),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { colspan: 2, scope: "colgroup" }, "Production"),
            h("th", { colspan: 2, scope: "colgroup" }, "Shadow"),
          ),
        ),
        lineGroup(
          inOtherOrder(head, other) ? "Head (the shadow's fields are in another order)" : "Head",
          alignHeads(head, other),
          marks.isHeadAside,
        ),
        lineGroup("Body", align(bodyLines(production.body), bodyLines(shadow.body)), marks.isBodyAside),
      ),
    ),
  );
};

const valueOf = (value) => (value === null ? h("span", { class: "muted" }, "(none)") : code(value));

/** Most characters of a value in a row of a table: what is below the row has all of it. */
const MOST_OF_VALUE = 60;

const short = (value) =>
  value !== null && value.length > MOST_OF_VALUE ? `${[...value].slice(0, MOST_OF_VALUE).join("")}…` : value;

/** Both values, as short as a row has room for. */
const shortValues = ({ production, shadow }) => values({ production: short(production), shadow: short(shadow) });

/** Production's value and the shadow's. */
const values = (difference) => [
  h("span", { class: "value" }, valueOf(difference.production)),
  h("span", { class: "to" }, h("span", { "aria-hidden": "true" }, " → "), unseen(" in production, in the shadow ")),
  h("span", { class: "value" }, valueOf(difference.shadow)),
];
