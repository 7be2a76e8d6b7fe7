/** Tests the example in Node, and its page in Chromium. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { RowError, load } from "foretold-credit";
import { chromium } from "playwright-core";

import { serve } from "./serve.js";

const CHROMIUM = "/usr/bin/chromium";
const MODEL = new URL("../../models/credit/", import.meta.url);

const json = async (name) => JSON.parse(await readFile(new URL(name, MODEL), "utf8"));
const sample = await json("sample.json");

test("a miss is stored, and hits follow", async () => {
  const store = new Map();
  const predictor = await load({ store });
  const miss = predictor.predict(sample);
  assert.deepEqual(miss.cache, {
    hit: false,
    ageSeconds: undefined,
    ttlSeconds: undefined,
    status: "foretold; fwd=miss; stored",
  });
  assert.equal(store.size, 1);
  const hit = predictor.predict(sample);
  assert.equal(hit.cache.hit, true);
  assert.ok(hit.cache.ageSeconds <= 1 && hit.cache.ttlSeconds >= 3599, JSON.stringify(hit.cache));
  assert.deepEqual(hit.outputs, miss.outputs);

  const answers = predictor.describe().endpoints.map((endpoint) => predictor.answer(endpoint, sample));
  assert.deepEqual(
    answers.map(({ value }) => value),
    ["ACCEPT", miss.outputs.probability, "MEDIUM"],
  );
  assert.ok(answers.every(({ cache }) => cache.hit));
  const other = await load({ store });
  assert.equal(other.predict(sample).cache.hit, true, "entries outlive the predictor");
  assert.throws(() => predictor.answer("/nothing", sample), /"\/nothing" is no endpoint; expected one of \/decisions/);
});

test("describes the model in plain values", async () => {
  const { model, ttlSeconds, features, outputs } = (await load()).describe();
  assert.deepEqual([model, ttlSeconds, outputs], ["credit", 3600, ["probability"]]);
  const [rate, age, worker] = features;
  assert.deepEqual(rate.domain, { minimum: 0, maximum: 4, step: 0.01, round: false });
  assert.deepEqual([age.type, age.domain, age.example], ["integer", { minimum: 18, maximum: 127 }, 30]);
  assert.deepEqual([worker.type, worker.domain], ["category", { categories: ["yes", "no"] }]);
});

test("golden rows, bit for bit", async () => {
  const { features, rows } = await json("golden.json");
  const golden = rows.slice(0, 50);
  const predictor = await load();
  const asked = golden.map((row) => Object.fromEntries(features.map((name, i) => [name, row.features[i]])));
  for (const hit of [false, true]) {
    predictor.predictMany(asked).forEach(({ outputs, cache }, i) => {
      assert.equal(outputs.probability, Math.fround(golden[i].outputs[0]), `row ${i}`);
      assert.equal(cache.hit, hit, `row ${i}`);
    });
  }
});

test("a damaged entry is a miss, and replaced", async () => {
  const store = new Map();
  const predictor = await load({ store });
  predictor.predict(sample);
  const [[key, entry]] = store;
  const damaged = entry.with(0, entry[0] ^ 1);
  for (const bytes of [damaged, entry.slice(1), new Uint8Array()]) {
    store.set(key, bytes);
    assert.equal(predictor.predict(sample).cache.hit, false);
    assert.equal(predictor.predict(sample).cache.hit, true);
  }
});

test("an entry expires", async (t) => {
  const predictor = await load({ variables: { ttl_seconds: 60 } });
  const now = Date.now();
  let later = 0;
  t.mock.method(Date, "now", () => now + later * 1000);
  predictor.predict(sample);
  later = 59;
  assert.equal(predictor.predict(sample).cache.status, "foretold; hit; ttl=1");
  later = 60;
  assert.equal(predictor.predict(sample).cache.status, "foretold; fwd=stale; stored");
  await assert.rejects(load({ variables: { ttl: 60 } }), /"ttl" is no variable/);
});

test("errors name field and value", async () => {
  const predictor = await load();
  const wrong = { ...sample, age_in_years: 17, foreign_worker: "maybe" };
  const refused = (error) => {
    assert.ok(error instanceof RowError);
    assert.deepEqual(error.errors, [
      {
        field: "age_in_years",
        value: "17",
        expected: "an integer from 18 to 127",
        detail: "age_in_years: expected an integer from 18 to 127, got 17",
      },
      {
        field: "foreign_worker",
        value: "maybe",
        expected: 'one of "yes", "no"',
        detail: 'foreign_worker: expected one of "yes", "no", got "maybe"',
      },
    ]);
    return true;
  };
  assert.throws(() => predictor.predict(wrong), refused);
  assert.throws(() => predictor.answer("/decisions", wrong), refused);
  const [first, second] = predictor.predictMany([wrong, sample]);
  assert.ok(refused(first));
  assert.equal(second.cache.hit, false);
});

test("values of every kind reach the component as they are", async () => {
  const predictor = await load();
  const outcome = (age_in_years) => {
    const [result] = predictor.predictMany([{ ...sample, age_in_years }]);
    return result instanceof RowError ? result.message.replace("expected an integer from 18 to 127", "…") : "taken";
  };
  assert.equal(outcome(30n), "taken");
  assert.equal(outcome(30), "taken");
  assert.equal(outcome(17), "age_in_years: …, got 17");
  assert.equal(outcome(null), "age_in_years is missing: …");
  assert.equal(outcome(undefined), "age_in_years is missing: …");
  assert.equal(outcome(true), "age_in_years: …, got true");
  assert.equal(outcome("30"), 'age_in_years: …, got "30"');
  assert.equal(outcome(30.5), "age_in_years: …, got 30.5");
  assert.match(outcome(2n ** 64n + 30n), /^age_in_years: …, got 1.8446744073709552e19$/);
  assert.match(outcome(NaN), /^age_in_years: …, got .*NaN/);
  assert.equal(outcome([30]), "age_in_years: …, got [30]");
  assert.throws(() => outcome({}), /age_in_years: expected null, .* string or array, got object/);
});

test("predictions go on without a store", async () => {
  const broken = () => {
    throw new Error("out of order");
  };
  const predict = async (store) => (await load({ store })).predict(sample);
  const { outputs, cache } = await predict({ get: broken, set: broken });
  assert.equal(outputs.probability, Math.fround(0.303817153));
  assert.match(cache.status, /detail=store-unavailable/);
  assert.match((await predict({ get: () => null, set: broken })).cache.status, /detail=not-stored/);
  assert.match((await predict({ get: async () => {}, set: async () => {} })).cache.status, /detail=store-unavailable/);
  assert.match((await predict({ get: () => "text", set: () => {} })).cache.status, /detail=store-unavailable/);
});

test("the page predicts in a browser", { timeout: 120_000 }, async (t) => {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing; install it: sudo apt-get install chromium`);
  const server = await serve(0);
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const profile = await mkdtemp(join(tmpdir(), "foretold-"));
  t.after(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }));
  const browser = await chromium.launchPersistentContext(profile, {
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
  t.after(() => browser.close());

  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("requestfailed", (request) => complaints.push(request.url()));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);

  const answer = (term) => page.locator("dt", { hasText: term }).locator("+ dd").textContent();
  const age = page.getByLabel("age in years");
  await page.getByLabel("personal status and sex").selectOption("male: single");
  await age.fill("31");
  await age.press("Enter");
  assert.equal(await answer("cache"), "miss (foretold; fwd=miss; stored)");
  assert.match(await answer("/decisions"), /^(ACCEPT|DECLINE)$/);
  assert.match(await answer("took"), /^\d+\.\d\d ms$/);
  t.diagnostic(`first prediction ${await answer("took")}`);

  await page.getByRole("button", { name: "Predict" }).click();
  assert.match(await answer("cache"), /^hit /);
  t.diagnostic(`hit ${await answer("took")}`);

  await age.fill("17");
  await age.press("Enter");
  const message = "age_in_years: expected an integer from 18 to 127, got 17";
  const described = (await age.getAttribute("aria-describedby")).split(" ");
  assert.equal(await page.locator(`#${described[1]}`).textContent(), message);
  assert.equal(await age.getAttribute("aria-invalid"), "true");
  assert.ok(await age.evaluate((input) => input === document.activeElement));
  assert.equal(await page.getByRole("status").textContent(), "");

  await age.fill("");
  await age.press("Enter");
  assert.match(await page.locator(`#${described[1]}`).textContent(), /^age_in_years is missing/);

  await age.fill("30");
  await age.press("Enter");
  assert.equal(await answer("/probabilities"), String(Math.fround(0.303817153)));
  assert.equal(await page.locator(".error:not(:empty)").count(), 0);
  assert.deepEqual(complaints, []);
});
