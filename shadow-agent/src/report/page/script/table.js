// A table that sorts by any column, filters, and shows a hundred rows at a time: ten thousand rows cost what a hundred do.

const PAGE = 100;

/** A title whose last word stays with the sign that says how the table is sorted. */
const titleOf = (title) => {
  const end = title.lastIndexOf(" ") + 1;
  const arrow = h("span", { class: "arrow", "aria-hidden": "true" });
  return [title.slice(0, end), h("span", { class: "together" }, title.slice(end), arrow)];
};

/**
 * `columns`: each with a `title`, `sort(row)` (what it sorts by), `cell(row)`, and perhaps `numeric`, `first` ("ascending" or
 * "descending", where a click starts), `head` (it names the row) and `wide` (it is left out where there is no room for all). `text(row)` is what the filter looks into, `key(row)` what
 * a row is known by from one update to the next, `detail(row)` what stands below a row that is opened, and `tools` further
 * elements beside the filter.
 */
const dataTable = ({
  caption,
  columns,
  text,
  key,
  detail,
  detailName,
  sorted,
  tools = [],
  noun,
  keep = () => true,
}) => {
  let rows = [];
  let shown = PAGE;
  let order = sorted;
  let wanted = [];
  const open = new Set();
  const body = h("tbody");
  const said = h("p", { class: "said", role: "status" });
  const more = h("button", { type: "button", class: "more", onclick: () => grow() });
  const search = h("input", { type: "search", id: newId("filter"), autocomplete: "off", spellcheck: "false" });
  const look = ({ numeric, wide }) => [numeric && "number", wide && "wide"].filter(Boolean).join(" ") || null;
  const heads = columns.map((column, at) =>
    h(
      "th",
      { scope: "col", class: look(column) },
      h("button", { type: "button", onclick: () => sortBy(at) }, titleOf(column.title)),
    ),
  );
  const detailHead = detail && h("th", { scope: "col", class: "open" }, unseen("Details"));

  const sortBy = (at) => {
    const first = columns[at].first || (columns[at].numeric ? "descending" : "ascending");
    const other = first === "descending" ? "ascending" : "descending";
    order = { at, way: order && order.at === at && order.way === first ? other : first };
    shown = PAGE;
    draw();
  };

  const pick = () => {
    const needle = search.value.trim().toLowerCase();
    wanted = rows.filter((row) => keep(row) && (needle === "" || text(row).toLowerCase().includes(needle)));
    if (!order) return;
    const { sort } = columns[order.at];
    const sign = order.way === "ascending" ? 1 : -1;
    const keyed = wanted.map((row, at) => ({ row, at, key: sort(row) }));
    // Numbers and texts alike; texts by their code units, which takes a tenth of the time that a language's order does.
    keyed.sort((a, b) => sign * (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) || a.at - b.at);
    wanted = keyed.map((one) => one.row);
  };

  const lines = (row) => {
    const name = key(row);
    const cells = columns.map((column) =>
      column.head
        ? h("th", { scope: "row" }, column.cell(row))
        : h("td", { class: look(column) }, column.cell(row)),
    );
    if (!detail) return [h("tr", {}, cells)];
    const id = newId("detail");
    const below = (isOpen) =>
      h(
        "tr",
        { class: "detail", id, hidden: !isOpen },
        isOpen && h("td", { colspan: columns.length + 1 }, detail(row)),
      );
    let under = below(open.has(name));
    const opener = h("button", {
      type: "button",
      class: "opener",
      "aria-expanded": String(open.has(name)),
      "aria-controls": id,
      "data-key": name,
      onclick: () => {
        if (open.has(name)) open.delete(name);
        else open.add(name);
        const next = below(open.has(name));
        under.replaceWith(next);
        under = next;
        opener.setAttribute("aria-expanded", String(open.has(name)));
      },
    });
    opener.append(
      h("span", { class: "chevron", "aria-hidden": "true" }),
      unseen(`Details: ${visible(detailName(row))}`),
    );
    return [h("tr", {}, h("td", { class: "open" }, opener), cells), under];
  };

  const draw = () => {
    pick();
    const active = body.contains(document.activeElement) ? document.activeElement : null;
    const focused = active && active.getAttribute("data-key");
    refill(body, wanted.slice(0, shown).map(lines));
    // What stands below a row may be what stood there before.
    if (active && active.isConnected) active.focus({ preventScroll: true });
    if (focused !== null) {
      const again = [...body.querySelectorAll("[data-key]")].find((one) => one.getAttribute("data-key") === focused);
      if (again) again.focus();
    }
    heads.forEach((head, at) => {
      if (order && order.at === at) head.setAttribute("aria-sort", order.way);
      else head.removeAttribute("aria-sort");
    });
    say();
  };

  const say = () => {
    const text =
      wanted.length === rows.length
        ? counted(rows.length, noun)
        : `${grouped(wanted.length)} of ${counted(rows.length, noun)}`;
    // Said again only where it changed: a live page would repeat it every second.
    if (said.textContent !== text) said.textContent = text;
    const left = wanted.length - shown;
    more.hidden = left <= 0;
    if (left > 0) more.textContent = `Show ${grouped(Math.min(left, PAGE))} more of ${grouped(left)}`;
  };

  const grow = () => {
    const from = shown;
    shown += PAGE;
    const added = wanted.slice(from, shown).flatMap(lines);
    body.append(...added);
    say();
    // The button may be gone now; the focus goes on to the first row that came.
    const first = added[0].querySelector("button");
    if (more.hidden && first) first.focus();
  };

  const again = () => {
    shown = PAGE;
    draw();
  };
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(again, 120);
  });
  const element = h(
    "div",
    {},
    h(
      "div",
      { class: "tools" },
      h("p", { class: "field" }, h("label", { for: search.id }, `Filter ${noun}s`), search),
      tools,
      said,
    ),
    scroller(
      caption,
      h(
        "table",
        { class: "data" },
        h("caption", { class: "unseen" }, caption),
        h("thead", {}, h("tr", {}, detailHead, heads)),
        body,
      ),
    ),
    more,
  );
  return {
    element,
    /** Shows other rows, in the same order and with the same filter. */
    update: (next) => {
      rows = next;
      draw();
    },
    /** Filters anew. */
    again,
  };
};
