// What is done with the report's pages in a browser. Called with the folder of the npm packages, the browser, the name of a
// check and the pages; ends with 1 and says what was wrong, or prints figures.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { running } from "./running.mjs";

const [modules, executablePath, name, ...pages] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const wrong = [];
const expect = (holds, says) => {
  if (!holds) wrong.push(says);
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

/** Opens a page and has everything noted down that no report may do. */
const open = async (file, { width = 1280, height = 900, colorScheme = "light", ...more } = {}) => {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, ...more });
  const page = await context.newPage();
  const place = `${basename(file)} ${colorScheme} ${width}`;
  page.on(
    "console",
    (message) => ["error", "warning"].includes(message.type()) && wrong.push(`${place}: console: ${message.text()}`),
  );
  page.on("pageerror", (error) => wrong.push(`${place}: ${error}`));
  page.on("dialog", (dialog) => {
    wrong.push(`${place}: dialog ${dialog.message()}`);
    dialog.dismiss();
  });
  const url = pathToFileURL(file).href;
  page.on("request", (request) =>
    expect(request.url() === url || request.url() === "data:,", `${place}: asked for ${request.url()}`),
  );
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      window.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  await page.goto(url);
  return { page, place, context };
};

const shown = async (page, place) => {
  const violations = await page.evaluate(() => window.violations);
  expect(violations.length === 0, `${place}: policy violated: ${violations}`);
  const [inner, outer, widest] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const right = (element) => element.getBoundingClientRect().right + scrollX;
    const reaching = [...document.body.querySelectorAll("*")].filter((element) => right(element) >= scrollWidth - 1);
    const path = [];
    for (let at = reaching.at(-1); at; at = at.parentElement) path.unshift([at.localName, ...at.classList].join("."));
    return [scrollWidth, clientWidth, path.join(" > ")];
  });
  expect(inner <= outer, `${place}: scrolls sideways: ${inner} > ${outer}, for ${widest}`);
};

const openAll = (page) =>
  page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const opener of document.querySelectorAll(".opener[aria-expanded=false]")) opener.click();
    for (const details of document.querySelectorAll("details")) details.open = true;
  });

const picture = async (page, place) => {
  const folder = process.env.SHADOW_AGENT_PAGES;
  if (folder) await page.screenshot({ path: `${folder}/${place.replaceAll(" ", "-")}.png`, fullPage: true });
};

const audit = async (page, place) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, help, nodes } of violations)
    wrong.push(`${place}: ${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`)}`);
};

/** Looks for what traffic could have made of the page: nothing but text, in which these attacks are to be read. */
const foreign = async (page, place, attacks) => {
  const found = await page.evaluate(() => {
    const inside = document.querySelector("main");
    return {
      text: document.body.innerText,
      strangers: [
        ...inside.querySelectorAll("script, img, iframe, object, embed, style, link, form, base, meta"),
      ].map((one) => one.outerHTML),
      handlers: [...document.querySelectorAll("*")].filter((one) =>
        [...one.attributes].some((attribute) => attribute.name.startsWith("on")),
      ).length,
      links: [...inside.querySelectorAll("[href], [src]")]
        .map((one) => one.getAttribute("href") || one.getAttribute("src"))
        .filter((to) => !to.startsWith("#")),
      hidden: [...inside.querySelectorAll("*")]
        .flatMap((one) => [...one.childNodes])
        .filter(
          (node) =>
            node.nodeType === 3 && /[\u0000-\u0008\u000b-\u001f\u200b-\u200f\u2028-\u202e\ufeff]/u.test(node.data),
        )
        .map((node) => node.data),
    };
  });
  expect(found.strangers.length === 0, `${place}: elements of traffic: ${found.strangers}`);
  expect(found.handlers === 0, `${place}: handlers in attributes`);
  expect(found.links.length === 0, `${place}: links of traffic: ${found.links}`);
  expect(found.hidden.length === 0, `${place}: hidden characters: ${JSON.stringify(found.hidden.slice(0, 3))}`);
  const missing = attacks.filter((attack) => !found.text.includes(attack));
  expect(missing.length === 0, `${place}: not shown as text: ${missing}`);
};

/** Attacks of the documents, as they read. */
const ATTACKS = [
  "<img src=x onerror=alert(1)>",
  "</script><script>alert(1)</script>",
  "user⟨U+202E⟩gnp.exe",
  "⟨U+001B⟩[31m",
];

const checks = {
  async looks() {
    for (const file of pages)
      for (const colorScheme of ["light", "dark"])
        for (const width of [320, 360, 1280]) {
          const { page, place, context } = await open(file, { width, colorScheme, reducedMotion: "reduce" });
          await shown(page, place);
          if (file.endsWith("one.html")) {
            // Endpoint and values of each difference are seen without scrolling sideways.
            const cut = await page.evaluate(() => {
              const table = [...document.querySelectorAll("table")].find((one) => one.caption.innerText.includes("Differences between"));
              const seen = (text, row) =>
                [...row.querySelectorAll("code")].some((one) => {
                  const { left, right, width } = one.getBoundingClientRect();
                  return one.innerText === text && width > 0 && left >= 0 && right <= innerWidth;
                });
              const rows = [...table.tBodies[0].rows].filter((row) => row.innerText.includes("$.price"));
              return rows.filter((row) => !["GET /items/{id}", "9.99", "10.99"].every((text) => seen(text, row))).length + (rows.length === 0);
            });
            expect(cut === 0, `${place}: a row hides endpoint or values`);
          }
          await picture(page, place);
          await openAll(page);
          await shown(page, `${place} opened`);
          await picture(page, `${place} opened`);
          await context.close();
        }
  },

  async attacks() {
    for (const file of pages)
      for (const width of [360, 1280]) {
        const { page, place, context } = await open(file, { width });
        await openAll(page);
        await shown(page, place);
        await picture(page, place);
        const attacks = [...ATTACKS];
        if (!file.includes("two")) attacks.push("__proto__");
        await foreign(page, place, attacks);
        await context.close();
      }
  },

  async keyboard() {
    const { page, place } = await open(pages[0]);
    const active = () => page.evaluate(() => document.activeElement.textContent.trim());
    await page.keyboard.press("Tab");
    expect((await active()) === "Skip to the report", `${place}: the first stop is ${await active()}`);
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement.id === "main"), `${place}: the skip link does not skip`);

    // Every stop can be seen, and the way ends.
    let stops = 0;
    const order = [];
    for (; stops < 300; stops++) {
      await page.keyboard.press("Tab");
      const stop = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === document.body) return null;
        const style = getComputedStyle(element);
        return {
          name: element.getAttribute("aria-label") || element.textContent.trim() || element.id,
          outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
        };
      });
      if (stop === null) break;
      order.push(stop.name);
      expect(stop.outlined, `${place}: the focus on ${stop.name} cannot be seen`);
    }
    expect(stops > 20 && stops < 300, `${place}: ${stops} stops by Tab`);

    // Sorting.
    const table = page.locator("table", { hasText: "Differences between" }).first();
    const first = () => table.locator("tbody th").first().innerText();
    const header = (text) => table.locator("thead button", { hasText: text });
    await header("Where").focus();
    await page.keyboard.press("Enter");
    expect((await first()).startsWith("$.price"), `${place}: sorted by where: ${await first()}`);
    expect((await table.locator("[aria-sort=ascending]").innerText()).startsWith("Where"), `${place}: aria-sort`);
    await page.keyboard.press("Space");
    expect((await first()).startsWith("status"), `${place}: sorted the other way: ${await first()}`);
    expect((await active()).startsWith("Where"), `${place}: sorting lost the focus`);

    // What is noise, by the arrows of a group of radio buttons.
    await page.locator("input[type=radio]").first().focus();
    await page.keyboard.press("ArrowRight");
    expect((await table.locator("tbody tr:not(.detail)").count()) === 2, `${place}: noise is not apart`);
    // Past what is excused: nothing is.
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    expect((await table.locator("tbody tr:not(.detail)").count()) === 7, `${place}: not all are shown`);

    // Filtering, said where a screen reader hears it.
    await page.locator("input[type=search]").first().focus();
    await page.keyboard.type("CACHE-control");
    await page.locator(".said", { hasText: "1 of 7 differences" }).waitFor({ timeout: 5000 });
    expect((await table.locator("tbody tr:not(.detail)").count()) === 1, `${place}: the filter`);

    // Opening an example.
    await table.locator(".opener").focus();
    await page.keyboard.press("Enter");
    expect((await table.locator(".opener").getAttribute("aria-expanded")) === "true", `${place}: not opened`);
    const diff = table.locator("table.diff").first();
    expect(
      (await diff.locator("del").first().innerText()).includes("Cache-Control: max-age=60"),
      `${place}: nothing is marked as gone`,
    );
    const ins = await diff.locator("ins").allInnerTexts();
    expect(ins.join() === "10", `${place}: what is marked as come: ${ins}`);
    expect((await diff.locator(".sign.ins").first().textContent()).includes("only shadow"), `${place}: colour alone`);
    await page.keyboard.press("Enter");
    expect((await table.locator("table.diff").count()) === 0, `${place}: not closed`);
    await shown(page, place);
  },

  async accessible() {
    for (const file of pages)
      for (const colorScheme of ["light", "dark"])
        for (const width of colorScheme === "light" ? [360, 1280] : [1280]) {
          const { page, place, context } = await open(file, { width, colorScheme });
          await openAll(page);
          await audit(page, place);
          const found = await page.evaluate(() => ({
            levels: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((one) => Number(one.tagName[1])),
            landmarks: ["header", "main", "nav"].filter((one) => !document.querySelector(one)),
            uncaptioned: [...document.querySelectorAll("table")].filter((one) => !one.caption).length,
            unscoped: [...document.querySelectorAll("th")].filter((one) => !one.scope && one.textContent !== "").length,
            unnamed: [...document.querySelectorAll("svg[role=img]")].filter(
              (one) => !one.querySelector("title") || !one.querySelector("desc"),
            ).length,
          }));
          expect(
            found.levels[0] === 1 && found.levels.every((level, at) => at === 0 || level <= found.levels[at - 1] + 1),
            `${place}: headings ${found.levels}`,
          );
          expect(
            found.landmarks.every((one) => one === "nav" && file.includes("two")),
            `${place}: no ${found.landmarks}`,
          );
          expect(found.uncaptioned === 0, `${place}: tables without caption`);
          expect(found.unscoped === 0, `${place}: headers without scope`);
          expect(found.unnamed === 0, `${place}: drawings without name`);
          await context.close();
        }
  },

  async large() {
    const { page, place } = await open(pages[0]);
    const painted = await page.evaluate(
      () =>
        new Promise((done) =>
          new PerformanceObserver((list) => done(list.getEntriesByName("first-contentful-paint")[0].startTime)).observe(
            { type: "paint", buffered: true },
          ),
        ),
    );
    const made = await page.evaluate(() => performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd);
    // The least of three: the machine has other things to do as well.
    const sort = async (text) =>
      page.evaluate((text) => {
        const button = [...document.querySelectorAll("thead button")].find((one) => one.textContent.startsWith(text));
        const took = Array.from({ length: 3 }, () => {
          const begin = performance.now();
          button.click();
          document.body.offsetHeight;
          return performance.now() - begin;
        });
        return Math.round(Math.min(...took));
      }, text);
    const sorted = {
      Where: await sort("Where"),
      Pairs: await sort("Pairs"),
      Endpoint: await sort("Endpoint"),
      "First seen": await sort("First seen"),
    };
    console.log(
      `first paint ${painted.toFixed(0)} ms, all made ${made.toFixed(0)} ms, sorted ${JSON.stringify(sorted)}`,
    );
    expect(painted < 1000, `${place}: first paint after ${painted} ms`);
    expect(made < 3000, `${place}: all made after ${made} ms`);
    for (const [column, took] of Object.entries(sorted))
      expect(took < 200, `${place}: sorting by ${column} took ${took} ms`);

    expect(
      (await page.locator("table.data").first().locator("tbody tr:not(.detail)").count()) === 100,
      `${place}: not 100 rows`,
    );
    await page.locator("button.more").first().click();
    expect(
      (await page.locator("table.data").first().locator("tbody tr:not(.detail)").count()) === 200,
      `${place}: not 200 rows`,
    );
    await page.locator("input[type=search]").first().fill("field_9999");
    await page.locator(".said", { hasText: "1 of 10,000 differences" }).waitFor({ timeout: 5000 });
    await shown(page, place);
    await picture(page, place);
  },

  async live() {
    const [file, policy, ...documents] = pages.map((path) => readFileSync(path, "utf8"));
    const orders = [];
    let stream = null;
    let streams = 0;
    const server = createServer((request, response) => {
      if (request.url === "/report/events") {
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        stream = response;
        streams++;
        stream.write(`retry: 100\n\ndata: ${documents[0]}\n\n`);
      } else if (request.method === "POST") {
        orders.push(`${request.url} ${request.headers.authorization}`);
        response.writeHead(request.headers.authorization === "Bearer right" ? 200 : 401).end("no such token");
      } else {
        response
          .writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy })
          .end(file);
      }
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    const origin = `http://127.0.0.1:${server.address().port}`;
    const context = await browser.newContext({ viewport: { width: 360, height: 800 } });
    const page = await context.newPage();
    const place = "live";
    page.on("pageerror", (error) => wrong.push(`${place}: ${error}`));
    page.on("request", (request) =>
      expect(request.url().startsWith(origin) || request.url() === "data:,", `${place}: asked for ${request.url()}`),
    );
    await page.addInitScript(() => {
      window.violations = [];
      document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
    });
    await page.goto(`${origin}/`);
    const word = (text) => page.locator("p.word", { hasText: text }).waitFor({ timeout: 10000 });
    const status = (text) => page.locator("[role=status]", { hasText: text }).first().waitFor({ timeout: 10000 });
    await word("NO-GO");
    await status("Live");
    expect((await page.title()).startsWith("NO-GO"), `${place}: title ${await page.title()}`);

    // What somebody has opened, sorted and filtered stays so through an update.
    const table = page.locator("table.data").first();
    await table.locator("thead button", { hasText: "Where" }).click();
    await page.locator("input[type=search]").first().fill("items");
    await page.locator(".said", { hasText: "2 of 7" }).waitFor({ timeout: 5000 });
    await table.locator(".opener").nth(1).click();
    await table.locator("article summary", { hasText: "The request" }).first().click();
    await page.locator("summary", { hasText: "These figures as a table" }).click();
    await table.locator(".opener").nth(1).focus();
    // The table of endpoints, which a phone has no room for.
    const sideways = () => page.locator(".scroll", { has: page.locator("table.data") }).nth(1);
    await sideways().evaluate((one) => (one.scrollLeft = 50));
    stream.write(`data: ${documents[1]}\n\n`);
    await page.locator("p.word.go").waitFor({ timeout: 10000 });
    expect((await page.locator("input[type=search]").first().inputValue()) === "items", `${place}: the filter went`);
    expect((await table.locator("[aria-sort=ascending]").innerText()).startsWith("Where"), `${place}: the order went`);
    const kept = await page.evaluate(() => [
      document.activeElement.className,
      document.activeElement.getAttribute("aria-expanded"),
    ]);
    expect(kept.join() === "opener,true", `${place}: what was opened: ${kept}`);
    const opened = await page.locator("details[open] > summary").allInnerTexts();
    expect(opened.join() === "The request,These figures as a table", `${place}: still open: ${opened}`);
    expect((await sideways().evaluate((one) => one.scrollLeft)) === 50, `${place}: scrolled back`);

    // The page holds still while it is paused, and has the newest when it goes on.
    await page.locator("button", { hasText: "Pause this page" }).click();
    stream.write(`data: ${documents[0]}\n\n`);
    await status("Page paused");
    expect((await page.locator("p.word.go").count()) === 1, `${place}: drawn although paused`);
    await page.locator("button", { hasText: "Resume this page" }).click();
    await page.locator("p.word.no-go").waitFor({ timeout: 10000 });

    // Orders.
    await page.locator("summary", { hasText: "Commands to the agent" }).click();
    await page.locator("button", { hasText: "Pause mirroring" }).click();
    await page.locator(".result", { hasText: "Type the token first." }).waitFor({ timeout: 5000 });
    await page.locator("input[type=password]").fill("wrong");
    await page.locator("button", { hasText: "Pause mirroring" }).click();
    await page.locator(".result", { hasText: "The agent refused: 401 no such token" }).waitFor({ timeout: 5000 });
    await page.locator("input[type=password]").fill("right");
    await page.locator("button", { hasText: "Resume mirroring" }).click();
    await page.locator(".result", { hasText: "Mirroring resumed." }).waitFor({ timeout: 5000 });
    await page.locator("button", { hasText: "Reset the comparison" }).click();
    await page.locator("button", { hasText: "Cancel" }).click();
    await page.locator("button", { hasText: "Reset the comparison" }).click();
    await page.locator("button", { hasText: "Reset now" }).click();
    await page.locator(".result", { hasText: "The comparison was restarted." }).waitFor({ timeout: 5000 });
    expect(
      orders.join() === "/pause Bearer wrong,/resume Bearer right,/compare/reset Bearer right",
      `${place}: orders ${orders}`,
    );
    const stored = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
    expect(stored.join() === "0,0,", `${place}: the token is kept: ${stored}`);
    // A connection that ends is said.
    stream.end();
    await status("Connection lost, trying again");
    await status("Live");

    // So is the end of the run, after which nothing is asked for any more.
    const before = streams;
    stream.end("event: end\ndata: the run has ended\n\n");
    await status("The run has ended");
    await audit(page, place);
    await shown(page, place);
    await picture(page, place);
    expect(streams === before, `${place}: asked again after the end`);
    await context.close();
    server.closeAllConnections();
    server.close();
  },

  running: () => running({ browser, expect, wrong, shown, openAll, picture, audit, foreign }, pages),

  // The page's own comparison of lines, called as it is.
  async lines() {
    const { align, alignHeads, inOtherOrder, ownPart } = new Function(
      `${readFileSync(pages[0], "utf8")}; return { align, alignHeads, inOtherOrder, ownPart };`,
    )();
    const is = (found, wanted, says) =>
      expect(JSON.stringify(found) === JSON.stringify(wanted), `${says}: ${JSON.stringify(found).slice(0, 300)}`);
    is(
      align(["a", "b"], ["a", "b"]),
      [
        ["a", "a", true],
        ["b", "b", true],
      ],
      "equal lines",
    );
    is(
      align(["a", "x", "c"], ["a", "y", "c"]),
      [
        ["a", "a", true],
        ["x", "y", false],
        ["c", "c", true],
      ],
      "a changed line",
    );
    is(
      align(["a", "b", "c"], ["a", "c"]),
      [
        ["a", "a", true],
        ["b", null, false],
        ["c", "c", true],
      ],
      "a line gone",
    );
    is(align([], ["a"]), [[null, "a", false]], "a line come");
    is(
      align(["1", "k", "2", "l"], ["k", "3", "l", "4"]),
      [
        ["1", null, false],
        ["k", "k", true],
        ["2", "3", false],
        ["l", "l", true],
        [null, "4", false],
      ],
      "both",
    );
    is(ownPart('"price": 9.99,', '"price": 10.99,'), ['"price": ', "9", ".99,"], "what is its own");
    is(ownPart("aaa", "aa"), ["aa", "a", ""], "what is its own of a repetition");

    // Fields of heads have no order, and their names no case; both sides stay as they were written.
    const heads = [
      ["HTTP/1.1 200 OK", "Content-Type: a", "Set-Cookie: x=1", "Set-Cookie: y=2", "X-Gone: 1", "Vary: b"],
      ["HTTP/1.1 200 OK", "vary: b", "Set-Cookie: y=2", "set-cookie: z=3", "content-type:  a", "X-New: 2"],
    ];
    is(
      alignHeads(...heads),
      [
        ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", true],
        ["Content-Type: a", "content-type:  a", true],
        ["Set-Cookie: x=1", "set-cookie: z=3", false],
        ["Set-Cookie: y=2", "Set-Cookie: y=2", true],
        ["X-Gone: 1", null, false],
        ["Vary: b", "vary: b", true],
        [null, "X-New: 2", false],
      ],
      "fields in another order",
    );
    is([inOtherOrder(...heads), inOtherOrder(heads[0], heads[0])], [true, false], "another order is told");

    // Whatever the lines, each stands in the result once and in order.
    let seed = 1;
    const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
    for (let round = 0; round < 500; round++) {
      const lines = () => Array.from({ length: random(12) }, () => "abc"[random(3)]);
      const [left, right] = [lines(), lines()];
      const pairs = align(left, right);
      const of = (side, pairs) => pairs.map((pair) => pair[side]).filter((line) => line !== null);
      is([of(0, pairs), of(1, pairs)], [left, right], `round ${round}`);
      const fields = alignHeads(left, right);
      const sorted = [[...of(0, fields)].sort(), [...of(1, fields)].sort()];
      is(sorted, [[...left].sort(), [...right].sort()], `round ${round} of fields`);
      expect(
        pairs.every(([a, b, same]) => same === (a === b && a !== null) || !same),
        `round ${round}: same`,
      );
    }

    // A hostile text costs no more than its length.
    const begin = performance.now();
    align(
      Array.from({ length: 60000 }, (_, at) => `${at}`),
      Array.from({ length: 60000 }, (_, at) => `${at + 1}`),
    );
    const took = performance.now() - begin;
    expect(took < 2000, `60,000 lines took ${took} ms`);
  },

  async without_script() {
    const { page, place } = await open(pages[0], { javaScriptEnabled: false });
    const text = await page.locator("body").innerText();
    for (const wanted of ["NO-GO", "New 5xx: 0.31% of pairs", "98.59% (", "Coverage", "p99"])
      expect(text.includes(wanted), `${place}: no ${wanted}`);
    await picture(page, `${place} no script`);
  },
};

try {
  await checks[name]();
} finally {
  await browser.close();
}
for (const one of wrong) console.log(one);
process.exitCode = wrong.length === 0 ? 0 : 1;
