import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import Value from "typebox/value";
import { Preflight } from "../../src/contract/preflight.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SECRET = "s1gnatur3";

describe("pressrun check", () => {
  let folder: string;
  /** Where it puts things aside. */
  let temp: string;
  let origin: Origin;
  let asked = 0;
  before(async () => {
    folder = await createTestFolder();
    temp = await createTestFolder();
    origin = await startOrigin((_, response, url) => {
      if (url.pathname.startsWith("/hang")) asked += 1;
      else response.writeHead(404).end();
    });
  });

  const start = (words: string[], env: Record<string, string> = {}) =>
    spawn(process.execPath, ["bin/pressrun.js", "check", ...words], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], TMPDIR: temp, ...env },
    });
  const finish = async (child: ReturnType<typeof start>, input = "") => {
    child.stdin.end(input);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
    assert.deepEqual(
      (await readdir(temp)).filter((name) => name.startsWith("pressrun")),
      [],
      "nothing is left",
    );
    return { code: code as number, stdout, stderr };
  };
  const check = (words: string[], { input = "", env = {} }: { input?: string; env?: Record<string, string> } = {}) =>
    finish(start(words, env), input);
  const put = async (name: string, content: string | Buffer) => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const fixture = (name: string) => join(ROOT, "test", "fixtures", "dialects", name);

  test("says what a good file is, and ends with 0; without server, database or settings", async () => {
    const { code, stdout, stderr } = await check([fixture("google-merchant-1252.txt")], {
      env: { HOST: "0.0.0.0", DATABASE_URL: "nonsense" },
    });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^google-merchant-1252\.txt: a file as Google Merchant Center writes it; it can be uploaded as it is\n/);
    for (const line of [
      /File +windows-1252, tab between cells, header in line 1/,
      /Images in +"image link", "additional image link"/,
      /Name in +"title"/,
      /Id in +"id"/,
      /Rows +\d/,
      /Products +\d/,
      /Images +\d+, of which \d+ distinct/,
      /Hosts? +\S+: \d+ images?/,
    ])
      assert.match(stdout, line);
  });

  test("lists the problems of a file with their places, and ends with 1", async () => {
    const { code, stdout } = await check([
      await put("bad.csv", `S. No,Product Name,Input Image Urls\n1,Mug,https://shop.example/1.jpg\n2,Cup,\u001B[31mnowhere\n`),
    ]);
    assert.equal(code, 1);
    assert.match(stdout, /^bad\.csv: .+; it has 1 problem\n/);
    assert.match(stdout, /Problems\n {2}line 3, column "Input Image Urls": url_invalid: Expected an absolute http or https URL, got /);
    assert.ok(!stdout.includes("\u001B"), "a terminal is not told to do anything");
    const skipping = await check([join(folder, "bad.csv"), "--on-invalid", "skip"]);
    assert.equal(skipping.code, 0);
    assert.match(skipping.stdout, /1 no URL that can be fetched/);
  });

  test("names the flags of the command line, not the options of the API", async () => {
    const noColumn = await check(["-"], { input: "sku,price\nA,5\n" });
    assert.match(noColumn.stdout, /no_image_column: .+; name it with --image-columns, or use the header/);
    const magento = await check([fixture("magento.csv")]);
    assert.match(magento.stdout, /url_invalid: .+ upload with --base-url=…, .+ Correct it, or upload with --on-invalid=skip\./);
    assert.match(magento.stdout, /Good to know\n[\s\S]+ upload with --base-url=https:\/\//);
  });

  test("reads the columns that it is told to, and the standard input", async () => {
    const input = "Nummer;Titel;Vorne;Hinten\nA-1;Säge;/a.jpg;/b.jpg\n";
    const { code, stdout } = await check(
      ["-", "--image-columns", "Vorne,Hinten", "--name-column=Titel", "--id-column", "Nummer", "--base-url", "https://shop.example/media"],
      { input },
    );
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^standard input: a table of no shop system/);
    for (const line of [
      /Images in +"Vorne", "Hinten"/,
      /Name in +"Titel"/,
      /Id in +"Nummer"/,
      /Host +shop\.example: 2 images/,
      /Base URL +https:\/\/shop\.example\/media\n/,
    ])
      assert.match(stdout, line);
  });

  test("prints with --json what the route answers", async () => {
    const { code, stdout } = await check([fixture("shopify.csv"), "--json"]);
    const found: unknown = JSON.parse(stdout);
    assert.deepEqual([...Value.Errors(Preflight, found)], []);
    const { ok, fileName, bytes, images, file } = found as Preflight;
    assert.deepEqual(
      [code, ok, fileName, bytes, images, file?.dialect],
      [0, true, "shopify.csv", (await readFile(fixture("shopify.csv"))).length, 5, "shopify"],
    );
  });

  test("tries a sample and forecasts, by the settings of the environment", async () => {
    const path = await put(
      "probe.csv",
      catalogueOf([
        ...Array.from({ length: 9 }, (_, index) => [`${origin.url}/photo/${index}.jpg?s=${SECRET}`]),
        [`${origin.url}/gone.jpg?s=${SECRET}`],
      ]),
    );
    const { code, stdout } = await check([path, "--probe", "200"], { env: { ALLOW_CIDRS: "127.0.0.1/32", ENCODERS: "3" } });
    assert.equal(code, 0);
    assert.match(stdout, /Probe: 10 images tried, 1 failed\n {2}127\.0\.0\.1:\d+: 1 of 10 failed: not_found 1\n/);
    assert.match(stdout, /Failed, for example\n {2}http:\/\/127\.0\.0\.1:\d+\/gone\.jpg\?…: not_found: The server/);
    assert.match(
      stdout,
      /Forecast\n {2}about 1 distinct image will fail \(every one was tried\)\n {2}[\d.]+ MB to fetch, 0\.7 megapixels to compress\n {2}[\d.]+ s on an idle service \(fetching [\d.]+ s, compressing to jpeg [\d.]+ s with 3 encoders\)\n/,
    );
    assert.ok(!stdout.includes(SECRET), "no query is shown");
    const blocked = await check([path, "--probe", "5"]);
    assert.match(blocked.stdout, /5 of 5 failed: address_blocked 5/);
  });

  test("ends with 2 where there is nothing to look at, and says what to do", async () => {
    const good = fixture("seed.csv");
    const cases: [string[], RegExp, Record<string, string>?][] = [
      [[], /missing required argument 'FILE'/],
      [[join(folder, "none.csv")], /There is no file .+none\.csv/],
      [[folder], /Expected a file, got the directory/],
      [[await put("book.csv", "PK\u0003\u0004 xl/workbook.xml")], /Excel workbook.+CSV UTF-8/],
      [[good, good], /Expected 1 argument but got 2/],
      [[good, "--colour"], /unknown option '--colour'[\s\S]+--help/],
      [[good, "--prob", "3"], /Did you mean --probe\?/],
      [[good, "--probe", "900"], /^--probe: Expected a whole number from 0 to 200, got 900/],
      [[good, "--base-url", "shop"], /^--base-url: Expected an absolute http or https URL/],
      [[good, "--on-invalid", "maybe"], /^--on-invalid: .+reject, skip/],
      [[good, "--probe", "1"], /ALLOW_CIDRS/, { ALLOW_CIDRS: "everything" }],
    ];
    for (const [words, message, env] of cases) {
      const { code, stdout, stderr } = await check(words, { env: env ?? {} });
      assert.deepEqual([code, stdout], [2, ""], `${words.join(" ")}: ${stderr}`);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n +at /, "no stack");
    }
  });

  test("does not end well where its report finds no room", { skip: !existsSync("/dev/full") }, async () => {
    const words = [process.execPath, "bin/pressrun.js", "check", fixture("google-merchant-1252.txt"), "--json"];
    const child = spawn("sh", ["-c", 'exec "$0" "$@" > /dev/full', ...words], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], TMPDIR: temp },
    });
    const { code, stderr } = await finish(child);
    assert.equal(code, 3);
    assert.match(stderr, /^The output could not be written: ENOSPC/);
  });

  test("explains itself", async () => {
    const { code, stdout } = await check(["--help"]);
    assert.equal(code, 0);
    for (const flag of ["--probe", "--json", "--image-columns", "--name-column", "--id-column", "--base-url", "--on-invalid"])
      assert.ok(stdout.includes(flag), flag);
  });

  test("leaves nothing when it is interrupted, while it reads and while it tries", async () => {
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129],
    ] as const) {
      const waiting = start(["-"]);
      const ended = Promise.all([once(waiting, "exit"), text(waiting.stdout)]);
      waiting.stdin.write("id,photo\n");
      await eventually("the file that is put aside", async () =>
        (await readdir(temp, { recursive: true })).some((name) => name.endsWith("stdin.csv")),
      );
      waiting.kill(signal);
      assert.deepEqual(await ended, [[code, null], ""]);
      assert.deepEqual(
        (await readdir(temp)).filter((name) => name.startsWith("pressrun")),
        [],
      );
    }

    const child = start(["-", "--probe", "5"], { ALLOW_CIDRS: "127.0.0.1/32" });
    const ending = finish(child, catalogueOf([[`${origin.url}/hang/1.jpg`]]));
    await eventually("a download on its way", async () => asked === 1);
    child.kill("SIGINT");
    assert.deepEqual(await ending, { code: 130, stdout: "", stderr: "" });
  });
});
