/** Predicts the sample request of the README twice, then asks every endpoint. */
import { readFile } from "node:fs/promises";

import { load } from "foretold-credit";

const predictor = await load({ store: new Map() });
const row = JSON.parse(await readFile(new URL("../../models/credit/sample.json", import.meta.url), "utf8"));
for (let i = 0; i < 2; i++) {
  const { outputs, cache } = predictor.predict(row);
  console.log(outputs, "|", cache.status);
}
for (const endpoint of predictor.describe().endpoints) {
  const { value, cache } = predictor.answer(endpoint, row);
  console.log(endpoint, value, "|", cache.status);
}
