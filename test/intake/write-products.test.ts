import assert from "node:assert/strict";
import { pbkdf2 } from "node:crypto";
import { unlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { writeProducts } from "../../src/intake/write-products.ts";
import { createTestFolder } from "../support/folder.ts";

/** Work for all threads that files are opened on, of which Node has four unless it is told. */
const THREADS = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);
const occupyThreads = () => Promise.all(Array.from({ length: 2 * THREADS }, () => promisify(pbkdf2)("a", "b", 200_000, 64, "sha512")));

/** What is removed before it is opened is there afterwards. */
test("products whose client leaves before their file is open leave none behind", async () => {
  const folder = await createTestFolder();
  const path = join(folder, "products.csv");
  const occupied = occupyThreads();
  const left = new Error("the client has left");
  const products = (async function* () {
    yield { id: "MUG-1", images: ["https://example.com/1.jpg"] };
    throw left;
  })();
  await assert.rejects(writeProducts(products, path), left);
  unlinkSync(path);
  await occupied;
  assert.deepEqual(await readdir(folder), []);
});
