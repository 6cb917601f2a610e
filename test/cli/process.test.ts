import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, beforeEach, describe, test } from "node:test";
import sharp from "sharp";
import { STATE_FOLDER } from "../../src/cli/process/run-record.ts";
import { placeCluster } from "../support/cluster.ts";
import { runCommand } from "../support/command.ts";
import { rowsByFastCsv } from "../support/csv.ts";
import { createFolderElsewhere, createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { processesNaming } from "../support/processes.ts";

type Report = {
  outcome: string;
  message?: string;
  problems?: unknown[];
  images: { total: number; done: number; failed: number; reused: number; settledBefore: number };
  failures: { code: string; images: number; example: { url: string } }[];
  resultsCsv: string;
  failuresCsv: string | null;
  importCsv: string | null;
};

describe("pressrun process", () => {
  let folder: string;
  let origin: Origin;
  let isBroken = true;
  before(async () => {
    folder = await createTestFolder();
    origin = await startOrigin((request, response, url) => {
      if (url.pathname === "/protected.jpg")
        response.writeHead(request.headers.authorization === "Bearer s3cret" ? 302 : 401, { location: "/photo/98.jpg" }).end();
      else if (url.pathname !== "/mended.jpg" || isBroken) response.writeHead(404).end();
      else response.writeHead(302, { location: "/photo/99.jpg" }).end();
    });
  });
  beforeEach(() => origin.hits.clear());

  const put = async (name: string, content: string | Buffer) => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  /** An --out that has its database already, which takes most of the time of a first run. */
  const folderWithCluster = async (name: string) => {
    await placeCluster(join(folder, name, STATE_FOLDER));
    return join(folder, name);
  };
  const photo = (index: number) => `${origin.url}/photo/${index}.jpg`;
  const json = (stdout: string) => JSON.parse(stdout) as Report;
  const cells = async (path: string) => rowsByFastCsv(await readFile(path, "utf8"));

  test("makes every image of a good file, ends with 0, and knows later that it is finished", async () => {
    const file = await put(
      "good.csv",
      [
        "S. No,Product Name,Input Image Urls",
        `mug,Mug,"${photo(1)}, ${photo(2)}"`,
        `cup,Cup,${origin.url}/protected.jpg`,
        `mug,Another mug,${photo(4)}`,
        "",
      ].join("\n"),
    );
    const out = join(folder, "good");
    const secrets = await put(
      "secrets.json",
      JSON.stringify([{ host: new URL(origin.url).host, headers: { authorization: "Bearer s3cret" } }]),
    );
    const words = [
      "process",
      file,
      "--out",
      out,
      "--source-headers",
      secrets,
      "--width",
      "100",
      "--format",
      "webp",
      "--public-url",
      "https://img.shop.example/2025/",
    ];
    const { code, stdout, stderr } = await runCommand(words);
    assert.equal(code, 0, stdout + stderr);
    assert.match(
      stdout,
      /^Images +4 of 4 done, 0 failed\nBytes +[\d.]+ kB before, [\d.]+ kB after: \d+ % saved\nTime +[\d.]+ s, [\d.]+ images\/s\nImages in +\/.+\/good\/images\nResult CSV +\/.+\/good\/results\.csv\nTo import +\/.+\/good\/import\.csv\n$/,
    );
    assert.match(stderr, /100 % {2}4\/4 images, 0 failed/);
    assert.deepEqual((await readdir(out)).toSorted(), [".pressrun", "images", "import.csv", "results.csv"]);
    // Two products of one id: each output has a name of its own.
    const names = (await readdir(join(out, "images"))).toSorted();
    assert.deepEqual(names, ["cup-1.webp", "mug-1.webp", "mug-2.webp", "mug.4-1.webp"]);
    const made = await sharp(join(out, "images", "mug-2.webp")).metadata();
    assert.deepEqual([made.format, made.width], ["webp", 100]);
    assert.deepEqual(
      (await cells(join(out, "results.csv"))).map((row) => row.slice(3)),
      [
        ["Output Image Urls", "Status", "Errors"],
        ["https://img.shop.example/2025/mug-1.webp,https://img.shop.example/2025/mug-2.webp", "completed", ""],
        ["https://img.shop.example/2025/cup-1.webp", "completed", ""],
        ["https://img.shop.example/2025/mug.4-1.webp", "completed", ""],
      ],
    );
    assert.equal((await cells(join(out, "import.csv")))[2]?.[2], "https://img.shop.example/2025/cup-1.webp");
    assert.deepEqual(processesNaming(out), []);

    origin.hits.clear();
    const again = await runCommand(words);
    assert.equal(again.code, 0);
    assert.match(again.stdout, /is finished: this run of good\.csv ended before\. Add --again/);
    assert.equal(origin.hits.size, 0, "nothing is asked for again");

    const other = await runCommand([...words, "--quality", "30"]);
    assert.deepEqual([other.code, other.stdout], [2, ""]);
    assert.match(other.stderr, /holds a finished run that differs in quality \(80 there, 30 here\)\. Choose another --out, add --again/);
    const otherFile = await runCommand(["process", await put("other.csv", catalogueOf([[photo(9)]])), ...words.slice(2)]);
    assert.equal(otherFile.code, 2);
    assert.match(otherFile.stderr, /differs in the file \(good\.csv of \d+ bytes, sha256 \w{8}… there, other\.csv/);
    assert.deepEqual((await readdir(join(out, "images"))).toSorted(), names);
  });

  test("ends with 1 where images failed, says why, and tries only them and what changed with --again", async () => {
    const rows = [[photo(1), `${origin.url}/gone.jpg`], [`${origin.url}/mended.jpg`], [photo(2)]];
    const out = await folderWithCluster("some");
    const { code, stdout, stderr } = await runCommand(["process", "-", "--out", out, "--json"], {}, catalogueOf(rows));
    assert.equal(code, 1, stderr);
    const report = json(stdout);
    assert.equal(report.outcome, "some");
    assert.deepEqual(report.images, { total: 4, done: 2, failed: 2, reused: 0, settledBefore: 0 });
    assert.deepEqual(
      report.failures.map(({ code, images, example }) => [code, images, example.url]),
      [["not_found", 2, `${origin.url}/gone.jpg`]],
    );
    assert.match(stderr, /4\/4 images, 2 failed \(not_found 2\)/);
    assert.equal(await readFile(report.failuresCsv ?? "", "utf8"), catalogueOf(rows.slice(0, 2)));
    assert.deepEqual(
      (await cells(report.resultsCsv)).map((row) => row.slice(3)),
      [
        ["Output Image Urls", "Status", "Errors"],
        ["images/1-1.jpg,", "partial", "2: not_found: The server answered with status 404."],
        ["", "failed", "1: not_found: The server answered with status 404."],
        ["images/3-1.jpg", "completed", ""],
      ],
    );

    isBroken = false;
    const made = await stat(join(out, "images", "1-1.jpg"));
    // The gone image is out of the catalogue, and so is the third product.
    const again = await runCommand(
      ["process", "-", "--out", out, "--json", "--again"],
      {},
      catalogueOf([[photo(1)], [`${origin.url}/mended.jpg`]]),
    );
    assert.equal(again.code, 0, again.stdout + again.stderr);
    assert.deepEqual(json(again.stdout).images, { total: 2, done: 2, failed: 0, reused: 1, settledBefore: 0 });
    assert.deepEqual((await readdir(join(out, "images"))).toSorted(), ["1-1.jpg", "2-1.jpg"]);
    assert.equal((await stat(join(out, "images", "1-1.jpg"))).ino, made.ino, "what has not changed is the same file");
    assert.deepEqual([json(again.stdout).failuresCsv, existsSync(join(out, "failures.csv"))], [null, false]);
  });

  test("shows of failed images neither a query, nor the end of a link that broke in two, nor a password", async () => {
    const out = await folderWithCluster("secret");
    const whole = `${origin.url}/gone.jpg?X-Amz-Signature=s3cret`;
    const run = async (link: string, ...words: string[]) => {
      const args = ["process", "-", "--out", out, "--on-invalid=skip", ...words];
      const { code, stdout, stderr } = await runCommand(args, {}, catalogueOf([[photo(1), whole], [link]]));
      assert.equal(code, 1, stderr);
      assert.doesNotMatch(stdout + stderr, /s3cret/);
      return stdout;
    };
    const urls = (stdout: string) => Object.fromEntries(json(stdout).failures.map(({ code, example }) => [code, example.url]));
    const broken = `${photo(2)}?response-content-disposition=attachment; filename=a.jpg&X-Amz-Signature=s3cret`;
    assert.deepEqual(urls(await run(broken, "--json")), { not_found: `${origin.url}/gone.jpg?…`, url_invalid: "filename=…" });
    const summary = await run(broken);
    assert.match(summary, /not_found +1 +http:\/\/127\.0\.0\.1:\d+\/gone\.jpg\?…: The server/);
    assert.match(summary, /url_invalid +1 +filename=…: Expected an absolute/);
    const withPassword = "http://me:s3cret@shop.example/a.jpg";
    assert.equal(urls(await run(withPassword, "--json", "--again"))["url_invalid"], "http://…@shop.example/a.jpg");
  });

  test("copies images to a folder on another file system once, and takes away those that are gone", async (t) => {
    const elsewhere = await createFolderElsewhere();
    if (elsewhere === null) return t.skip("this machine has no second file system to write to");
    const out = await folderWithCluster("elsewhere");
    let rows = [[photo(1)], [photo(2)]];
    const run = (...words: string[]) => runCommand(["process", "-", "--out", out, ...words], {}, catalogueOf(rows));
    assert.equal((await run()).code, 0);
    await rm(join(out, "images"), { recursive: true });
    await symlink(elsewhere, join(out, "images"));

    assert.equal((await run("--again")).code, 0);
    assert.deepEqual((await readdir(elsewhere)).toSorted(), ["1-1.jpg", "2-1.jpg"]);
    const copied = await stat(join(elsewhere, "1-1.jpg"));
    rows = [[photo(1)]];
    const again = await run("--again");
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(await readdir(elsewhere), ["1-1.jpg"]);
    assert.equal((await stat(join(elsewhere, "1-1.jpg"))).ino, copied.ino, "a copy of what has not changed is not made again");
  });

  test("keeps of the runs before with --again but the last, however often it is run", async () => {
    const out = await folderWithCluster("nightly");
    const batches = async () => {
      const env = { DATA_DIR: join(out, STATE_FOLDER), EMBEDDED_PG_PORT: "0" };
      const { stdout } = await runCommand(["report", "batches", "--format", "json"], env);
      return (JSON.parse(stdout) as { batch_id: string }[]).map(({ batch_id }) => batch_id);
    };
    const run = async (...words: string[]) => {
      const { code, stdout, stderr } = await runCommand(["process", "-", "--out", out, "--json", ...words], {}, catalogueOf([[photo(1)]]));
      assert.equal(code, 0, stdout + stderr);
      return json(stdout).images.reused;
    };
    assert.equal(await run(), 0);
    const [first] = await batches();
    assert.equal(await run("--again"), 1);
    assert.ok((await batches()).includes(first ?? ""), "what the run after it may link to");
    assert.equal(await run("--again"), 1);
    const left = await batches();
    assert.deepEqual([left.length, left.includes(first ?? "")], [2, false]);
    assert.deepEqual(await readdir(join(out, "images")), ["1-1.jpg"]);
  });

  test("ends with 2 where nothing can be begun, says why and where, and leaves nothing", async () => {
    const temp = await createTestFolder();
    const good = await put("usable.csv", catalogueOf([[photo(1)]]));
    const bad = await put("bad.csv", `S. No,Product Name,Input Image Urls\n1,Mug,${photo(1)}\n2,Cup,\u001B[31mnowhere\n`);
    await mkdir(join(folder, "taken"));
    await writeFile(join(folder, "taken", "results.csv"), "mine");
    const out = join(folder, "none");
    const nowhere: [string[], RegExp] = [
      [good, "--out", "/proc/pressrun/made"],
      /^--out: Expected a folder that can be written to, got \/proc\/pressrun\/made \(ENOENT\)/,
    ];
    const cases: [string[], RegExp, Record<string, string>?][] = [
      [
        [bad, "--out", out],
        /^bad\.csv: 1 problem; nothing was begun\.\n\nProblems\n {2}line 3, column "Input Image Urls": url_invalid: Expected an absolute/,
      ],
      [[join(folder, "none.csv"), "--out", out], /There is no file .+none\.csv/],
      [[await put("book.csv", "PK\u0003\u0004 xl/workbook.xml"), "--out", out], /^Expected[\s\S]+CSV UTF-8/],
      [[good], /required option '--out <DIR>' not specified/],
      [[good, "--out", out, "--qualty", "60"], /unknown option '--qualty'\n\(Did you mean --quality\?\)/],
      [
        [good, "--out", out, "--quality", "600", "--metadata", "all"],
        /^--quality: Expected a whole number from 1 to 100, got 600\.\n--metadata: Expected one of none, icc, copyright, got "all"\./,
      ],
      [[good, "--out", out, "--public-url", "img"], /^--public-url: Expected where DIR\/images will be reached/],
      [[good, "--out", out, "--source-headers", "none.json"], /^--source-headers: Expected a file with JSON, got none\.json \(ENOENT\)/],
      [[good, "--out", out, "--source-headers", good], /^--source-headers: Expected a list of 1 to 10/],
      [[good, "--out", out], /^The configuration has a fault:\n.+ENCODERS/, { ENCODERS: "many" }],
      [[good, "--out", join(folder, "taken")], /holds results\.csv already, of no run that is known here/],
      [[good, "--out", good], /^--out: Expected a folder that can be written to, got .+usable\.csv/],
      ...(existsSync("/proc/self") ? [nowhere] : []),
      [[good, "--out", join(folder, "two\nlines")], /^--out: Expected a path without line breaks, .+two�lines/],
    ];
    for (const [words, message, env] of cases) {
      const { code, stdout, stderr } = await runCommand(["process", ...words], { TMPDIR: temp, ...env });
      assert.deepEqual([code, stdout], [2, ""], `${words.join(" ")}: ${stderr}`);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n +at |\u001B/, "no stack, and no word to the terminal");
    }
    assert.deepEqual(
      [existsSync(out), await readdir(join(folder, "taken")), await readFile(good, "utf8")],
      [false, ["results.csv"], catalogueOf([[photo(1)]])],
    );
    assert.deepEqual(
      (await readdir(temp)).filter((name) => name.startsWith("pressrun")),
      [],
    );

    await mkdir(join(folder, "odd", ".pressrun", "postgres"), { recursive: true });
    await writeFile(join(folder, "odd", ".pressrun", "postgres", "PG_VERSION"), "17\n");
    const broken = await runCommand(["process", good, "--out", join(folder, "odd"), "--json"]);
    assert.deepEqual([broken.code, json(broken.stdout).outcome], [3, "broken"], "no fault of the caller");
    assert.match(broken.stderr, /^It could not go on: The database in .+ was made by PostgreSQL 17[\s\S]+The same command goes on/m);
    await writeFile(join(folder, "odd", ".pressrun", "run.json"), "[]");
    assert.match(
      (await runCommand(["process", good, "--out", join(folder, "odd")])).stderr,
      /run\.json is not what pressrun process writes\. Choose another --out, or remove/,
    );

    const refused = await runCommand(["process", bad, "--out", out, "--json"]);
    const checked = await runCommand(["check", bad, "--json"]);
    assert.deepEqual([refused.code, json(refused.stdout).outcome], [2, "refused"]);
    assert.deepEqual(json(refused.stdout).problems, json(checked.stdout).problems, "the problems that the API answers");
  });

  test("says what to do where the images lie on this machine", async () => {
    const { code, stdout } = await runCommand(
      ["process", await put("local.csv", catalogueOf([[photo(1)]])), "--out", await folderWithCluster("local")],
      { ALLOW_CIDRS: "" },
    );
    assert.equal(code, 1);
    assert.match(stdout, /address_blocked +1 /);
    assert.match(stdout, /ALLOW_CIDRS=127\.0\.0\.1\/32,10\.0\.0\.0\/8 pressrun process .+local\.csv --out .+local --again\n/);
  });

  test("says it as a shell takes it, with all that was asked for: the run would make other images otherwise", async () => {
    const [file, dir] = [await put("this machine's.csv", catalogueOf([[photo(1)]])), await folderWithCluster("own")];
    const { stdout } = await runCommand(["process", file, "--out", dir, "--width", "100", "--format", "webp"], { ALLOW_CIDRS: "" });
    const [, hint = ""] = /^ +ALLOW_CIDRS=\S+ pressrun (.+)$/m.exec(stdout) ?? [];
    const told = execFileSync("sh", ["-c", `printf '%s\n' ${hint}`], { encoding: "utf8" });
    assert.deepEqual(told.trimEnd().split("\n"), ["process", file, "--out", dir, "--width", "100", "--format", "webp", "--again"]);
  });
});
