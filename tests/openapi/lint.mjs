// Two linters over the OpenAPI document in a file: neither may find an error or a warning.
//
//     node tests/openapi/lint.mjs openapi.json
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
// No usage data leave the machine.
const quiet = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", SCARF_ANALYTICS: "false" };
const env = { ...process.env, ...quiet };

const [file] = process.argv.slice(2);
if (!file) {
  console.error("usage: node lint.mjs FILE");
  process.exit(2);
}
const version = JSON.parse(readFileSync(file, "utf8")).openapi;
if (!/^3\.1\.\d+$/.test(version)) {
  console.error(`${file} is OpenAPI ${version}, not 3.1`);
  process.exit(1);
}

const linters = {
  redocly: ["lint", "--config", here("redocly-lint.yaml"), "--max-problems", "1000", file],
  spectral: ["lint", "--ruleset", here("spectral.yaml"), "--fail-severity", "hint", file],
};
const failed = Object.entries(linters).filter(([name, options]) => {
  const run = spawnSync(here(`node_modules/.bin/${name}`), options, { env, encoding: "utf8" });
  const output = `${run.error ?? ""}${run.stdout ?? ""}${run.stderr ?? ""}`;
  // redocly ends with 0 where there are only warnings.
  const isClean = run.status === 0 && !/\b[1-9]\d* warning/.test(output);
  console.log(isClean ? `${name}: nothing found` : `${name}:\n${output}`);
  return !isClean;
});
if (failed.length > 0) {
  process.exit(1);
}
