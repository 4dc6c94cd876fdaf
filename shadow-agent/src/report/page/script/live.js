// The page that follows a run: events with the document, and orders to the agent with a token.

/** At most one new drawing in this time: a page that is read must hold still. */
const REDRAW_MS = 1000;

const liveBar = (show) => {
  let paused = false;
  let waiting = null;
  let last = 0;
  let timer = 0;
  const state = h("span", { role: "status" }, "Connecting");
  const at = h("span", { class: "muted" });
  const result = h("p", { role: "status", class: "result" });
  const token = h("input", { type: "password", id: newId("token"), autocomplete: "off", spellcheck: "false" });

  const say = (text, look) => {
    if (state.textContent !== text) state.textContent = text;
    state.className = `badge ${look}`;
  };

  const draw = () => {
    clearTimeout(timer);
    if (waiting === null || paused || document.hidden) return;
    const left = last + REDRAW_MS - Date.now();
    if (left > 0) {
      timer = setTimeout(draw, left);
      return;
    }
    const text = waiting;
    [waiting, last] = [null, Date.now()];
    let next;
    try {
      next = JSON.parse(text);
    } catch {
      say("Not understood", "no-go");
      return;
    }
    at.replaceChildren("Figures of ", moment(next.made_at_ms));
    show(next);
  };

  const events = new EventSource("/report/events");
  events.addEventListener("open", () => say(paused ? "Page paused" : "Live", paused ? "unsure" : "go"));
  events.addEventListener("message", (event) => {
    waiting = event.data;
    draw();
  });
  let ended = false;
  events.addEventListener("end", () => {
    ended = true;
    events.close();
    say("The run has ended", "unsure");
  });
  events.addEventListener(
    "error",
    () =>
      !ended &&
      say(
        events.readyState === EventSource.CLOSED
          ? "Disconnected: reload the page"
          : "Connection lost, trying again",
        "no-go",
      ),
  );
  document.addEventListener("visibilitychange", draw);

  const hold = h("button", { type: "button" }, "Pause this page");
  hold.addEventListener("click", () => {
    paused = !paused;
    hold.textContent = paused ? "Resume this page" : "Pause this page";
    if (events.readyState === EventSource.OPEN) say(paused ? "Page paused" : "Live", paused ? "unsure" : "go");
    draw();
  });

  const order = async (path, done) => {
    if (token.value === "") {
      result.textContent = "Type the token first.";
      token.focus();
      return;
    }
    result.textContent = "Asking the agent.";
    try {
      const answer = await fetch(path, {
        method: "POST",
        headers: { Authorization: `Bearer ${token.value}` },
        credentials: "omit",
        redirect: "error",
      });
      result.textContent = answer.ok
        ? done
        : `The agent refused: ${answer.status} ${visible((await answer.text()).slice(0, 200))}`;
    } catch {
      result.textContent = "The agent did not respond.";
    }
  };
  const button = (text, press) => h("button", { type: "button", onclick: press }, text);

  const sure = h("span", { hidden: true });
  const reset = button("Reset the comparison", () => {
    sure.hidden = false;
    sure.querySelector("button").focus();
  });
  const asked = () => {
    sure.hidden = true;
    reset.focus();
  };
  sure.append(
    " All results so far are discarded. ",
    button("Reset now", () => {
      asked();
      order("/compare/reset", "The comparison was restarted.");
    }),
    " ",
    button("Cancel", asked),
  );

  return h(
    "section",
    { class: "live", "aria-label": "Live" },
    h("p", {}, state, " ", at, " ", hold),
    h(
      "details",
      {},
      h("summary", {}, "Commands to the agent"),
      h("p", { class: "field" }, h("label", { for: token.id }, "Token (of --http-token-file)"), token),
      h(
        "p",
        { class: "orders" },
        button("Pause mirroring", () => order("/pause", "Mirroring is paused.")),
        " ",
        button("Resume mirroring", () => order("/resume", "Mirroring resumed.")),
        " ",
        reset,
        sure,
      ),
      result,
    ),
  );
};
