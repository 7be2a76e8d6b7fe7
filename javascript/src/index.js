/** Loads the model of this package. */
import { AsyncPredictor } from "./async-predictor.js";
import { instantiate } from "./component/sync.js";
import { Predictor, RowError } from "./predictor.js";
import { keyvalue } from "./store.js";
import { wasi } from "./wasi.js";

export { RowError };

// Written out, so that bundlers find them.
const MODULES = {
  "model.core.wasm": new URL("./component/model.core.wasm", import.meta.url),
  "model.core2.wasm": new URL("./component/model.core2.wasm", import.meta.url),
  "model.core3.wasm": new URL("./component/model.core3.wasm", import.meta.url),
};

export async function load({ store = new Map(), variables = {} } = {}) {
  return new Predictor(await start(instantiate, store, false, variables));
}

export async function loadAsync({ store = new Map(), variables = {} } = {}) {
  if (!("Suspending" in WebAssembly)) {
    throw new Error("a store that answers with promises needs WebAssembly's JSPI, which is not here; use load");
  }
  const { instantiate } = await import("./component/async.js");
  return new AsyncPredictor(await start(instantiate, store, true, variables));
}

async function start(instantiate, store, waits, variables) {
  const imports = { ...wasi, "wasi:keyvalue/store": keyvalue(store, waits) };
  const { predictor } = await instantiate((name) => compile(MODULES[name]), imports);
  predictor.configure(Object.entries(variables).map(([name, value]) => [name, String(value)]));
  return predictor;
}

async function compile(url) {
  // Node's `fetch` does not read files.
  if (url.protocol === "file:") {
    const { readFile } = await import(/* webpackIgnore: true */ /* @vite-ignore */ "node:fs/promises");
    return WebAssembly.compile(await readFile(url));
  }
  return WebAssembly.compileStreaming(fetch(url));
}
