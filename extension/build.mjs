// Builds the extension into dist/ and the demo page into dist-demo/: each loads as it is.
// `--watch` builds again on every change.
import { cp, mkdir, rm } from "node:fs/promises";
import * as esbuild from "esbuild";

const watch = process.argv.includes("--watch");

const common = {
  bundle: true,
  minify: !watch,
  sourcemap: watch ? "inline" : false,
  target: "chrome123",
  legalComments: "none",
  logLevel: "warning",
  // The CSS of what lives in a shadow root comes along as text; see look/sheet.ts.
  loader: { ".css": "text" },
  jsx: "automatic",
  jsxImportSource: "preact",
};

const builds = [
  {
    ...common,
    entryPoints: ["background", "offscreen", "panel"].map((name) => `src/extension/${name}.ts`),
    outdir: "dist",
    format: "esm",
  },
  // Chrome runs a content script as a classic script.
  { ...common, entryPoints: ["src/extension/content.ts"], outdir: "dist", format: "iife" },
  { ...common, entryPoints: ["src/demo/demo.ts"], outdir: "dist-demo", format: "esm" },
];

const copies = [
  ["manifest.json", "dist/manifest.json"],
  ...[16, 32, 48, 128].map((size) => [`icons/${size}.png`, `dist/icons/${size}.png`]),
  ["src/extension/panel.html", "dist/panel.html"],
  ["src/extension/panel.css", "dist/panel.css"],
  ["src/extension/offscreen.html", "dist/offscreen.html"],
  ["src/extension/config.json", "dist/config.json"],
  ["src/demo/index.html", "dist-demo/index.html"],
  ["src/demo/page.css", "dist-demo/page.css"],
  ["../README.md", "dist-demo/README.md"],
];

for (const folder of ["dist", "dist-demo"]) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
}
for (const [from, to] of copies) {
  await cp(from, to, { recursive: true });
}
for (const build of builds) {
  if (watch) {
    await (await esbuild.context(build)).watch();
  } else {
    await esbuild.build(build);
  }
}
