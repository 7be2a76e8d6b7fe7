/**
 * Copies what the interactive page needs of Swagger UI to vendored/, compressed, so that no build of the component
 * needs npm. After a change in package.json: npm install && npm run vendor. With --check it writes nothing, and fails
 * when vendored/ is not what the package holds.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { gunzipSync, gzipSync } from "node:zlib";

const here = (path) => new URL(path, import.meta.url);
const ofPackage = (name) => readFile(here(`node_modules/swagger-ui-dist/${name}`));

function compress(bytes) {
  const compressed = gzipSync(bytes, { level: 9 });
  compressed[9] = 255; // the operating system: unknown, so that every one makes the same file
  return compressed;
}

const parts = ["NOTICE", "LICENSE", "swagger-ui-bundle.js.LICENSE.txt"];
const files = {
  "swagger-ui-bundle.js.gz": await ofPackage("swagger-ui-bundle.js"),
  "swagger-ui.css.gz": await ofPackage("swagger-ui.css"),
  "licences.txt": Buffer.from((await Promise.all(parts.map(ofPackage))).join("\n")),
};

const check = process.argv.includes("--check");
if (!check) await mkdir(here("vendored/"), { recursive: true });
for (const [name, content] of Object.entries(files)) {
  const path = here(`vendored/${name}`);
  const compressed = name.endsWith(".gz");
  if (check) {
    // The content counts: two versions of zlib may compress differently.
    const there = await readFile(path);
    if (!content.equals(compressed ? gunzipSync(there) : there)) {
      console.error(`vendored/${name} is not what swagger-ui-dist holds; run: npm run vendor`);
      process.exitCode = 1;
    }
  } else {
    const bytes = compressed ? compress(content) : content;
    await writeFile(path, bytes);
    console.log(`vendored/${name}: ${bytes.length} bytes`);
  }
}
