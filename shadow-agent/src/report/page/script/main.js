// Puts the page together: one document, two of them, or a run as it goes on.

const main = document.getElementById("main");
const given = JSON.parse(document.getElementById("data").textContent);

/** Several comparisons at a glance. */
const overview = (comparisons, views) =>
  plainTable(
    "Comparisons",
    ["Shadow", "Verdict", "Compared", "Agreement", "New 5xx", "p99 ratio"],
    comparisons.map((one, at) => [
      [
        h("a", { href: `#${views[at].id}` }, sentence(one.shadow)),
        one.ended_ms !== undefined && h("span", { class: "muted" }, " ended"),
      ],
      wordBadge(one.verdict.word),
      grouped(one.coverage.compared),
      percent(one.agreement.share),
      percent(one.new_5xx.share),
      ratio(one.p99_ratio.value),
    ]),
    [2, 3, 4, 5],
  );

/** Shows documents in `holder`, each in the place of the one before; what was opened, sorted and filtered stays so. */
const documentView = (holder) => {
  let views = [];
  const made = h("p", { class: "muted made" });
  const over = h("div", {});
  return (next) => {
    if (views.length !== next.comparisons.length) {
      views = next.comparisons.map(() => comparisonView(given.meanings));
      refill(
        holder,
        made,
        over,
        views.map((view) => view.element),
      );
    }
    made.replaceChildren("Created ", moment(next.made_at_ms), ` by shadow-agent ${visible(next.version)}`);
    refill(
      over,
      next.comparisons.length === 0 && h("p", {}, "Nothing was compared."),
      next.comparisons.length > 1 && overview(next.comparisons, views),
      (next.notes ?? []).map((note) => h("p", {}, sentence(note))),
    );
    next.comparisons.forEach((comparison, at) => views[at].update(comparison));
  };
};

if (given.mode === "two") {
  const { a, b, comparisons } = given.data;
  const sideRow = (name, one) => [name, wordBadge(one.verdict), moment(one.made_at_ms), visible(one.version)];
  refill(
    main,
    plainTable("The two reports", ["Report", "Verdict", "Made", "Version"], [sideRow("A", a), sideRow("B", b)]),
    comparisons.map(twoView),
  );
} else if (given.mode === "live") {
  const holder = h("div", {});
  const show = documentView(holder);
  const word = h("p", { class: "unseen", "aria-live": "assertive" });
  const bar = liveBar((next) => {
    show(next);
    document.title = `${next.verdict} · shadow-agent`;
    if (word.textContent !== next.verdict) word.textContent = next.verdict;
  });
  holder.append(h("p", {}, "Waiting for data."));
  refill(main, bar, word, holder);
} else {
  const holder = h("div", {});
  documentView(holder)(given.data);
  refill(main, holder);
}
