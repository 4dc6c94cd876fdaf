// Endpoints: agreement and latency of each, sortable.

const SLOW_AT = { p50: "at the median", p90: "at p90", p99: "at p99", tail: "in the tail" };

const withInterval = (rate) => [percent(rate.share), rate.total > 0 && h("small", {}, between(rate, percent))];

/** Names of reasons, which may break behind an underscore. */
const reasonsOf = (counts) =>
  Object.keys(counts).map((reason, at) => [
    at > 0 && ", ",
    visible(reason)
      .split("_")
      .map((part, place) => (place === 0 ? part : ["_", h("wbr"), part])),
  ]);

/** The share of an endpoint's requests that something speaks against. */
const wrong = (row, failed) => {
  const asked = row.compared + failed;
  return asked > 0 ? (failed + row.agreement.total - row.agreement.count) / asked : 0;
};

const endpointsPart = () => {
  const failed = (row) => total(row.failed);
  const table = dataTable({
    caption: "Endpoints",
    noun: "endpoint",
    sorted: { at: 1, way: "descending" },
    key: (row) => row.name,
    text: (row) => row.name,
    columns: [
      { title: "Endpoint", head: true, sort: (row) => row.name, cell: (row) => code(row.name) },
      {
        title: "Wrong",
        numeric: true,
        sort: (row) => wrong(row, failed(row)) + (row.slower ? 1 : 0),
        cell: (row) => percent(wrong(row, failed(row))),
      },
      { title: "Compared", numeric: true, sort: (row) => row.compared, cell: (row) => grouped(row.compared) },
      {
        title: "Agreement",
        numeric: true,
        first: "ascending",
        sort: (row) => row.agreement.share,
        cell: (row) => withInterval(row.agreement),
      },
      {
        title: "Before noise",
        numeric: true,
        first: "ascending",
        sort: (row) => row.agreement_raw.share,
        cell: (row) => percent(row.agreement_raw.share),
      },
      { title: "New 5xx", numeric: true, sort: (row) => row.new_5xx.share, cell: (row) => withInterval(row.new_5xx) },
      {
        title: "Failed",
        numeric: true,
        sort: failed,
        cell: (row) => [
          grouped(failed(row)),
          failed(row) > 0 && h("small", { class: "reasons" }, reasonsOf(row.failed)),
        ],
      },
      {
        title: "Not compared",
        numeric: true,
        sort: (row) => row.not_compared,
        cell: (row) => grouped(row.not_compared),
      },
      {
        title: "p99 production",
        numeric: true,
        sort: (row) => row.production.p99.value,
        cell: (row) => (row.production.count > 0 ? duration(row.production.p99.value) : "–"),
      },
      {
        title: "p99 shadow",
        numeric: true,
        sort: (row) => row.shadow.p99.value,
        cell: (row) => (row.shadow.count > 0 ? duration(row.shadow.p99.value) : "–"),
      },
      {
        title: "p99 ratio",
        numeric: true,
        sort: (row) => (row.p99_ratio === null ? -1 : row.p99_ratio.value),
        cell: (row) =>
          [
            row.p99_ratio === null
              ? h("span", { class: "muted" }, "too few")
              : ratio(row.p99_ratio.value),
            row.slower && h("span", { class: "tag bad" }, "slower"),
            // The lowest quantile at which it is.
            ...(row.slow ?? [])
              .slice(0, 1)
              .map((slow) =>
                h(
                  "small",
                  {},
                  `${duration(slow.production.value)} → ${duration(slow.shadow.value)} ${SLOW_AT[slow.at]}`,
                ),
              ),
            row.p99_ratio !== null && h("small", {}, between(row.p99_ratio, ratio)),
          ],
      },
    ],
  });
  return { element: table.element, update: (comparison) => table.update(comparison.endpoints) };
};
