// What became of the requests: two equations that balance, and every reason for a loss.

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
      return (
        number > 0 && s("rect", { class: name, x: Math.min(x, wide - 3), y: 0, width: Math.max(width, 3), height: 14 })
      );
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
          .map(([reason, count]) => [
            code(reason),
            grouped(count),
            share(count),
            against,
            Object.hasOwn(meanings, reason) ? meanings[reason] : "",
          ]);
      const reasons = [...rows(coverage.failed, "the release"), ...rows(coverage.not_compared, "nobody")];
      refill(
        holder,
        bar(coverage, [
          ["compared", coverage.compared],
          ["failed", failed],
          ["lost", lost],
          ["waiting", coverage.waiting],
        ]),
        equation(
          [coverage.seen, "seen"],
          [
            [coverage.filtered, "filtered"],
            [coverage.sampled_out, "sampled out"],
            [coverage.limited, "limited"],
            [coverage.eligible, "eligible"],
          ],
        ),
        equation(
          [coverage.eligible, "eligible"],
          [
            [coverage.compared, "compared"],
            [failed, "failed in the shadow"],
            [lost, "not compared"],
            [coverage.waiting, "waiting"],
          ],
        ),
        reasons.length > 0
          ? plainTable(
              "Why requests were not compared",
              ["Reason", "Requests", "Of eligible", "Counts against", "What it means"],
              reasons,
              [1, 2],
            )
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
            h(
              "summary",
              {},
              `${counted(coverage.endpoints_not_compared.length, "endpoint")} with nothing compared`,
            ),
            h(
              "ul",
              { class: "plain" },
              coverage.endpoints_not_compared.slice(0, 1000).map((name) => h("li", {}, code(name))),
            ),
          ),
        extra.length > 0 &&
          plainTable(
            "Requests that the comparison itself made",
            ["What for", "Sent", "Answered", "Lost", "Waiting"],
            extra.map((one) => [
              visible(one.what),
              grouped(one.sent),
              grouped(one.answered),
              [
                grouped(total(one.lost)),
                Object.keys(one.lost).length > 0 &&
                  h(
                    "small",
                    {},
                    Object.entries(one.lost)
                      .map(([reason, count]) => `${visible(reason)} ${grouped(count)}`)
                      .join(", "),
                  ),
              ],
              grouped(one.waiting),
            ]),
            [1, 2, 3, 4],
          ),
      );
    },
  };
};
