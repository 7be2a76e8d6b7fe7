/** `wasi:keyvalue/store` over a program's store: a Map, or what has its `get` and `set`. */

/** The import; a store that `waits` may answer with promises. */
export function keyvalue(store, waits) {
  const Bucket = waits ? AsyncBucket : SyncBucket;
  return { Bucket, open: () => new Bucket(store) };
}

class SyncBucket {
  #store;

  constructor(store) {
    this.#store = store;
  }

  get(key) {
    return entry(key, refusing(() => this.#store.get(key)));
  }

  set(key, value) {
    refusing(() => this.#store.set(key, value));
  }
}

class AsyncBucket {
  #store;

  constructor(store) {
    this.#store = store;
  }

  async get(key) {
    try {
      return entry(key, await this.#store.get(key));
    } catch (error) {
      throw other(error);
    }
  }

  async set(key, value) {
    try {
      await this.#store.set(key, value);
    } catch (error) {
      throw other(error);
    }
  }
}

/** An exception would break the component down; an error of the interface makes it go on without the store. */
function refusing(call) {
  let result;
  try {
    result = call();
  } catch (error) {
    throw other(error);
  }
  if (typeof result?.then === "function") throw other("the store answered with a promise; loadAsync waits for it");
  return result;
}

function entry(key, value) {
  if (value === null || value === undefined) return undefined;
  if (!(value instanceof Uint8Array)) throw other(`${key} holds no Uint8Array`);
  return value;
}

function other(error) {
  return { tag: "other", val: String(error) };
}
