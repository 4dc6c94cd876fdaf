// Elements, made with DOM calls alone: whatever is a string becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";
let ids = 0;

/** An id that nothing else on the page has. */
const newId = (name) => `${name}-${++ids}`;

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
};

/** An HTML element. Attributes whose names begin with `on` are listeners. */
const h = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

/** An SVG element. */
const s = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

/** Text for screen readers alone. */
const unseen = (text) => h("span", { class: "unseen" }, text);

/** A caption no wider than what is seen of its table. */
const captionOf = (text) => h("caption", {}, h("span", {}, text));

/** A group that scrolls sideways by itself, and takes the focus where it does. */
const scroller = (label, ...children) => {
  const region = h("div", { class: "scroll", role: "group", "aria-label": label }, ...children);
  new ResizeObserver(() => {
    if (region.scrollWidth > region.clientWidth + 1) region.setAttribute("tabindex", "0");
    else region.removeAttribute("tabindex");
  }).observe(region);
  return region;
};

/**
 * Lets `change` make parts of `element` anew. What somebody scrolled sideways stays where it was, and keeps the focus: a live
 * page changes every second.
 */
const holding = (element, change) => {
  const regions = () => {
    const times = new Map();
    return [...element.querySelectorAll(".scroll")].map((region) => {
      const label = region.getAttribute("aria-label");
      times.set(label, (times.get(label) || 0) + 1);
      return [`${times.get(label)} ${label}`, region];
    });
  };
  const held = new Map(
    regions()
      .filter(([, region]) => region.scrollLeft > 0 || region === document.activeElement)
      .map(([name, region]) => [name, { left: region.scrollLeft, focus: region === document.activeElement }]),
  );
  change();
  if (held.size === 0) return;
  for (const [name, region] of regions()) {
    const { left, focus } = held.get(name) || {};
    if (left > 0) region.scrollLeft = left;
    if (!focus) continue;
    region.setAttribute("tabindex", "0");
    region.focus({ preventScroll: true });
  }
};

/** A plain table: `rows` are arrays of cells, the first of which heads its row. */
const plainTable = (caption, heads, rows, numeric = []) =>
  scroller(
    caption,
    h(
      "table",
      {},
      captionOf(caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head, at) => h("th", { scope: "col", class: numeric.includes(at) && "number" }, head)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            row.map((cell, at) =>
              at === 0
                ? h("th", { scope: "row" }, cell)
                : h(
                    "td",
                    {
                      class: numeric.includes(at) ? "number" : typeof cell === "string" && cell.length > 40 && "prose",
                    },
                    cell,
                  ),
            ),
          ),
        ),
      ),
    ),
  );

/** Takes `element`'s children out and puts others in. */
const refill = (element, ...children) => element.replaceChildren(...children.flat(Infinity).filter((child) => child));
