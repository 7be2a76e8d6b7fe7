/** Makes the page from the OpenAPI document beside it, asks for predictions, and shows what the cache did. */

const byId = (id) => document.getElementById(id);
const predictions = new URL("predictions", document.baseURI).href;
const readable = (name) => name.replaceAll("_", " ");

/** An element with its attributes and children; attributes that are undefined or false are left out. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** What may be entered, in words; units and steps are in the OpenAPI description already. */
function hint({ description, items, minItems: length, ...bounds }, optional) {
  const { minimum, maximum } = items ?? bounds;
  const limits =
    minimum !== undefined &&
    maximum !== undefined &&
    (items ? `A JSON array of ${length} numbers from ${minimum} to ${maximum}.` : `From ${minimum} to ${maximum}.`);
  return [description, limits, optional && "May be left empty."].filter(Boolean).join(" ");
}

/** A select for what can be listed, an area of text for an array, a number input for the rest. */
function control(schema, optional, attributes) {
  const types = [schema.type].flat();
  const [example] = schema.examples ?? [];
  const choices = schema.enum ?? (types.includes("boolean") ? [true, false] : undefined);
  if (choices) {
    // An option's value is JSON: what is read back has its type, and no category is mistaken for "left out".
    const options = choices
      .filter((choice) => choice !== null)
      .map((choice) =>
        element("option", { value: JSON.stringify(choice), selected: choice === example }, String(choice)),
      );
    if (optional) options.unshift(element("option", { value: "", selected: example == null }, "(left out)"));
    return element("select", attributes, ...options);
  }
  if (types.includes("array")) {
    return element("textarea", { ...attributes, rows: 3, spellcheck: "false" }, JSON.stringify(example));
  }
  return element("input", {
    ...attributes,
    type: "number",
    min: schema.minimum,
    max: schema.maximum,
    step: schema.multipleOf ?? (types.includes("integer") ? 1 : "any"),
    value: example ?? undefined,
  });
}

/** A part of the form: how to read it, and how to say what is wrong with it. */
function field(name, schema, optional, index) {
  // A field's name may be the id of something else, or hold spaces.
  const id = `field-${index}`;
  const input = control(schema, optional, {
    id,
    required: !optional,
    "aria-describedby": `${id}-hint ${id}-error`,
  });
  const error = element("p", { id: `${id}-error`, class: "error" });
  byId("fields").append(
    element(
      "div",
      { class: "field" },
      element("label", { for: id }, readable(name)),
      input,
      error,
      element("p", { id: `${id}-hint`, class: "hint" }, hint(schema, optional)),
    ),
  );
  return {
    name,
    input,
    value() {
      // What cannot be read as a number or an array is sent as text, so that the service says what it expects.
      if (input.value === "") return input.validity.badInput ? "" : undefined;
      if (input.type === "number") return Number(input.value);
      try {
        return JSON.parse(input.value);
      } catch {
        return input.value;
      }
    },
    refuse(message) {
      error.textContent = message;
      input.setAttribute("aria-invalid", message !== "");
    },
  };
}

/** The row as the form has it; fields that are left empty are left out. */
function read(fields) {
  return Object.fromEntries(fields.map(({ name, value }) => [name, value()]).filter(([, value]) => value !== undefined));
}

function curl(row) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const header = "-H 'content-type: application/json'";
  return `curl -i ${quoted(predictions)} ${header} -d ${quoted(JSON.stringify(row))}`;
}

function python(row) {
  const literal = (value) => {
    if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
    return { true: "True", false: "False", null: "None" }[JSON.stringify(value)] ?? JSON.stringify(value);
  };
  const members = Object.entries(row).map(([name, value]) => `    ${JSON.stringify(name)}: ${literal(value)},\n`);
  return `import requests

row = {
${members.join("")}}
response = requests.post(${JSON.stringify(predictions)}, json=row)
print(response.json(), response.headers.get("cache-status"))
`;
}

function showSnippets(fields) {
  const row = read(fields);
  byId("curl").textContent = curl(row);
  byId("python").textContent = python(row);
  byId("copied").textContent = "";
}

async function copy({ currentTarget: button }) {
  const code = byId(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(code.textContent);
    byId("copied").textContent = "Copied.";
  } catch {
    // Browsers refuse the clipboard to pages that came over plain HTTP from another machine.
    getSelection().selectAllChildren(code);
    byId("copied").textContent = "Selected; copy it with Ctrl+C.";
  }
}

/** What Cache-Status (RFC 9211), Age and Server-Timing say. */
function cache(headers) {
  const status = headers.get("cache-status") ?? "";
  const hit = /;\s*hit\b/.test(status);
  const age = headers.get("age");
  const ttl = /;\s*ttl=(\d+)/.exec(status)?.[1];
  const said = hit && [age && `computed ${age} s ago`, ttl && `good for ${ttl} s more`].filter(Boolean).join(", ");
  return {
    verdict: hit ? "hit" : status ? "miss" : "unknown",
    said: said || status || "the service does not say",
    times: (headers.get("server-timing") ?? "").replace(/;dur=([\d.]+)/g, " $1 ms"),
  };
}

function showAnswer(answer, headers, tookMs) {
  const { verdict, said, times } = cache(headers);
  const entry = (term, ...details) => element("div", {}, element("dt", {}, term), element("dd", {}, ...details));
  byId("result").replaceChildren(
    element(
      "dl",
      { class: "answer" },
      ...Object.entries(answer).map(([name, value]) => entry(readable(name), String(value))),
    ),
    element(
      "dl",
      { class: "facts" },
      entry("cache", element("span", { class: `badge ${verdict}`, title: said }, verdict), ` ${said}`),
      entry("time", `${tookMs.toFixed(1)} ms in this browser${times && `; of them in the service: ${times}`}`),
    ),
  );
}

/** The messages of a problem document (RFC 9457) at their fields, and what belongs to none of them in the alert. */
function showProblem(problem, fields) {
  const errors = problem.errors ?? [];
  for (const { name, refuse } of fields) refuse(errors.find((error) => error.field === name)?.detail ?? "");
  const strangers = errors.filter((error) => !fields.some(({ name }) => name === error.field));
  const details = errors.length > 0 ? strangers.map(({ detail }) => detail) : [problem.detail ?? problem.title];
  byId("alert").textContent = details.join("; ");
  fields.find(({ name }) => errors.some((error) => error.field === name))?.input.focus();
}

/** The body of an answer; whatever is between us and the service may answer with something that is no JSON. */
async function body(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${response.status} ${response.statusText}, and no JSON`);
  }
}

async function predict(fields, signal) {
  const start = performance.now();
  const response = await fetch(predictions, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(read(fields)),
    signal,
  });
  const answer = await body(response);
  const tookMs = performance.now() - start;
  byId("result").replaceChildren();
  showProblem(response.ok ? { detail: "" } : answer, fields);
  if (response.ok) showAnswer(answer, response.headers, tookMs);
}

let underWay;
async function submit(fields) {
  underWay?.abort();
  underWay = new AbortController();
  const { signal } = underWay;
  try {
    await predict(fields, signal);
  } catch (error) {
    if (signal.aborted) return;
    byId("result").replaceChildren();
    byId("alert").textContent = `The service gave no answer: ${error.message}`;
  }
}

async function start() {
  const response = await fetch("openapi.json");
  const { info, components, detail } = await body(response);
  if (!response.ok) throw new Error(detail);
  const { properties, required = [] } = components.schemas.Row;

  document.title = `${info.title}: predictions`;
  byId("title").textContent = info.title;
  // What follows the first paragraph is about the HTTP interface, which the page of the API shows.
  byId("description").textContent = (info.description ?? "").split("\n\n")[0];
  byId("version").textContent = `Model ${info["x-model-id"]}`;

  const fields = Object.entries(properties).map(([name, schema], index) =>
    field(name, schema, !required.includes(name), index),
  );
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit(fields);
  });
  byId("form").addEventListener("input", () => showSnippets(fields));
  for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", copy);
  showSnippets(fields);
  byId("form").hidden = byId("snippets").hidden = false;
}

try {
  await start();
} catch (error) {
  byId("alert").textContent = `openapi.json could not be read: ${error.message}`;
}
