/** A form of the model's features; the prediction is computed in the page, and kept in a Map. */
import { RowError, load } from "foretold-credit";

const byId = (id) => document.getElementById(id);

/** An element with its attributes and children; attributes that are undefined or false are left out. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function control({ type, domain, optional, example }, attributes) {
  switch (type) {
    case "boolean":
      return element("input", { ...attributes, type: "checkbox", checked: example });
    case "category": {
      const options = domain.categories.map((text) => element("option", { selected: text === example }, text));
      return element("select", attributes, ...options);
    }
    default: {
      const step = type === "integer" ? 1 : (domain.step ?? "any");
      const { minimum: min, maximum: max } = domain;
      return element("input", { ...attributes, type: "number", min, max, step, value: example, required: !optional });
    }
  }
}

/** A feature's part of the form: how to read it, and how to say what is wrong with it. */
function question(feature, index) {
  // A feature's name may be the id of something else, or hold spaces.
  const id = `feature-${index}`;
  const input = control(feature, { id, "aria-describedby": `${id}-hint ${id}-error` });
  const error = element("p", { id: `${id}-error`, class: "error" });
  const unit = feature.unit ? ` (${feature.unit})` : "";
  byId("features").append(
    element("label", { for: id }, feature.name.replaceAll("_", " ") + unit),
    input,
    element("p", { id: `${id}-hint`, class: "hint" }, feature.description),
    error,
  );
  return {
    name: feature.name,
    input,
    value() {
      if (feature.type === "boolean") return input.checked;
      if (input.value === "") return undefined;
      return feature.type === "category" ? input.value : Number(input.value);
    },
    refuse(message) {
      error.textContent = message;
      input.setAttribute("aria-invalid", message !== "");
    },
  };
}

function predict(predictor, questions) {
  const row = Object.fromEntries(questions.map(({ name, value }) => [name, value()]));
  const start = performance.now();
  const { outputs, cache } = predictor.predict(row);
  const took = performance.now() - start;
  return [
    ...predictor.describe().endpoints.map((endpoint) => [endpoint, predictor.answer(endpoint, row).value]),
    ...Object.entries(outputs),
    ["cache", `${cache.hit ? "hit" : "miss"} (${cache.status})`],
    ["took", `${took.toFixed(2)} ms`],
  ];
}

function submit(predictor, questions) {
  const answer = byId("answer");
  answer.replaceChildren();
  let errors = [];
  byId("row-error").textContent = "";
  try {
    for (const [term, text] of predict(predictor, questions)) {
      answer.append(element("dt", {}, term), element("dd", {}, String(text)));
    }
  } catch (error) {
    if (error instanceof RowError) errors = error.errors;
    if (errors.length === 0) byId("row-error").textContent = error.message;
  }
  for (const { name, refuse } of questions) refuse(errors.find(({ field }) => field === name)?.detail ?? "");
  questions.find(({ name }) => errors.some(({ field }) => field === name))?.input.focus();
}

try {
  const predictor = await load({ store: new Map() });
  const { model, description, features } = predictor.describe();
  byId("model").textContent = model;
  byId("description").textContent = description;
  const questions = features.map(question);
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit(predictor, questions);
  });
  byId("form").hidden = false;
} catch (error) {
  byId("model").textContent = "The model could not be loaded";
  byId("description").textContent = `${error.message} (make npm makes it)`;
}
