/** Serves this folder on the loopback interface: a web page cannot load modules from files. */
import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = new URL(".", import.meta.url);
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

/** A server that listens; port 0 is any free one. */
export function serve(port) {
  const server = createServer(async (request, response) => {
    try {
      const { pathname } = new URL(request.url, "http://localhost");
      const file = new URL(pathname === "/" ? "index.html" : `.${pathname}`, ROOT);
      const type = TYPES[extname(file.pathname)];
      if (!file.href.startsWith(ROOT.href) || !type) throw new Error("not served");
      const body = await readFile(file);
      response.writeHead(200, {
        "content-type": type,
        "cache-control": "no-cache",
        // An isolated page has a clock of 5 µs instead of 100 µs.
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
      });
      response.end(body);
    } catch {
      response.writeHead(404).end("not found\n");
    }
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const server = await serve(Number(process.env.PORT ?? 8000));
  console.log(`http://127.0.0.1:${server.address().port}/`);
}
