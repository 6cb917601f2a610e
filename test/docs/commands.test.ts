import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { createSecret } from "../../src/domain/secret/webhook-signature.ts";
import { onCleanup } from "../support/cleanup.ts";
import { placeCluster } from "../support/cluster.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";
import { openPageShell } from "./commands/page-shell.ts";
import { commandBlocksOf, strayOutputsOf, type Step } from "./commands/page-steps.ts";
import { assertSameOutput } from "./commands/same-output.ts";
import { EXIT_CODES, FILES, LASTING, NOT_RUN, ORIGIN_FILES, PAGES, replacementsFor, SHOWN_BESIDES } from "./commands/tables.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What the commands of a checkout need of it. */
const CHECKOUT = ["bin", "examples", "node_modules", "openapi.json", "package.json"];

const pages = await Promise.all(
  PAGES.map(async (name) => {
    const text = await readFile(join(ROOT, name), "utf8");
    return { name, text, blocks: commandBlocksOf(text) };
  }),
);

describe("the commands in README and docs", { timeout: 120_000, concurrency: true }, () => {
  let service: Service;
  let databaseUrl: string;
  before(async () => {
    databaseUrl = await createTestDatabase();
    onCleanup(dropAnalyst);
    service = await startService({ DATABASE_URL: databaseUrl, DATA_DIR: await createTestFolder(), SECRET_KEY: "x".repeat(32) });
  });

  test("are those of all pages", async () => {
    const found = (await readdir(join(ROOT, "docs"))).filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`);
    assert.deepEqual(PAGES.toSorted(), ["README.md", "CONTRIBUTING.md", ...found].toSorted());
  });

  for (const { name, blocks } of pages) {
    const listed = NOT_RUN[name] ?? {};
    const steps = blocks.filter((block) => !(block.name in listed)).flatMap((block) => block.steps);

    test(`${name} has the blocks and commands that are listed`, () => {
      const names = blocks.map((block) => block.name);
      for (const gone of Object.keys(EXIT_CODES[name] ?? {}))
        assert.ok(
          steps.some(({ code }) => code.trim() === gone),
          `${name} has no command any more that is ${gone}`,
        );
      for (const gone of Object.keys(listed)) assert.ok(names.includes(gone), `${name} has no block any more that begins with ${gone}`);
    });

    if (steps.length > 0)
      test(`${name} can be followed from its first command to its last, and shows what comes`, () => follow(name, steps));
  }

  async function follow(name: string, steps: readonly Step[]): Promise<void> {
    const origin = await startShop();
    // A service that a page starts has files of its own: over one database it would take other pages' images.
    const pageDatabaseUrl = steps.some(({ code }) => code.includes("npm start")) ? await createTestDatabase() : databaseUrl;
    const here = { service: service.url, origin: origin.url, databaseUrl: pageDatabaseUrl, analystUrl: "", receiverPort: await freePort() };
    const { folder, env } = await makeReader(name, { origin, databaseUrl: pageDatabaseUrl });
    const shell = await openPageShell(folder, await createTestFolder(), env);
    for (const [file, text] of Object.entries(FILES))
      await writeFile(join(folder, file), text.replaceAll("https://shop.example", origin.url));
    try {
      for (const step of steps) await take(step);
    } finally {
      await shell.stop();
    }

    async function take(step: Step): Promise<void> {
      const where = `${name}:${step.line}`;
      const replaced = replacementsFor(here);
      const output = await run(
        replaced.reduce((text, [from, to]) => text.replaceAll(from, to), step.code),
        where,
      );
      assert.ok(
        !output.includes('"type":"about:blank"') || step.shown?.includes('"type":"about:blank"'),
        `${where} is refused, which the page does not say:\n${output}`,
      );
      if (step.shown !== null) assertSameOutput(output, step.shown, { folder, replaced }, where);
      here.analystUrl = /^postgres:\/\/analyst:\S+$/m.exec(output)?.[0] ?? here.analystUrl;
    }

    async function run(code: string, where: string): Promise<string> {
      const [, ready] = LASTING.find(([pattern]) => pattern.test(code.trim())) ?? [];
      if (ready === undefined) {
        const expected = EXIT_CODES[name]?.[code.trim()] ?? 0;
        const ran = await shell.run(code, { mayFail: expected !== 0 });
        assert.equal(ran.code, expected, `${where} ended with ${ran.code}:\n${ran.output}`);
        return ran.output;
      }
      const printed = await shell.start(code);
      if (ready === null)
        await eventually(where, () =>
          fetch(`http://127.0.0.1:${here.receiverPort}`).then(
            () => true,
            () => false,
          ),
        );
      else
        await eventually(where, async () => ready.test(await printed())).catch(async () =>
          assert.fail(`${where} did not begin:\n${await printed()}`),
        );
      here.service = ready?.exec(await printed())?.groups?.["url"] ?? here.service;
      return printed();
    }
  }

  /** A folder that looks like a checkout, `pressrun` in PATH, and the variables that a page takes for given. */
  async function makeReader(
    name: string,
    given: { origin: Origin; databaseUrl: string },
  ): Promise<{ folder: string; env: Record<string, string> }> {
    const [folder, tools] = [await createTestFolder(), await createTestFolder()];
    for (const part of CHECKOUT) await symlink(join(ROOT, part), join(folder, part));
    // Of the service that README.md starts in it.
    if (name === "README.md") await placeCluster(join(folder, "data"));
    await mkdir(join(tools, "bin"));
    await writeFile(join(tools, "bin", "pressrun"), `#!/bin/sh\nexec '${process.execPath}' '${ROOT}bin/pressrun.js' "$@"\n`);
    await chmod(join(tools, "bin", "pressrun"), 0o755);
    return {
      folder,
      env: {
        PATH: [join(tools, "bin"), dirname(process.execPath), process.env["PATH"]].join(":"),
        HOME: tools,
        npm_config_loglevel: "silent",
        // What installs does so in CI: here node_modules is the checkout's own.
        npm_config_dry_run: "true",
        ALLOW_CIDRS: "127.0.0.1/32",
        EMBEDDED_PG_PORT: "0",
        LOG_LEVEL: "warn",
        ...(name === "README.md" ? {} : { DATABASE_URL: given.databaseUrl, SECRET_KEY: "x".repeat(32) }),
        ...(await variablesOf(name, given.origin)),
      },
    };
  }

  /** A role is a server's, not a database's: it would outlive this one. */
  async function dropAnalyst(): Promise<void> {
    const db = connectDatabase({ url: databaseUrl, poolMax: 1, onError: () => {} });
    const { rows } = await db.executor.executeSql("select 1 from pg_roles where rolname = 'analyst'");
    for (const statement of rows.length > 0 ? ["drop owned by analyst", "drop role analyst"] : []) await db.executor.executeSql(statement);
    await db.close();
  }

  async function variablesOf(name: string, origin: Origin): Promise<Record<string, string>> {
    if (name === "docs/webhooks.md")
      return { WEBHOOK_SECRET: createSecret(Buffer.alloc(32)), id: "msg_1", timestamp: "1795000000", TOKEN: "secret" };
    if (name === "docs/pausing.md") {
      const urls = ["/held/1.jpg", ...Array.from({ length: 30 }, (_, index) => `/gone/${index}.jpg`)];
      const { requestId } = await service.upload(catalogueOf(urls.map((path) => [origin.url + path])), { pauseHostAtFailurePercent: "50" });
      await eventually("the pause of the host", async () => (await service.status(requestId)).hostsPaused === 1);
      return { batchId: requestId };
    }
    return {};
  }
});

/** Nothing is shown but what a command gave, or what is listed with where it comes from. */
test("what the pages show besides is listed", () => {
  const found = pages.flatMap(({ name, text }) => strayOutputsOf(text).map((block) => `${name}: ${block.text.split("\n")[0]}`));
  const listed = Object.entries(SHOWN_BESIDES).flatMap(([name, blocks]) => Object.keys(blocks).map((line) => `${name}: ${line}`));
  assert.deepEqual([...new Set(found)].toSorted(), listed.toSorted());
});

/** One for each page: what another page has fetched would be taken over, not fetched. */
async function startShop(): Promise<Origin> {
  const origin = await startOrigin((request, response, { pathname }) => {
    const file = ORIGIN_FILES[pathname];
    if (request.method === "POST") response.writeHead(204).end();
    else if (file !== undefined) response.end(file.replaceAll("https://shop.example", origin.url));
    else if (!pathname.startsWith("/held/")) response.writeHead(404).end(); // what is held never comes
  });
  return origin;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}
