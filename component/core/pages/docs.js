/** Shows the OpenAPI document with Swagger UI, and says after each request whether the cache had the answer. */

// Swagger UI is dark when this class is there; it does not look at the system's setting by itself.
const dark = matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();

// Swagger UI gives some of its controls no name, and leaves text that scrolls out of reach of the keyboard.
const mended = {
  "textarea.body-param__text": () => ({ "aria-label": "Request body" }),
  "tr[data-param-name] :is(input, select)": (control) => ({
    "aria-label": control.closest("tr").dataset.paramName,
  }),
  "select.examples-select-element": () => ({ "aria-label": "Example" }),
  ".microlight, .highlight-code pre": () => ({ tabindex: "0" }),
};
new MutationObserver(() => {
  for (const [selector, attributes] of Object.entries(mended)) {
    for (const found of document.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(attributes(found))) found.setAttribute(name, value);
    }
  }
}).observe(document.body, { childList: true, subtree: true });

/** Its links to an operation lie in a button, which is no place for a link; the button changes the address as well. */
const withoutNestedLinks = ({ React }) => ({
  components: { DeepLink: ({ text }) => React.createElement("span", {}, text) },
});

function say({ status, url, headers }, tookMs) {
  const cacheStatus = headers["cache-status"];
  const verdict = cacheStatus && (/;\s*hit\b/.test(cacheStatus) ? "hit" : "miss");
  const badge = document.createElement("strong");
  badge.className = verdict ?? "";
  badge.textContent = verdict ?? status;
  const said = cacheStatus ? ` (${cacheStatus})` : "";
  document.getElementById("last").replaceChildren(badge, ` ${new URL(url).pathname}: ${tookMs.toFixed(1)} ms${said}`);
}

let start;
SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: "none",
  syntaxHighlight: { theme: "obsidian" },
  plugins: [withoutNestedLinks],
  requestInterceptor(request) {
    start = request.loadSpec ? undefined : performance.now();
    return request;
  },
  responseInterceptor(response) {
    if (start !== undefined) say(response, performance.now() - start);
    return response;
  },
});
