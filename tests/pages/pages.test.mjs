/**
 * Tests the two pages of a running Foretold with the credit model, in Chromium:
 *
 *     FORETOLD_URL=http://127.0.0.1:8080 npm test
 *
 * CHROMIUM names another browser than /usr/bin/chromium, SCREENSHOTS a folder for pictures of the pages.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import axe from "axe-core";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const { FORETOLD_URL, SCREENSHOTS } = process.env;
assert.ok(FORETOLD_URL, "FORETOLD_URL is not set; expected the address of a running Foretold");
assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing; install it: sudo apt-get install chromium`);
const BASE = FORETOLD_URL.replace(/\/*$/, "/");
const run = promisify(execFile);

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox", // for a container whose user is root
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});
after(() => browser?.close());

/** A page in a fresh context. When the test ends, nothing may have left the origin or broken the policy. */
async function open(t, path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // Chromium notes every status from 400 on; those that are not meant fail the test by what the page shows.
    // Swagger UI takes the `_` of an operationId in the address for an old spelling of a space, and finds it all the same.
    const isHarmless = /^(Failed to load resource: the server responded|Deprecated: escaping deep link)/;
    if (!isHarmless.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(BASE)) complaints.push(request.url());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  await page.goto(BASE + path);
  return page;
}

async function openLanding(t, options) {
  const page = await open(t, "", options);
  await page.getByRole("button", { name: "Predict" }).waitFor();
  return page;
}

/** The docs with one endpoint opened. */
async function openDocs(t, options) {
  const page = await open(t, "docs", options);
  const operation = page.locator(".opblock", { has: page.locator('[data-path="/decisions"]') });
  await operation.getByRole("button", { expanded: false }).first().click();
  await operation.getByRole("button", { name: "Execute" }).waitFor();
  const cacheControl = operation.locator('tr[data-param-name="Cache-Control"] input');
  if (await cacheControl.count()) await cacheControl.fill("");
  return { page, operation };
}

/** A row that no other test has asked for, in all likelihood. */
const freshRow = () => ({
  installment_rate_in_percentage_of_disposable_income: Math.floor(Math.random() * 400) / 100,
  age_in_years: 18 + Math.floor(Math.random() * 110),
  foreign_worker: "no",
  present_employment_since: "... >= 7 years",
  personal_status_and_sex: "male: married/widowed",
});

async function fill(page, row) {
  await page.getByLabel("installment rate").fill(String(row.installment_rate_in_percentage_of_disposable_income));
  await page.getByLabel("age in years").fill(String(row.age_in_years));
  await page.getByLabel("foreign worker").selectOption(row.foreign_worker);
  await page.getByLabel("present employment since").selectOption(row.present_employment_since);
  await page.getByLabel("personal status and sex").selectOption(row.personal_status_and_sex);
}

/** What the page answers to the term, once it does. */
const answer = (page, term) => page.locator("dt", { hasText: term }).locator("+ dd").textContent();
const predict = async (page) => {
  const answered = page.waitForResponse(`${BASE}predictions`);
  await page.getByRole("button", { name: "Predict" }).click();
  return answered;
};
const badge = (page, verdict) => page.locator(".badge", { hasText: verdict }).waitFor();
const screenshot = async (page, name) => {
  if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
};
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/** No violation of WCAG's rules that axe calls serious or critical. */
async function assertAccessible(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const found = grave.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
  assert.deepEqual(found, []);
}

test("the form asks for a prediction: a miss, then a hit", async (t) => {
  const page = await openLanding(t);
  assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "credit");
  assert.equal(await page.getByLabel("age in years").inputValue(), "30", "examples are filled in");
  await fill(page, freshRow());
  await predict(page);
  await badge(page, "miss");
  assert.match(await answer(page, "decision"), /^(ACCEPT|DECLINE)$/);
  assert.match(await answer(page, "risk category"), /^(LOW|MEDIUM|HIGH)$/);
  const probability = await answer(page, "probability");
  assert.ok(probability >= 0 && probability <= 1, probability);
  assert.match(await answer(page, "time"), /^\d+\.\d ms .*lookup [\d.]+ ms, model [\d.]+ ms$/);
  await screenshot(page, "landing-miss");

  await predict(page);
  await badge(page, "hit");
  assert.match(await answer(page, "cache"), /^hit computed \d+ s ago, good for \d+ s more$/);
  assert.equal(await answer(page, "probability"), probability);
});

test("each wrong value has its message at its field", async (t) => {
  const page = await openLanding(t);
  const age = page.getByLabel("age in years");
  const rate = page.getByLabel("installment rate");
  const messageOf = async (input) => {
    const ids = (await input.getAttribute("aria-describedby")).split(" ");
    const texts = await Promise.all(ids.map((id) => page.locator(`#${id}.error`).allTextContents()));
    return texts.flat().join();
  };
  await age.fill("17");
  assert.equal((await predict(page)).status(), 422);
  await page.locator(".error:not(:empty)").waitFor();
  assert.equal(await messageOf(age), "age_in_years: expected an integer from 18 to 127, got 17");
  assert.equal(await age.getAttribute("aria-invalid"), "true");
  assert.ok(await age.evaluate((input) => input === document.activeElement), "the focus is on the wrong field");
  assert.equal(await page.locator(".answer").count(), 0, "no answer from before is shown");
  await screenshot(page, "landing-wrong-value");

  await rate.fill("");
  await age.fill("");
  await age.pressSequentially("1e");
  await predict(page);
  await page.locator(".error", { hasText: "is missing" }).waitFor();
  assert.match(await messageOf(rate), /is missing/);
  assert.match(await messageOf(age), /expected an integer from 18 to 127, got ""/, "what is no number is not left out");

  await fill(page, freshRow());
  await predict(page);
  await badge(page, "miss");
  assert.equal(await page.locator(".error:not(:empty)").count(), 0);
  assert.equal(await page.locator("[aria-invalid=true]").count(), 0);
});

test("other problems are said in an alert", async (t) => {
  const page = await openLanding(t);
  const alert = page.getByRole("alert");
  const refuse = (status, contentType, text) =>
    page.route("**/predictions", (route) => route.fulfill({ status, contentType, body: text }), { times: 1 });
  await refuse(503, "application/problem+json", JSON.stringify({ title: "Overloaded", detail: "too many at once" }));
  await predict(page);
  await alert.getByText("too many at once").waitFor();
  await refuse(502, "text/html", "<h1>Bad Gateway</h1>");
  await predict(page);
  await alert.getByText("502 Bad Gateway").waitFor();
  await predict(page);
  await page.locator(".badge").waitFor();
  assert.equal(await alert.textContent(), "");
});

test("every kind of field, and names with quotes in them", async (t) => {
  const page = await open(t, "openapi.json");
  const row = {
    type: "object",
    required: ["it's \"quoted\"", "open"],
    properties: {
      "it's \"quoted\"": { type: "string", enum: ["", "it's", "<b>"], examples: ["it's"] },
      open: { type: "boolean", examples: [false] },
      weight: { type: ["number", "null"], minimum: 0, maximum: 2.5 },
      constructor: { type: ["integer", "null"], examples: [7] },
    },
  };
  const document = { info: { title: "any", version: "1" }, components: { schemas: { Row: row } } };
  await page.route("**/openapi.json", (route) => route.fulfill({ json: document }));
  await page.route("**/predictions", (route) => route.fulfill({ json: { sent: route.request().postData() } }));
  await page.goto(BASE);
  await predict(page);
  const sent = async () => JSON.parse(await answer(page, "sent"));
  assert.deepEqual(await sent(), { "it's \"quoted\"": "it's", open: false, constructor: 7 });
  await page.getByLabel("open").selectOption("true");
  await page.getByLabel("it's").selectOption({ index: 0 });
  await page.getByLabel("weight").fill("0.5");
  await page.getByLabel("constructor").fill("");
  await predict(page);
  const expected = { "it's \"quoted\"": "", open: true, weight: 0.5 };
  await page.getByText('"weight":0.5}', { exact: false }).first().waitFor();
  assert.deepEqual(await sent(), expected);

  const words = (await page.locator("#curl").textContent()).replace(/^curl/, "printf '%s\\n'");
  const { stdout } = await run("sh", ["-c", words]);
  assert.deepEqual(JSON.parse(stdout.trim().split("\n").at(-1)), expected);
  const [, literal] = /row = (\{.*?\n\})/s.exec(await page.locator("#python").textContent());
  const python = await run("python3", ["-c", `import json; print(json.dumps(${literal}))`]);
  assert.deepEqual(JSON.parse(python.stdout), expected);
});

test("the copied curl line works", async (t) => {
  const page = await openLanding(t);
  await fill(page, freshRow());
  await page.getByRole("button", { name: "Copy the curl line" }).click();
  await page.getByText("Copied.").waitFor();
  const line = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(line.includes(`${BASE}predictions`), line);
  const { stdout } = await run("sh", ["-c", line]);
  assert.match(stdout, /^HTTP\/1\.1 200 OK/);
  assert.match(stdout, /^cache-status: foretold; fwd=miss/im);
  await predict(page);
  await badge(page, "hit");
  assert.equal(JSON.parse(stdout.split("\r\n\r\n")[1]).probability, Number(await answer(page, "probability")));
});

test("the keyboard is enough", async (t) => {
  const page = await openLanding(t);
  const reach = async (locator) => {
    for (let i = 0; i < 30; i += 1) {
      await page.keyboard.press("Tab");
      if (await locator.evaluate((element) => element === document.activeElement)) return;
    }
    assert.fail("not reached with Tab");
  };
  const age = page.getByLabel("age in years");
  await reach(age);
  await page.keyboard.press("ArrowUp");
  assert.equal(await age.inputValue(), "31");
  await page.keyboard.press("Enter");
  await page.locator(".badge").waitFor();
  await reach(page.getByRole("button", { name: "Copy the curl line" }));
  await page.keyboard.press("Space");
  await page.getByText("Copied.").waitFor();
});

test("a phone's width is enough", async (t) => {
  const viewport = { width: 320, height: 640 };
  const page = await openLanding(t, { viewport });
  await predict(page);
  await page.locator(".badge").waitFor();
  assert.equal(await overflow(page), 0);
  await screenshot(page, "landing-phone");

  const { page: docs, operation } = await openDocs(t, { viewport });
  await operation.getByRole("button", { name: "Execute" }).click();
  await docs.locator("#last strong").waitFor();
  await operation.locator(".live-responses-table").waitFor();
  assert.equal(await overflow(docs), 0);
  await screenshot(docs, "docs-phone");
});

test("without JavaScript it says where to go", async (t) => {
  for (const path of ["", "docs"]) {
    const page = await open(t, path, { javaScriptEnabled: false });
    const text = page.locator("noscript p");
    await text.waitFor({ timeout: 5_000 });
    assert.match(await text.textContent(), /needs JavaScript/);
    assert.equal(await text.locator('a[href="openapi.json"]').count(), 1);
  }
});

test("the API page tries an endpoint, and says hit or miss", async (t) => {
  const { page, operation } = await openDocs(t);
  await operation.getByLabel("Request body").fill(JSON.stringify(freshRow()));
  const execute = operation.getByRole("button", { name: "Execute" });
  await execute.click();
  const last = page.locator("header").getByRole("status");
  await last.getByText("miss", { exact: true }).waitFor();
  assert.match(await last.textContent(), /^miss .*\/decisions: \d+\.\d ms \(foretold; fwd=miss; stored\)$/);
  const response = operation.locator(".live-responses-table");
  await response.getByText(/ACCEPT|DECLINE/).first().waitFor();
  assert.match(await response.textContent(), /cache-status: foretold; fwd=miss; stored/);
  await execute.click();
  await last.getByText("hit", { exact: true }).waitFor();
  await response.getByText("cache-status: foretold; hit").waitFor();
  await screenshot(page, "docs-hit");
  assert.match(page.url(), /#\/predictions\/\w+$/, "the address leads to the operation");
  await page.reload();
  await page.getByRole("button", { name: "Execute" }).waitFor();
});

for (const colorScheme of ["light", "dark"]) {
  const isDark = (page) =>
    page.evaluate(() => {
      const ground = [document.body, document.documentElement].map((element) => getComputedStyle(element).backgroundColor);
      const [red] = /\d+/.exec(ground.find((colour) => colour !== "rgba(0, 0, 0, 0)") ?? "255");
      return Number(red) < 128;
    });

  test(`the landing page is accessible, ${colorScheme}`, async (t) => {
    const page = await openLanding(t, { colorScheme, reducedMotion: "reduce" });
    assert.equal(await isDark(page), colorScheme === "dark");
    await predict(page);
    await page.locator(".badge").waitFor();
    await assertAccessible(page);
    await screenshot(page, `landing-${colorScheme}`);
    await page.getByLabel("age in years").fill("17");
    await predict(page);
    await page.locator("[aria-invalid=true]").waitFor();
    await assertAccessible(page);
  });

  test(`the API page is accessible, ${colorScheme}`, async (t) => {
    const { page, operation } = await openDocs(t, { colorScheme, reducedMotion: "reduce" });
    assert.equal(await isDark(page), colorScheme === "dark");
    await operation.getByRole("button", { name: "Execute" }).click();
    await operation.locator(".live-responses-table").waitFor();
    await page.locator(".opblock-get .opblock-summary-control").first().click();
    await page.locator(".opblock-get").getByRole("button", { name: "Execute" }).waitFor();
    await assertAccessible(page);
    await screenshot(page, `docs-${colorScheme}`);
  });
}
