import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openHeaderSeal } from "../../src/wire/header-seal.ts";
import { createTestFolder } from "../support/folder.ts";

const warned: object[] = [];
const log = { warn: (facts: object) => void warned.push(facts) };

test("a key that is lost is not replaced while unfinished batches need it, and another one is told of", async () => {
  const config = { secretKey: null, databaseUrl: null, dataDir: await createTestFolder() };
  const path = join(config.dataDir, "secret-key");
  const [batchId, other, endpointId] = [randomUUID(), randomUUID(), randomUUID()];
  const seal = await openHeaderSeal(config, log, []);
  assert.ok(seal);
  const sealed = [
    { batchId, headers: seal.seal([{ host: "a.test", headers: { a: "b" } }], batchId).sealed, endpointId: null, authorization: null },
    { batchId: other, headers: null, endpointId, authorization: seal.sealAuthorization("Bearer x", endpointId) },
  ];
  await openHeaderSeal(config, log, sealed);
  assert.deepEqual(warned, []);

  await rename(path, `${path}-lost`);
  await assert.rejects(openHeaderSeal(config, log, sealed), /secret-key is missing.+\(2\)\. Bring it back.+set SECRET_KEY/);
  assert.equal(existsSync(path), false);
  for (const one of sealed) await openHeaderSeal({ ...config, secretKey: "k".repeat(44) }, log, [one]);
  await openHeaderSeal({ ...config, databaseUrl: "postgres://db.test/pressrun" }, log, sealed);
  assert.deepEqual(warned.splice(0), [{ batches: 1 }, { batches: 1 }, { batches: 2 }]);

  await rename(`${path}-lost`, path);
  await openHeaderSeal(config, log, sealed);
  assert.deepEqual(warned, []);
});
