// A TypeScript client with types, generated from the document of the server at FORETOLD_URL, which has
// the credit model. program.ts is compiled with it, and run.
//
//     FORETOLD_URL=http://127.0.0.1:8080 node --test tests/openapi/client.test.mjs
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const url = process.env.FORETOLD_URL?.replace(/\/$/, "");
let program;

function run(name, ...options) {
  const where = { cwd: here("."), encoding: "utf8" };
  const { status, stdout, stderr } = spawnSync(here(`node_modules/.bin/${name}`), options, where);
  assert.equal(status, 0, `${name} fails:\n${stdout}${stderr}`);
}

before(async () => {
  assert.ok(url, "FORETOLD_URL is not set");
  rmSync(here("generated"), { recursive: true, force: true });
  mkdirSync(here("generated"));
  const response = await fetch(`${url}/openapi.json`);
  assert.equal(response.status, 200, `${url}/openapi.json is answered with ${response.status}`);
  writeFileSync(here("generated/openapi.json"), await response.text());
  run("openapi-typescript", "generated/openapi.json", "--output", "generated/schema.d.ts");
  run("tsc", "--project", "tsconfig.json");
  program = await import(here("generated/out/program.js"));
});

test("a row gets its decision", async () => {
  assert.equal(await program.decide(url), "ACCEPT");
});

test("rows get what is asked for, and a problem where one is wrong", async () => {
  const [probability, problem] = await program.predict(url);
  assert.ok(probability > 0 && probability < 1, `the probability is ${probability}`);
  assert.match(problem, /age_in_years: expected an integer from 18 to 127, got 17/);
});

test("a wrong value is a problem with the field's name", async () => {
  const { status, problem } = await program.refuse(url);
  assert.equal(status, 422);
  assert.equal(problem.status, 422);
  assert.match(problem.type, /invalid-request$/);
  const [error] = problem.errors;
  assert.equal(error.field, "age_in_years");
  assert.equal(error.pointer, "/age_in_years");
  assert.equal(error.value, "17");
});

test("tensors get what rows get", async () => {
  assert.deepEqual(await program.infer(url), [await program.decide(url)]);
});
