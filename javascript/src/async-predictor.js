import { answered, description, fields, only, predictions } from "./predictor.js";

/** A Predictor over a store that answers later. Calls take turns, since a component that waits cannot be called. */
export class AsyncPredictor {
  #component;
  #description;
  #last = Promise.resolve();

  constructor(component) {
    this.#component = component;
    this.#description = description(component);
  }

  describe() {
    return this.#description;
  }

  async predict(row) {
    return only(await this.predictMany([row]));
  }

  async predictMany(rows) {
    const asked = rows.map(fields);
    return predictions(this.#description.outputs, await this.#turn(() => this.#component.predict(asked)));
  }

  async answer(endpoint, row) {
    const asked = [fields(row)];
    return answered(await this.#turn(() => this.#component.answer(endpoint, asked)));
  }

  #turn(call) {
    const result = this.#last.then(call);
    this.#last = result.catch(() => {});
    return result;
  }
}
