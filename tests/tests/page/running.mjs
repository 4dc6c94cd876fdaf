// The live page of an agent that runs: traffic goes to the servers that it watches, and the page is looked at meanwhile.

import { execFile } from "node:child_process";
import { request } from "node:http";
import { connect } from "node:net";

/** What a hostile client can put into requests. */
const IMAGE = "<img src=x onerror=alert(1)>";
const SCRIPT = "</script><script>alert(1)</script>";
const IN_A_PATH = "%3Cscript%3Ealert(1)";
/** As the name of an endpoint has it. */
const IN_A_NAME = "GET /users/%3Cscript%3Ealert(1)/profile";

/** A row that says so. */
const NEW_500 = /201 →.*500/u;

/** Sends these bytes to `to` (`host:port`) and takes what comes until the end, or `wanted` of it. */
const send = (to, bytes, wanted) =>
  new Promise((done, fail) => {
    const [host, port] = to.split(":");
    const socket = connect({ host, port: Number(port) }, () => socket.write(bytes));
    let got = "";
    socket.setTimeout(20000, () => socket.destroy(new Error(`no answer to ${bytes.slice(0, 60)}`)));
    socket.on("data", (data) => {
      got += data;
      if (got.includes(wanted)) socket.end();
    });
    socket.on("end", () => done(got));
    socket.on("error", fail);
  });

/** An order from outside of any page: status and body. */
const order = (listen, path, headers) =>
  new Promise((done, fail) => {
    const [host, port] = listen.split(":");
    const asked = request({ host, port, path, method: "POST", headers }, (answer) => {
      let text = "";
      answer.on("data", (data) => (text += data));
      answer.on("end", () => done([answer.statusCode, text]));
    });
    asked.on("error", fail);
    asked.end();
  });

/**
 * `given`: the agent's port, its token and process id, the program, and the address of production. The agent is ended at the
 * end, while the page looks.
 */
export const running = async ({ browser, expect, wrong, shown, openAll, picture, audit, foreign }, given) => {
  const [listen, token, pid, program, production] = given;
  const origin = `http://${listen}`;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const place = "running";
  // A browser says each refusal in its console, whoever asked for it.
  const refusals = [];
  page.on("console", (message) => {
    if (!["error", "warning"].includes(message.type())) return;
    if (/^Failed to load resource: .* 401 \(Unauthorized\)$/u.test(message.text())) refusals.push(message.text());
    else wrong.push(`${place}: console: ${message.text()}`);
  });
  page.on("pageerror", (error) => wrong.push(`${place}: ${error}`));
  page.on("dialog", (dialog) => {
    wrong.push(`${place}: dialog ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (one) =>
    expect(one.url().startsWith(`${origin}/`) || one.url() === "data:,", `${place}: asked for ${one.url()}`),
  );
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      window.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });

  const load = (requests, rate) =>
    new Promise((done, fail) =>
      execFile(program, ["demo-load", "--to", production, "--requests", requests, "--rate", rate].map(String), (error) =>
        error ? fail(error) : done(),
      ),
    );
  /** How many requests were for the shadow, as the page has it. */
  const eligible = async () => {
    const text = await page.locator(".figures div", { hasText: "Coverage" }).innerText();
    return Number(/of ([\d,]+)/u.exec(text)[1].replaceAll(",", ""));
  };
  const until = async (what, holds) => {
    const end = Date.now() + 30000;
    while (!(await holds())) {
      if (Date.now() > end) {
        await picture(page, `${place} in vain`);
        throw new Error(`${place}: in vain: ${what}`);
      }
      await page.waitForTimeout(100);
    }
  };
  const says = (text) => page.locator(".result", { hasText: text }).waitFor({ timeout: 10000 });
  const press = (text) => page.locator("button", { hasText: text }).click();

  const answer = await page.goto(`${origin}/`);
  const policy = answer.headers()["content-security-policy"] ?? "";
  expect(/default-src 'none'.*frame-ancestors 'none'/u.test(policy), `${place}: policy ${policy}`);
  await page.locator("[role=status]", { hasText: "Live" }).first().waitFor({ timeout: 10000 });
  await page.locator("p.word", { hasText: "NOT ENOUGH DATA" }).waitFor({ timeout: 10000 });

  // Figures move while requests come.
  const loaded = load(2000, 300);
  await until("the first pairs", async () => (await eligible()) > 0);
  const first = await eligible();
  await until("more pairs", async () => (await eligible()) > first);
  expect(first < 2000, `${place}: nothing was seen before the load was over`);
  await loaded;
  await until("all pairs", async () => (await eligible()) === 2000);

  // What is wrong with the release is named.
  const row = (...texts) =>
    texts.reduce(
      (rows, text) => rows.filter({ hasText: text }),
      page.locator("table.data").first().locator("tbody tr:not(.detail)"),
    );
  for (const planted of [
    ["$.price.amount", "value", "GET /products/{id}"],
    ["header.cache-control", "missing", "GET /reports/{date}"],
    ["unreadable", "GET /reports/{date}"],
    ["$.addresses", "order", "GET /users/{uuid}/profile"],
    ["status", NEW_500, "POST /orders"],
  ])
    await until(`the difference ${planted}`, async () => (await row(...planted).count()) === 1);
  await until("what broke off", async () => (await page.getByText("upstream_closed").count()) > 0);
  for (const colorScheme of ["light", "dark"])
    for (const width of [320, 360, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await shown(page, `${place} ${width}`);
      await picture(page, `${place} ${colorScheme} ${width}`);
    }
  await page.emulateMedia({ colorScheme: "light" });
  await audit(page, place);

  // No order without the token, from the page or from elsewhere.
  await page.locator("summary", { hasText: "Commands to the agent" }).click();
  await press("Pause mirroring");
  await says("Type the token first.");
  await page.locator("input[type=password]").fill(`${token}x`);
  await press("Pause mirroring");
  await says("The agent refused: 401");
  expect(refusals.length === 1, `${place}: refusals ${refusals}`);
  for (const path of ["/pause", "/resume", "/compare/reset"]) {
    const [bare] = await order(listen, path, {});
    expect(bare === 401, `${place}: ${path} without a token: ${bare}`);
    const [other] = await order(listen, path, { Origin: "http://evil.example", Authorization: `Bearer ${token}` });
    expect(other === 403, `${place}: ${path} for another site's page: ${other}`);
  }
  await load(20, 200);
  await until("more pairs, as nothing is paused", async () => (await eligible()) === 2020);

  // With it, nothing is mirrored while it is paused.
  await page.locator("input[type=password]").fill(token);
  await press("Pause mirroring");
  await says("Mirroring is paused.");
  await load(50, 200);
  await press("Resume mirroring");
  await says("Mirroring resumed.");
  await load(30, 200);
  await until("pairs after the pause, and none of it", async () => (await eligible()) === 2050);
  await press("Reset the comparison");
  await press("Reset now");
  await says("The comparison was restarted.");
  await until("nothing", async () => (await eligible()) === 0);

  // Requests that attack whoever reads of them; the path is one that production serves, as others name no endpoint.
  const body = JSON.stringify({ quantity: 12, note: `${IMAGE} ${SCRIPT}`, [SCRIPT]: IMAGE });
  const order12 =
    `POST /orders?q='javascript:alert(1)' HTTP/1.1\r\nHost: ${SCRIPT.replaceAll("/", "")}\r\nUser-Agent: ${IMAGE}\r\n` +
    `X-Attack: ${SCRIPT}\r\nX-Reversed: user\u202egnp.exe\r\nContent-Type: application/json\r\nConnection: close\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  await send(production, order12, "\r\n\r\n{");
  await send(production, `GET /users/${IN_A_PATH}/profile HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, "\r\n\r\n");
  await until("the attack's difference", async () => (await row(NEW_500).count()) === 1);
  await until("the attack's endpoint", async () => (await page.locator("main").innerText()).includes(IN_A_NAME));
  await openAll(page);
  for (const [width, colorScheme] of [
    [1280, "light"],
    [360, "dark"],
  ]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    await shown(page, `${place} attacked ${width}`);
    await picture(page, `${place} attacked ${colorScheme} ${width}`);
  }
  await foreign(page, place, [IMAGE, SCRIPT, IN_A_NAME, "user⟨U+202E⟩gnp.exe"]);

  process.kill(Number(pid), "SIGTERM");
  await page.locator("[role=status]", { hasText: "The run has ended" }).first().waitFor({ timeout: 30000 });
  const stored = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
  expect(stored.join() === "0,0,", `${place}: the token is kept: ${stored}`);
  await shown(page, place);
  await context.close();
};
