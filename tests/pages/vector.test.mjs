/**
 * Tests the form of a running Foretold with the model in tests/reports/vector, in Chromium:
 *
 *     FORETOLD_URL=http://127.0.0.1:8080 npm run test-vector
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import { chromium } from "playwright-core";

const { CHROMIUM = "/usr/bin/chromium", FORETOLD_URL } = process.env;

test("a vector is entered as an array", async (t) => {
  const options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: options });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(FORETOLD_URL);
  const predict = async () => {
    const answered = page.waitForResponse((response) => response.url().endsWith("/predictions"));
    await page.getByRole("button", { name: "Predict" }).click();
    return (await answered).status();
  };
  const field = page.getByLabel("num");
  assert.equal(await field.inputValue(), "[1,2,3.5]", "the example is filled in");
  assert.match(await page.locator(".hint").first().textContent(), /A JSON array of 3 numbers from -5 to 5\./);
  assert.equal(await predict(), 200);
  await page.locator(".badge", { hasText: "miss" }).waitFor();
  await field.fill("[1, 2, 3.50]");
  assert.equal(await predict(), 200);
  await page.locator(".badge", { hasText: "hit" }).waitFor();
  assert.match(await page.locator("#python").textContent(), /"num": \[1, 2, 3\.5\],/);
  for (const [entered, expected] of [
    ["[1, 9, 2]", "num[1]: expected a number from -5 to 5, got 9"],
    ["[1, 2]", "num: expected an array of 3 elements, each a number from -5 to 5, got 2 elements"],
    ["1, 2, 3", 'num: expected an array of 3 elements, each a number from -5 to 5, got "1, 2, 3"'],
  ]) {
    await field.fill(entered);
    assert.equal(await predict(), 422);
    await page.locator(".error", { hasText: expected }).waitFor();
  }
  assert.deepEqual(complaints, []);
});
