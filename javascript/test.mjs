/**
 * The package as a user has it: installed from the file into an empty folder, then used by a program in Node, by one in
 * TypeScript, and by a page in Chromium.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const TOOLS = fileURLToPath(new URL("node_modules/.bin/", import.meta.url));
const packed = (model) => fileURLToPath(new URL(`../dist/npm/foretold-${model}-0.1.0.tgz`, import.meta.url));
const PACKAGE = packed("credit");
const SAMPLE = readFileSync(new URL("../models/credit/sample.json", import.meta.url), "utf8");
const CHROMIUM = "/usr/bin/chromium";

const folder = mkdtempSync(join(tmpdir(), "foretold-npm-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const write = (name, text) => writeFileSync(join(folder, name), text);
const run = (command, ...words) => execFileSync(command, words, { cwd: folder, encoding: "utf8" });
run("npm", "install", "--offline", "--no-audit", "--no-fund", PACKAGE, packed("vector"));

test("it brings nothing else", () => {
  const installed = readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."));
  assert.deepEqual(installed, ["foretold-credit", "foretold-vector"]);
});

test("a vector is an array or a Float64Array", () => {
  write(
    "vector.ts",
    `import { load, type Row } from "foretold-vector";
    const predictor = await load();
    const rows: Row[] = [{ num: [0.49, 2.15, 1.03], cat: "a" }, { num: Float64Array.of(0.49, 2.15, 1.03), cat: "a" }];
    console.log(predictor.describe().features[0]?.length, rows.map((row) => predictor.predict(row).cache.hit));
    const wrong: Row = { num: [1, 9, 2], cat: "b" };
    try { predictor.predict(wrong); } catch (error) { console.log(String(error)); }`,
  );
  const options = ["--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"];
  run("npm", "pkg", "set", "type=module");
  run(join(TOOLS, "tsc"), ...options, "vector.ts");
  const printed = run("node", "vector.js");
  assert.match(printed, /^3 \[ false, true \]\n.*num\[1\]: expected a number from -5 to 5, got 9/);
});

test("three lines predict in Node: those of its page", () => {
  const page = readFileSync(join(folder, "node_modules", "foretold-credit", "README.md"), "utf8");
  const [, program] = page.match(/```js\n(.*?)```/s);
  write("program.mjs", program);
  const printed = run("node", "program.mjs");
  assert.match(printed, /probability: 0\.30381/);
  assert.match(printed, /fwd=miss; stored/);
});

test("a store that waits", () => {
  write(
    "waits.mjs",
    `import { loadAsync } from "foretold-credit";
    const kept = new Map();
    const later = (value) => new Promise((resolve) => setTimeout(resolve, 1, value));
    const store = { get: (key) => later(kept.get(key)), set: (key, value) => later(kept.set(key, value)) };
    const predictor = await loadAsync({ store });
    const both = await Promise.all([predictor.predict(${SAMPLE}), predictor.predict(${SAMPLE})]);
    console.log(both.map(({ cache }) => cache.status).join(" | "));`,
  );
  if ("Suspending" in WebAssembly) {
    assert.match(run("node", "waits.mjs"), /^foretold; fwd=miss; stored \| foretold; hit; ttl=\d+\n$/);
  } else {
    assert.throws(() => run("node", "waits.mjs"), /needs WebAssembly's JSPI, which is not here; use load/);
  }
});

test("a program in TypeScript", () => {
  write(
    "program.ts",
    `import { load, loadAsync, RowError, type Row, type Store } from "foretold-credit";
    const row: Row = ${SAMPLE};
    const store: Store = new Map<string, Uint8Array>();
    const predictor = await load({ store, variables: { ttl_seconds: 60 } });
    const { outputs, cache } = predictor.predict(row);
    const probability: number = outputs.probability;
    const decision: string = predictor.answer("/decisions", row).value;
    const seconds: number | undefined = cache.ttlSeconds;
    for (const each of predictor.predictMany([row])) if (each instanceof RowError) console.log(each.errors[0]?.detail);
    const later = await loadAsync({ store: { get: async () => null, set: async () => {} } });
    const same: number = (await later.predict(row)).outputs.probability;
    // @ts-expect-error: no such category
    predictor.predict({ ...row, foreign_worker: "maybe" });
    // @ts-expect-error: a feature is missing
    predictor.predict({ age_in_years: 30 });
    // @ts-expect-error: no such endpoint
    predictor.answer("/nothing", row);
    // @ts-expect-error: load cannot wait
    await load({ store: { get: async () => null, set: async () => {} } });
    console.log(probability, decision, seconds, same);`,
  );
  write("package.json", JSON.stringify({ type: "module", dependencies: { "foretold-credit": "*" } }));
  for (const resolution of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    const [module, moduleResolution] = resolution;
    const compilerOptions = { module, moduleResolution, target: "es2022", strict: true, noEmit: true, types: [] };
    write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    run(join(TOOLS, "tsc"), "--project", "tsconfig.json");
  }
});

test("a page in a browser, also over a database of the browser", { timeout: 120_000 }, async (t) => {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing; install it: sudo apt-get install chromium`);
  write(
    "index.html",
    `<!doctype html><link rel="icon" href="data:,">
    <script type="importmap">{ "imports": { "foretold-credit": "./node_modules/foretold-credit/index.js" } }</script>`,
  );
  const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
  const server = createServer((request, response) => {
    const file = join(folder, request.url === "/" ? "index.html" : request.url);
    response.setHeader("content-type", types[extname(file)]);
    response.end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const found = await page.evaluate(async (row) => {
    const { RowError, load, loadAsync } = await import("foretold-credit");
    const database = await new Promise((resolve, reject) => {
      const opening = indexedDB.open("predictions");
      opening.onupgradeneeded = () => opening.result.createObjectStore("entries");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    const ask = (mode, asked) =>
      new Promise((resolve, reject) => {
        const request = asked(database.transaction("entries", mode).objectStore("entries"));
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const store = {
      get: (key) => ask("readonly", (entries) => entries.get(key)),
      set: (key, value) => ask("readwrite", (entries) => entries.put(value, key)),
    };
    const [here, there] = [await load(), await loadAsync({ store })];
    const status = async (prediction) => (await prediction).cache.status.replace(/\d+/, "…");
    const asked = [await status(here.predict(row)), await status(here.predict(row))];
    // Both at once: the second finds what the first has stored.
    asked.push(...(await Promise.all([there, there].map((predictor) => status(predictor.predict(row))))));
    const rows = Array.from({ length: 60 }, (_, i) => ({ ...row, age_in_years: 18 + i }));
    const together = await Promise.all(rows.map(async (each) => (await there.predict(each)).outputs.probability));
    const alone = rows.map((each) => here.predict(each).outputs.probability);
    const again = await loadAsync({ store });
    const { value } = await again.answer("/decisions", row);
    const [refused, known] = await again.predictMany([{ ...row, age_in_years: 17 }, row]);
    const fails = async () => {
      throw new Error("out of order");
    };
    const broken = await loadAsync({ store: { get: fails, set: fails } });
    const full = await loadAsync({ store: { get: async () => null, set: fails } });
    return {
      asked,
      mixedUp: together.filter((probability, i) => probability !== alone[i]).length,
      value,
      refused: refused instanceof RowError && refused.message,
      known: known.cache.hit,
      failed: [await status(broken.predict(row)), await status(full.predict(row))],
    };
  }, JSON.parse(SAMPLE));
  const [miss, hit] = ["foretold; fwd=miss; stored", "foretold; hit; ttl=…"];
  assert.deepEqual(found.asked, [miss, hit, miss, hit]);
  assert.equal(found.mixedUp, 0);
  assert.equal(found.value, "ACCEPT");
  assert.equal(found.refused, "age_in_years: expected an integer from 18 to 127, got 17");
  assert.equal(found.known, true);
  assert.match(found.failed[0], /detail=store-unavailable/);
  assert.match(found.failed[1], /detail=not-stored/);
});

test("publint and arethetypeswrong have nothing to say", () => {
  run(join(TOOLS, "publint"), "run", PACKAGE, "--strict");
  run(join(TOOLS, "attw"), PACKAGE, "--profile", "esm-only");
});
