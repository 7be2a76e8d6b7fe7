/**
 * Predictions inside a JavaScript program, in Node and in a web page.
 *
 *     const predictor = await Predictor.load(new URL("generated/", import.meta.url), { store: new Map() });
 *     const { outputs, cache } = predictor.predict({ age_in_years: 30, … });
 */
import { WASIShim } from "@bytecodealliance/preview2-shim/instantiation";

import { keyvalue } from "./store.js";

/** A row gets no prediction. */
export class RowError extends Error {
  name = "RowError";

  /**
   * @param {string} message
   * @param {{field: string, value?: string, expected: string, detail: string}[]} errors all that is wrong with the
   *     fields; empty if the model could not be run
   */
  constructor(message, errors = []) {
    super(message);
    this.errors = errors;
  }
}

/** A model and a store, ready to predict. If the component breaks down, every later call throws: load it again. */
export class Predictor {
  #component;
  #description;

  /**
   * @param {URL} folder where `jco transpile --name predictor --instantiation async` put its files; ends with `/`
   * @param {object} [options]
   * @param {{get: Function, set: Function}} [options.store] a Map, or what can do the same
   * @param {Record<string, string | number>} [options.variables] those of `configure` in wit/component.wit, e.g.
   *     `{ ttl_seconds: 60 }`
   */
  static async load(folder, { store = new Map(), variables = {} } = {}) {
    const { instantiate } = await import(new URL("predictor.js", folder).href);
    const { predictor } = await instantiate((name) => compile(new URL(name, folder)), {
      // The component does not use it, so it need not see the program's environment.
      ...new WASIShim({ sandbox: { env: {}, args: [] } }).getImportObject(),
      "wasi:keyvalue/store": keyvalue({ [variables.store ?? "default"]: store }),
    });
    predictor.configure(Object.entries(variables).map(([name, value]) => [name, String(value)]));
    return new Predictor(predictor);
  }

  constructor(component) {
    this.#component = component;
    const { features, ...rest } = component.describe();
    this.#description = { ...rest, features: features.map(feature) };
  }

  /** What the model takes and gives: the record `description` of wit/component.wit, domains as plain objects. */
  describe() {
    return this.#description;
  }

  /** The outputs by name for a row, an object of features by name. Throws a RowError. */
  predict(row) {
    const [result] = this.predictMany([row]);
    if (result instanceof RowError) throw result;
    return result;
  }

  /** The outputs for some rows, in their order; a row that gets none has its RowError in its place. */
  predictMany(rows) {
    const names = this.#description.outputs;
    return this.#component.predict(rows.map(fields)).map((result) => {
      if (result.tag === "err") return rowError(result.val);
      const outputs = Object.fromEntries(names.map((name, i) => [name, result.val.outputs[i]]));
      return { outputs, cache: cache(result.val.cache) };
    });
  }

  /** What an endpoint answers for a row, e.g. `/decisions`. Throws a RowError. */
  answer(endpoint, row) {
    const [result] = this.#component.answer(endpoint, [fields(row)]);
    if (result.tag === "err") throw rowError(result.val);
    return { value: result.val.value.val, cache: cache(result.val.cache) };
  }
}

async function compile(url) {
  // Node's `fetch` does not read files.
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return WebAssembly.compile(await readFile(url));
  }
  return WebAssembly.compileStreaming(fetch(url));
}

function fields(row) {
  return Object.entries(row)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ({ name, value: variant(name, value) }));
}

function variant(name, value) {
  if (value === null) return { tag: "missing" };
  switch (typeof value) {
    case "boolean":
      return { tag: "boolean", val: value };
    case "number":
      return { tag: "number", val: value };
    case "bigint":
      // One that is too long would lose its upper bits on the way and might then be accepted.
      return BigInt.asIntN(64, value) === value
        ? { tag: "integer", val: value }
        : { tag: "number", val: Number(value) };
    case "string":
      return { tag: "text", val: value };
    default:
      // A vector, in which null is a missing element.
      if (Array.isArray(value) || ArrayBuffer.isView(value)) {
        return { tag: "vector", val: Float64Array.from(value, (element) => element ?? NaN) };
      }
      throw new TypeError(`${name}: expected null, boolean, number, bigint, string or array, got ${typeof value}`);
  }
}

function feature({ domain: { tag: type, val }, example, ...rest }) {
  const domain = type === "category" ? { categories: val } : type === "boolean" ? {} : { ...val };
  if (type === "integer") {
    domain.minimum = plain(domain.minimum);
    domain.maximum = plain(domain.maximum);
  }
  return { ...rest, type, domain, example: plain(example.val) };
}

function cache({ ttlSeconds, ...rest }) {
  return { ...rest, ttlSeconds: plain(ttlSeconds) };
}

/** A number instead of a bigint, unless digits would be lost. */
function plain(value) {
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function rowError({ tag, val }) {
  return tag === "invalid" ? new RowError(val.map((error) => error.detail).join("; "), val) : new RowError(val);
}
