import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readConfig } from "../../src/config.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const page = await readFile(join(ROOT, "docs/operating.md"), "utf8");
const config = await readFile(join(ROOT, "src/config.ts"), "utf8");
/** The names of all settings. */
const settings = [...new Set([...config.matchAll(/"([A-Z][A-Z_]{3,})"/g)].map(([, name = ""]) => name))].toSorted();

/** A call that logs a warning or an error, with its message where that is a literal. */
const LOGGED = /(?:\blog\.(?:warn|error)|(?<![.\w])warn)\([^;"]*(?:"([^"]+)"|;)/g;

/** Where messages are logged that are no literals there, and where they come from. */
const WORDED_ELSEWHERE = {
  "src/app.ts": "what the embedded server says",
  "src/observe/calm-warn.ts": "what its callers say",
  "src/observe/log.ts": "the type alone",
};

/** What is logged of the embedded server; … stands for what is filled in. */
function embeddedServerSays(source: string): string[] {
  return [...source.matchAll(/(?<![.\w])log\(`([^`]+)`\)/g)].map(([, message = ""]) => message.replaceAll(/\$\{[^}]*\}/g, "…"));
}

/** The first cells of the table below a heading. */
function firstCells(heading: string): string[] {
  const [, rest = ""] = page.split(`\n## ${heading}\n`);
  const rows = (rest.split("\n## ")[0] ?? "").split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) => row.split("|")[1]?.trim() ?? "");
}

describe("docs/operating.md", () => {
  test("has every setting that is read, and no other", () => {
    const listed = firstCells("Settings")
      .flatMap((cell) => cell.split(", "))
      .map((name) => name.replaceAll("`", ""));
    assert.deepEqual(listed.toSorted(), settings);
  });

  test("has every warning and error that is logged, and no other", async () => {
    const logged: string[] = [];
    const worded: string[] = [];
    for await (const file of glob("src/**/*.ts", { cwd: ROOT })) {
      const source = await readFile(join(ROOT, file), "utf8");
      const messages = [...source.matchAll(LOGGED)].map(([, message]) => message);
      logged.push(...messages.filter((message) => message !== undefined), ...embeddedServerSays(source));
      if (messages.includes(undefined)) worded.push(file);
    }
    assert.deepEqual(worded.toSorted(), Object.keys(WORDED_ELSEWHERE));
    const listed = firstCells("Logs").map((cell) => cell.replaceAll("`", ""));
    assert.deepEqual(listed.toSorted(), [...new Set(logged)].toSorted());
  });
});

describe(".env.example", async () => {
  const text = await readFile(join(ROOT, ".env.example"), "utf8");
  // A comment ends each value, as it does for node --env-file.
  const shown = [...text.matchAll(/^# ([A-Z_]+)=(.*?)(?: +#.*)?$/gm)].map(([, name = "", value = ""]) => [name, value] as const);

  test("has every setting that is read, and no other", () => {
    assert.deepEqual(shown.map(([name]) => name).toSorted(), settings);
  });

  test("shows the defaults", () => {
    assert.deepEqual(readConfig(Object.fromEntries(shown)), readConfig({}));
  });

  test("leaves no number and no switch without its default, but one that depends on the machine", () => {
    const valued = new Set([...config.matchAll(/read\.(?:integer|flag)\("([A-Z_]+)"/g)].map(([, name]) => name));
    assert.ok(valued.size > 5);
    assert.deepEqual(
      shown.filter(([name, value]) => value === "" && valued.has(name)).map(([name]) => name),
      ["ENCODERS"],
    );
  });
});
