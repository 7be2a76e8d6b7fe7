import { answered, description, fields, only, predictions } from "./predictor.js";

/** A Predictor over a store that answers later. Calls take turns, which the component's JavaScript sees to. */
export class AsyncPredictor {
  #component;
  #description;

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
    return predictions(this.#description.outputs, await this.#component.predict(rows.map(fields)));
  }

  async answer(endpoint, row) {
    return answered(await this.#component.answer(endpoint, [fields(row)]));
  }
}
