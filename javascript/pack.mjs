/**
 * Makes an npm package of a model, for Node and for browsers:
 *
 *     node javascript/pack.mjs FORETOLD MODEL OUT [--name NAME] [--package-version VERSION]
 *
 * FORETOLD is the command, MODEL a folder with a manifest. OUT gets the package as a folder and as a file for
 * `npm install`. Its name is `foretold-` and the model's, unless another is given.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = resolve(HERE, "..");
const JCO = join(HERE, "node_modules", ".bin", "jco");
const STORE = "wasi:keyvalue/store@0.2.0-draft#[method]bucket";
const PREDICTOR = "foretold:component/predictor@0.1.0";
// What asks the store.
const WAITING = ["--async-mode", "jspi", "--async-imports", `${STORE}.get`, `${STORE}.set`];
WAITING.push("--async-exports", `${PREDICTOR}#predict`, `${PREDICTOR}#answer`);

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { name: { type: "string" }, "package-version": { type: "string", default: "0.1.0" } },
});
if (positionals.length !== 3) throw new Error("expected FORETOLD MODEL OUT");
const [foretold, model, out] = positionals;
const work = mkdtempSync(join(tmpdir(), "foretold-"));
try {
  const made = join(work, "package");
  component(made);
  cpSync(join(HERE, "src"), made, { recursive: true });
  const { load } = await import(pathToFileURL(join(made, "index.js")));
  const predictor = await load();
  const { name, version } = describe(made, predictor);
  const folder = join(out, name.replace("@", "").replace("/", "-"));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  cpSync(made, folder, { recursive: true });
  const packed = execFileSync("npm", ["pack", resolve(folder), "--pack-destination", resolve(out), "--silent"]);
  console.log(`${join(out, packed.toString().trim())}: ${name} ${version}, also as the folder ${folder}`);
} finally {
  rmSync(work, { recursive: true });
}

/** The component's JavaScript, for stores that answer at once and for others, over the same WebAssembly. */
function component(made) {
  const baked = join(work, "model.wasm");
  execFileSync(foretold, ["bake", model, "--target", "library", "-o", baked], { stdio: "inherit" });
  const transpile = (name, ...options) => {
    const common = ["--name", "model", "--instantiation", "async", "--no-nodejs-compat", "--minify", "--quiet"];
    execFileSync(JCO, ["transpile", baked, ...common, "--out-dir", join(work, name), ...options], { stdio: "inherit" });
    return (file) => join(work, name, file);
  };
  const [sync, waiting] = [transpile("sync"), transpile("waiting", ...WAITING)];
  const into = join(made, "component");
  for (const file of ["model.core.wasm", "model.core2.wasm", "model.core3.wasm"]) {
    const [one, other] = [sync, waiting].map((at) => readFileSync(at(file)));
    if (!one.equals(other)) throw new Error(`${file} is another for a store that waits`);
    cpSync(sync(file), join(into, file));
  }
  cpSync(sync("model.js"), join(into, "sync.js"));
  cpSync(waiting("model.js"), join(into, "async.js"));
}

/** Types, package.json and the page for npm, from what the model says of itself. */
function describe(made, predictor) {
  const described = predictor.describe();
  const { model: title, description, features, endpoints, outputs } = described;
  const row = Object.fromEntries(features.map(({ name, example }) => [name, example]));
  const answers = endpoints.map((endpoint) => [endpoint, typeof predictor.answer(endpoint, row).value]);
  const name = values.name ?? `foretold-${title.toLowerCase().replaceAll(/[^a-z0-9._-]/g, "-")}`;
  const version = values["package-version"];
  const types = [
    `/** ${comment(`The model ${title}: ${description}`)} */`,
    'import type * as common from "./predictor.js";',
    "",
    "export interface Row {",
    ...features.flatMap((feature) => [...said(feature), `  ${field(feature)};`]),
    "}",
    "export interface Outputs {",
    ...outputs.map((output) => `  ${JSON.stringify(output)}: number;`),
    "}",
    "/** What the endpoints answer. */",
    "export interface Answers {",
    ...answers.map(([endpoint, type]) => `  ${JSON.stringify(endpoint)}: ${type};`),
    "}",
    'export { RowError } from "./predictor.js";',
    'export type { AsyncStore, Cache, Description, Feature, FieldError, Options, Store, Variables } from "./predictor.js";',
    "export type Predictor = common.Predictor<Row, Outputs, Answers>;",
    "export type AsyncPredictor = common.AsyncPredictor<Row, Outputs, Answers>;",
    "export declare function load(options?: common.Options<common.Store>): Promise<Predictor>;",
    "/** Over a store that may answer with promises; throws where WebAssembly has no JSPI. */",
    "export declare function loadAsync(options?: common.Options<common.AsyncStore>): Promise<AsyncPredictor>;",
    "",
  ];
  writeFileSync(join(made, "index.d.ts"), types.join("\n"));
  const program = [
    `import { load } from "${name}";`,
    "const predictor = await load();",
    `console.log(predictor.predict(${JSON.stringify(row, null, 2)}));`,
  ];
  const page = readFileSync(join(HERE, "page.md"), "utf8");
  const shown = { name, description, program: program.join("\n") };
  writeFileSync(join(made, "README.md"), page.replaceAll(/\{(\w+)\}/g, (_, key) => shown[key]));
  cpSync(join(ROOT, "LICENSE"), join(made, "LICENSE"));
  // Those of what is in the component, where `make licences` has written them.
  const licences = join(ROOT, "dist", "licences");
  if (existsSync(licences)) cpSync(licences, join(made, "licences"), { recursive: true });
  const exported = { ".": { types: "./index.d.ts", default: "./index.js" }, "./package.json": "./package.json" };
  const manifest = { name, version, description, license: "SEE LICENSE IN README.md", type: "module", exports: exported };
  Object.assign(manifest, { types: "./index.d.ts", sideEffects: false, engines: { node: ">=20" } });
  writeFileSync(join(made, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

function said({ description, unit, domain: { minimum, maximum, step } }) {
  const isBounded = minimum !== undefined || maximum !== undefined;
  const bounds = isBounded && `from ${minimum ?? "-∞"} to ${maximum ?? "∞"}`;
  const parts = [description.replace(/\.$/, ""), unit, bounds, step && `in steps of ${step}`].filter(Boolean);
  return parts.length === 0 ? [] : [`  /** ${comment(parts.join("; "))} */`];
}

function field({ name, type, domain, length, optional }) {
  const elements = optional ? "readonly (number | null)[]" : "readonly number[]";
  const numbers = length === undefined ? "number | bigint" : `${elements} | Float64Array`;
  const category = () => domain.categories.map((text) => JSON.stringify(text)).join(" | ");
  const value = { number: () => numbers, integer: () => numbers, boolean: () => "boolean", category }[type]();
  return `${JSON.stringify(name)}${optional ? "?" : ""}: ${value}${optional ? " | null" : ""}`;
}

/** What does not end a comment. */
function comment(text) {
  return text.replaceAll("*/", "* /").replaceAll(/\s+/g, " ");
}
