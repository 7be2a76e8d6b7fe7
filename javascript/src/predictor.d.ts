/** What is the same for every model; index.d.ts has the types of this one. */

/** A Map, or what can do the same. It has to answer at once. */
export interface Store {
  get(key: string): Uint8Array | null | undefined;
  set(key: string, value: Uint8Array): unknown;
}

/** A store that may answer with promises: a Redis, IndexedDB, `fetch`. */
export interface AsyncStore {
  get(key: string): Uint8Array | null | undefined | Promise<Uint8Array | null | undefined>;
  set(key: string, value: Uint8Array): unknown;
}

/** How predictions are kept; packed keys and the manifest's times unless set. */
export interface Variables {
  /** Seconds that an entry is served. */
  ttl_seconds?: number;
  keys?: "packed" | "digest" | "readable";
  /** At least 16 bytes, for `digest`. */
  key_secret?: string;
  /** At least 16 bytes that authenticate entries. */
  mac_secret?: string;
}

export interface Options<S> {
  /** Where predictions are kept; a Map of its own unless set. */
  store?: S;
  variables?: Variables;
}

/** What the cache did for a row. */
export interface Cache {
  hit: boolean;
  /** Seconds since the outputs were computed, on a hit. */
  ageSeconds?: number;
  /** Seconds that the entry will still be served, on a hit. */
  ttlSeconds?: number;
  /** As the header `Cache-Status` says it, e.g. `foretold; fwd=miss; stored`. */
  status: string;
}

export interface Prediction<Outputs> {
  outputs: Outputs;
  cache: Cache;
}

export interface Answer<Value> {
  value: Value;
  cache: Cache;
}

export interface FieldError {
  /** Its name; empty where the whole row is meant. */
  field: string;
  /** What was found, as text. */
  value?: string;
  /** What is expected, e.g. `an integer from 18 to 127`. */
  expected: string;
  /** The whole sentence. */
  detail: string;
}

/** A row gets no prediction. */
export declare class RowError extends Error {
  /** All that is wrong with the fields; empty if the model could not be run. */
  errors: FieldError[];
}

export type Domain = {
  /** Inclusive, like the maximum; of numbers and integers. */
  minimum?: number | bigint;
  maximum?: number | bigint;
  /** The grid that numbers lie on, counted from the minimum. */
  step?: number;
  /** Whether a number off the grid is moved to the nearest point instead of being refused. */
  round?: boolean;
  /** The values that a category can have. */
  categories?: string[];
};

export interface Feature {
  name: string;
  type: "number" | "integer" | "boolean" | "category";
  /** Of a vector, what each element can be. */
  domain: Domain;
  /** How many elements it has, if it is a vector. */
  length?: number;
  /** Whether it may be left out; of a vector elements, too. */
  optional: boolean;
  unit?: string;
  description: string;
  example: number | bigint | boolean | string | (number | null)[];
}

/** What the model takes and gives. */
export interface Description {
  model: string;
  /** Digest of everything that decides the outputs, as it stands in the keys. */
  modelId: string;
  description: string;
  /** Longest that an entry may be served. */
  ttlSeconds: number;
  features: Feature[];
  outputs: string[];
  endpoints: string[];
}

/** A model and a store, ready to predict. If the component breaks down, every later call throws: load it again. */
export interface Predictor<Row, Outputs, Answers> {
  describe(): Description;
  /** The outputs for a row. Throws a RowError. */
  predict(row: Row): Prediction<Outputs>;
  /** The outputs for some rows, in their order; a row that gets none has its RowError in its place. */
  predictMany(rows: Row[]): (Prediction<Outputs> | RowError)[];
  /** What an endpoint answers for a row. Throws a RowError. */
  answer<Endpoint extends keyof Answers>(endpoint: Endpoint, row: Row): Answer<Answers[Endpoint]>;
}

/** The same over a store that answers with promises. Calls take turns. */
export interface AsyncPredictor<Row, Outputs, Answers> {
  describe(): Description;
  predict(row: Row): Promise<Prediction<Outputs>>;
  predictMany(rows: Row[]): Promise<(Prediction<Outputs> | RowError)[]>;
  answer<Endpoint extends keyof Answers>(endpoint: Endpoint, row: Row): Promise<Answer<Answers[Endpoint]>>;
}
