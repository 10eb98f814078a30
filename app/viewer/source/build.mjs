// Bundles the viewer into ../static; with --tests, bundles and runs the tests of the parts that need no browser.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, mkdirSync, writeFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const root = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const out = join(root, "..", "static");

const shared = {
  bundle: true,
  format: "esm",
  target: "es2022",
  // The service reads NIfTI alone: the decoders of another format stay out, two thirds of the bundle.
  alias: { zarrita: join(root, "src", "without-zarr.ts") },
  logLevel: "warning",
};

if (process.argv.includes("--tests")) await runTests();
else await bundle();

async function bundle() {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "assets"), { recursive: true });
  const result = await build({
    ...shared,
    entryPoints: { viewer: join(root, "src", "main.ts"), style: join(root, "src", "style.css") },
    outdir: join(out, "assets"),
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    splitting: true,
    minify: true,
    legalComments: "none",
    metafile: true,
  });
  const named = (entry) => assetOf(result.metafile, entry);
  const page = readFileSync(join(root, "src", "index.html"), "utf8")
    .replace("{{script}}", named("src/main.ts"))
    .replace("{{style}}", named("src/style.css"));
  writeFileSync(join(out, "index.html"), page);
  writeFileSync(join(out, "assets", "licences.txt"), licences(result.metafile));
  report();
}

/** The licences of every package that is in the bundle, as those ask to be passed on. */
function licences(metafile) {
  const names = Object.keys(metafile.inputs).flatMap((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []);
  const texts = [...new Set(names)].sort().map((name) => {
    const folder = join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(join(folder, file), "utf8") : ""}`;
  });
  return texts.join(`\n${"-".repeat(80)}\n`);
}

function assetOf(metafile, entry) {
  const found = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint?.endsWith(entry));
  if (!found) throw new Error(`the bundle lacks ${entry}`);
  return `viewer/assets/${found[0].split("/").at(-1)}`;
}

function report() {
  for (const name of readdirSync(join(out, "assets")).sort()) {
    const path = join(out, "assets", name);
    const packed = gzipSync(readFileSync(path)).length;
    console.log(`${name.padEnd(40)} ${kilobytes(statSync(path).size)}  gzipped ${kilobytes(packed)}`);
  }
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(0)} kB`.padStart(8);
}

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), "viewer-tests-"));
  const tests = readdirSync(join(root, "tests")).map((name) => join(root, "tests", name));
  await build({ ...shared, entryPoints: tests, outdir: folder, platform: "node", outExtension: { ".js": ".mjs" } });
  const { status } = spawnSync(process.execPath, ["--test", folder], { stdio: "inherit" });
  rmSync(folder, { recursive: true });
  process.exit(status ?? 1);
}
