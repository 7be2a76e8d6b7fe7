/** Predictions inside a JavaScript program: a component's typed interface, with rows as objects of features by name. */

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

  constructor(component) {
    this.#component = component;
    this.#description = description(component);
  }

  /** What the model takes and gives: the record `description` of wit/component.wit, domains as plain objects. */
  describe() {
    return this.#description;
  }

  /** The outputs by name for a row, an object of features by name. Throws a RowError. */
  predict(row) {
    return only(this.predictMany([row]));
  }

  /** The outputs for some rows, in their order; a row that gets none has its RowError in its place. */
  predictMany(rows) {
    return predictions(this.#description.outputs, this.#component.predict(rows.map(fields)));
  }

  /** What an endpoint answers for a row, e.g. `/decisions`. Throws a RowError. */
  answer(endpoint, row) {
    return answered(this.#component.answer(endpoint, [fields(row)]));
  }
}

export function description(component) {
  const { features, ...rest } = component.describe();
  return { ...rest, features: features.map(feature) };
}

export function predictions(names, results) {
  return results.map((result) => {
    if (result.tag === "err") return rowError(result.val);
    const outputs = Object.fromEntries(names.map((name, i) => [name, result.val.outputs[i]]));
    return { outputs, cache: cache(result.val.cache) };
  });
}

export function only([result]) {
  if (result instanceof RowError) throw result;
  return result;
}

export function answered([result]) {
  if (result.tag === "err") throw rowError(result.val);
  return { value: result.val.value.val, cache: cache(result.val.cache) };
}

export function fields(row) {
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
  return { ...rest, type, domain, example: example.tag === "vector" ? elements(example.val) : plain(example.val) };
}

function cache({ ttlSeconds, ...rest }) {
  return { ...rest, ttlSeconds: plain(ttlSeconds) };
}

/** The elements of a vector, with null for one that is missing. */
const elements = (vector) => Array.from(vector, (element) => (Number.isNaN(element) ? null : element));

/** A number instead of a bigint, unless digits would be lost. */
function plain(value) {
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function rowError({ tag, val }) {
  return tag === "invalid" ? new RowError(val.map((error) => error.detail).join("; "), val) : new RowError(val);
}
