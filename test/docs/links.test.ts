import assert from "node:assert/strict";
import { glob, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LINK = /\[[^\]]*\]\((?<target>[^)\s]+)\)/g;
const MENTION = /(?<![\w/.])docs\/[\w/-]+(?:\.md)?(?![\w/-]|\.\w)/g;

const ROOMS = (await readdir(join(ROOT, "src"), { withFileTypes: true })).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
/** A room's folder or module as pages name it: `net/download`, `src/domain/ids.ts`, `net/http1/`. */
const MODULE = new RegExp(`(?<![\\w/.-])(?:src/)?((?:${ROOMS.join("|")})/[a-z0-9/-]+)(?:\\.ts)?(?=[\\s\\x60,;:)]|\\.(?!\\w))`, "g");

const files = (await readdir(ROOT, { withFileTypes: true })).flatMap((entry) =>
  entry.isFile() && entry.name.endsWith(".md") ? [entry.name] : [],
);
for (const folder of ["bench", "docs", "examples", "test"]) {
  for await (const file of glob(`${folder}/**/*.md`, { cwd: ROOT })) files.push(file);
}

function withoutFences(page: string): string {
  return page.replaceAll(/^ *```[^]*?^ *```$/gm, "");
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  const headings = [...withoutFences(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

describe("in every page", () => {
  for (const file of files) {
    test(`relative links and anchors lead somewhere: ${file}`, async () => {
      const page = await readFile(join(ROOT, file), "utf8");
      for (const { groups } of withoutFences(page)
        .replaceAll(/`[^`\n]*`/g, "")
        .matchAll(LINK)) {
        const [path = "", anchor] = (groups?.["target"] ?? "").split("#");
        if (/^[a-z]+:/.test(path)) continue;
        const target = path === "" ? file : relative(ROOT, join(ROOT, dirname(file), path));
        assert.ok(await stat(join(ROOT, target)).catch(() => null), `${file} links to ${path}, which is not there`);
        if (anchor !== undefined)
          assert.ok(
            anchorsOf(await readFile(join(ROOT, target), "utf8")).includes(anchor),
            `${file} links to #${anchor}, which ${target} does not have`,
          );
      }
    });

    test(`pages that are named are there: ${file}`, async () => {
      const page = withoutFences(await readFile(join(ROOT, file), "utf8"));
      for (const [mention] of page.matchAll(MENTION))
        assert.ok(await stat(join(ROOT, mention)).catch(() => null), `${file} names ${mention}, which is not there`);
    });

    test(`modules that are named are there: ${file}`, async () => {
      const page = await readFile(join(ROOT, file), "utf8");
      for (const [, name = ""] of page.matchAll(MODULE)) {
        const places = [name, `${name}.ts`].map((place) => stat(join(ROOT, "src", place)).catch(() => null));
        assert.ok((await Promise.all(places)).some(Boolean), `${file} names ${name}, which src/ does not have`);
      }
    });
  }
});
