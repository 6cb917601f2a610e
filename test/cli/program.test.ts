import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTestFolder } from "../support/folder.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const run = (...words: string[]) => spawnSync(process.execPath, ["bin/pressrun.js", ...words], { cwd: ROOT, encoding: "utf8" });

test("the help names every command, with nothing said and with --help, and ends with 0", () => {
  for (const words of [[], ["--help"], ["help"]]) {
    const { status, stdout, stderr } = run(...words);
    assert.deepEqual([status, stderr], [0, ""], words.join(" "));
    for (const command of ["serve", "process", "demo", "check", "migrate"]) assert.match(stdout, new RegExp(`^ {2}${command}\\b`, "m"));
  }
  assert.match(run("serve", "--help").stdout, /^Usage: pressrun serve/);
});

test("a command or an option that there is not ends with 2 and suggests what was meant", () => {
  const cases: [string[], RegExp][] = [
    [["chekc", "products.csv"], /unknown command 'chekc'\n\(Did you mean check\?\)/],
    [["compress"], /unknown command 'compress'/],
    [["serve", "--prot", "80"], /unknown option '--prot'/],
    [["check", "products.csv", "--image-column", "Photo"], /unknown option '--image-column'\n\(Did you mean --image-columns\?\)/],
    [["demo", "now"], /too many arguments for 'demo'/],
  ];
  for (const [words, message] of cases) {
    const { status, stdout, stderr } = run(...words);
    assert.deepEqual([status, stdout], [2, ""], words.join(" "));
    assert.match(stderr, message);
    assert.match(stderr, /--help/);
  }
});

test("an option that takes a value ends with 2 where it comes twice, in every command, and none of its values is passed over", () => {
  const cases: [string[], RegExp][] = [
    [
      ["process", "none.csv", "--out", "out", "--quality", "50", "--quality", "60"],
      /option '--quality <N>' came as '50' and as '60'; expected it once/,
    ],
    [["process", "none.csv", "--out", "a", "--out=b"], /option '--out <DIR>' came as 'a' and as 'b'/],
    [["check", "none.csv", "--probe", "1", "--id-column", "a", "--id-column", "a"], /option '--id-column <HEADER>' came as 'a' and as 'a'/],
    [["report", "batches", "--limit=1", "--since", "7d", "--limit=2"], /option '--limit <N>' came as '1' and as '2'/],
  ];
  for (const [words, message] of cases) {
    const { status, stdout, stderr } = run(...words);
    assert.deepEqual([status, stdout], [2, ""], words.join(" "));
    assert.match(stderr, message);
    assert.match(stderr, /--help/);
  }
  assert.match(run("check", "none.csv", "--json", "--json").stderr, /none\.csv/, "a switch has no value to be passed over");
});

test("the version is the package's", async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
  assert.deepEqual([run("--version").stdout, run("--version").status], [`${version}\n`, 0]);
});

test("an older Node hands over to the one that came along, or says how to get it", async () => {
  const folder = await createTestFolder();
  await mkdir(join(folder, "pressrun"));
  await cp(join(ROOT, "bin"), join(folder, "pressrun", "bin"), { recursive: true });
  await writeFile(join(folder, "pressrun", "package.json"), '{"type":"module"}');
  // What an older Node says of itself; the rest of it is this one.
  const older = [
    "--import",
    `data:text/javascript,${encodeURIComponent('Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } });')}`,
  ];
  const runOlder = (...words: string[]) =>
    spawnSync(process.execPath, [...older, join(folder, "pressrun", "bin", "pressrun.js"), ...words], { encoding: "utf8" });
  const without = runOlder("serve");
  assert.deepEqual([without.status, without.stdout], [1, ""]);
  assert.match(without.stderr, /needs Node 24 or later; this is Node 20\.19\.0 on .+\n.*npm install.+\n.+https:\/\/nodejs\.org/);

  const platform = `node-${process.platform}-${process.arch}`;
  await mkdir(join(folder, "node_modules", platform, "bin"), { recursive: true });
  await writeFile(join(folder, "node_modules", platform, "package.json"), "{}");
  await writeFile(join(folder, "node_modules", platform, "bin", "node"), '#!/bin/sh\necho "newer: $*"\nexit 7\n', { mode: 0o755 });
  const handed = runOlder("check", "products.csv");
  assert.equal(handed.status, 7, handed.stderr);
  assert.match(handed.stdout, /^newer: .*pressrun\.js check products\.csv\n$/);
});

test("docs/command-line.md tells of every command and of every option of process", async () => {
  const page = await readFile(join(ROOT, "docs", "command-line.md"), "utf8");
  const commands = [...run("--help").stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
  const options = [...run("process", "--help").stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
  assert.ok(commands.length >= 5 && options.length >= 20, `${commands.join()} ${options.join()}`);
  assert.deepEqual(
    commands.filter((name) => !page.includes(`\`pressrun ${name}`)),
    [],
  );
  assert.deepEqual(
    options.filter((flag) => !new RegExp(`${flag}(?![a-z-])`).test(page)),
    [],
  );
});
