// How long both sides took, and what they did over time.

const latencyPart = () => {
  const holder = h("div", {});
  return {
    element: holder,
    update: ({ production_latency: production, shadow_latency: shadow, p99_ratio, copy_delay: delay }) => {
      const quantile = (interval) => [duration(interval.value), h("small", {}, between(interval, duration))];
      const row = (name, quantiles) => [
        name,
        grouped(quantiles.count),
        ...(quantiles.count > 0 ? [quantiles.p50, quantiles.p95, quantiles.p99].map(quantile) : ["–", "–", "–"]),
      ];
      refill(
        holder,
        latencyChart(production, shadow),
        plainTable(
          "Latencies from the request's last byte, with 95% intervals",
          ["Side", "Answers", "p50", "p95", "p99"],
          [
            row("Production, to the last byte", production.last),
            row("Shadow, to the last byte", shadow.last),
            row("Production, to the first byte", production.first),
            row("Shadow, to the first byte", shadow.first),
          ],
          [1, 2, 3, 4],
        ),
        p99_ratio.value > 0
          ? h(
              "p",
              {},
              "The shadow's 99th percentile is ",
              h("b", {}, ratio(p99_ratio.value)),
              ` production's (${between(p99_ratio, ratio)}).`,
            )
          : h("p", { class: "muted" }, "The 99th percentiles cannot be compared yet."),
        delay &&
          h(
            "p",
            {},
            `Copies were sent ${duration(delay.p50_us)} (p50), ${duration(delay.p99_us)} (p99) and at most `,
            `${duration(delay.max_us)} later than production's requests.`,
          ),
      );
    },
  };
};

const timePart = () => {
  const holder = h("div", {});
  const table = h("div", {});
  // Opened, it stays so while the page goes on.
  const figures = h("details", {}, h("summary", {}, "These figures as a table"), table);
  return {
    element: h("div", {}, holder, figures),
    update: ({ timeline }) => {
      const seconds = timeline.step_ms / 1000 || 1;
      const perSecond = (count) => Number((count / seconds).toPrecision(3));
      const peak = timeline.steps.reduce((most, step) => Math.max(most, step.production), 0);
      const sum = (of) => timeline.steps.reduce((all, step) => all + of(step), 0);
      refill(
        holder,
        timeChart(
          "Responses per second",
          `In steps of ${lasted(timeline.step_ms)}. At most ${perSecond(peak)} a second in production; ${counted(
            sum((step) => step.production),
            "answer",
          )} of production in all, ${counted(
            sum((step) => step.shadow),
            "answer",
          )} of the shadow.`,
          timeline,
          [
            ["production", "Production", (step) => step.production / seconds],
            ["shadow", "Shadow", (step) => step.shadow / seconds],
          ],
          (value) =>
            grouping.format(value) === "0" || value % 1 === 0 ? grouped(value) : String(Number(value.toPrecision(2))),
        ),
        timeChart(
          "Failures and 5xx",
          `${counted(
            sum((step) => step.failed),
            "request",
          )} that the shadow failed to answer, ${counted(
            sum((step) => step.shadow_5xx),
            "5xx of the shadow",
            "5xx of the shadow",
          )}, ${counted(
            sum((step) => step.production_5xx),
            "5xx of production",
            "5xx of production",
          )}.`,
          timeline,
          [
            ["production", "Production 5xx", (step) => step.production_5xx],
            ["shadow", "Shadow 5xx", (step) => step.shadow_5xx],
            ["failed", "Shadow failed", (step) => step.failed],
          ],
          (value) => (value % 1 === 0 ? grouped(value) : String(value)),
        ),
      );
      figures.hidden = timeline.steps.length === 0;
      refill(
        table,
        plainTable(
          `Counts in steps of ${lasted(timeline.step_ms)}`,
          ["From", "Production", "Shadow", "Failed", "Differ, noise included", "Production 5xx", "Shadow 5xx"],
          timeline.steps
            .slice(0, 1000)
            .map((step, at) => [
              moment(timeline.from_ms + at * timeline.step_ms),
              ...[
                step.production,
                step.shadow,
                step.failed,
                step.different,
                step.production_5xx,
                step.shadow_5xx,
              ].map(grouped),
            ]),
          [1, 2, 3, 4, 5, 6],
        ),
      );
    },
  };
};
