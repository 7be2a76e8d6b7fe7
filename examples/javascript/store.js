/** `wasi:keyvalue/store` over Maps: all that the component asks of a program. */

/**
 * The import for stores by their labels. A store is a Map, or whatever has its `get` and `set`, with values of
 * Uint8Array. It has to answer at once: a component cannot wait for a promise.
 */
export function keyvalue(stores) {
  const open = (label) => {
    if (!Object.hasOwn(stores, label)) throw { tag: "no-such-store" };
    return new Bucket(stores[label]);
  };
  return { Bucket, open };
}

class Bucket {
  #store;

  constructor(store) {
    this.#store = store;
  }

  get(key) {
    const value = refusing(() => this.#store.get(key)) ?? undefined;
    if (value !== undefined && !(value instanceof Uint8Array)) throw other(`${key} holds no Uint8Array`);
    return value;
  }

  set(key, value) {
    refusing(() => this.#store.set(key, value));
  }
}

/** An exception would break the component down; an error of the interface makes it go on without the store. */
function refusing(call) {
  let result;
  try {
    result = call();
  } catch (error) {
    throw other(String(error));
  }
  if (typeof result?.then === "function") throw other("the store answered with a promise");
  return result;
}

function other(message) {
  return { tag: "other", val: message };
}
