import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { digestUpload, type SentUpload } from "../../src/intake/digest-upload.ts";
import { createTestFolder } from "../support/folder.ts";

describe("the digest of an upload", () => {
  let folder: string;
  before(async () => {
    folder = await createTestFolder();
  });
  const file = async (name: string, bytes: string | Buffer) => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  };
  const address: SentUpload = { source: { csvUrl: "https://shop.test/a.csv" }, fields: {}, preset: "balanced" };
  const digest = (sent: Partial<SentUpload>, key = "k") => digestUpload({ ...address, ...sent }, (text) => `${key}(${text})`);

  test("is the same whatever the order of fields, and of the members of what is JSON", async () => {
    const fields = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true });
    await fc.assert(
      fc.asyncProperty(fields, async (said) => {
        assert.equal(await digest({ fields: reversed(said) as typeof said }), await digest({ fields: said }));
      }),
    );
  });

  test("is another one for another file, address, option, preset or credential", async () => {
    const [one, two] = [await file("one.csv", "a,b\n"), await file("two.csv", "a,c\n")];
    const digests = await Promise.all([
      digest({ source: { path: one } }),
      digest({ source: { path: two } }),
      digest({}),
      digest({ source: { csvUrl: "https://shop.test/b.csv" } }),
      digest({ fields: { quality: "70" } }),
      digest({ fields: { quality: "71" } }),
      digest({ preset: "seed" }),
      digest({ fields: { webhookAuthorization: "Bearer a" } }),
      digest({ fields: { webhookAuthorization: "Bearer b" } }),
      digest({ fields: { webhookAuthorization: "Bearer b" } }, "another key"),
      digest({ fields: { sourceHeaders: [{ host: "a.test", headers: { authorization: "x" } }] } }),
      digest({ fields: { sourceHeaders: [{ host: "a.test", headers: { authorization: "y" } }] } }),
    ]);
    assert.equal(new Set(digests).size, digests.length);
  });

  test("is the same for a file under another name, and for one that was packed again later", async () => {
    const packed = gzipSync("a,b\n");
    const later = Buffer.from(packed);
    later.writeUInt32LE(1_795_000_000, 4);
    assert.notDeepEqual(later, packed);
    const paths = await Promise.all([file("x.gz", packed), file("y.gz", later)]);
    const [first, second] = await Promise.all(paths.map((path) => digest({ source: { path } })));
    assert.equal(second, first);
  });

  test("stays what it is from one version to the next: it is stored", async () => {
    const path = await file("kept.csv", "sku,photo\nA-1,https://shop.test/a.jpg\n");
    assert.equal(
      await digest({ source: { path }, fields: { quality: "80", metadata: '{"import":42}' }, preset: "seed" }),
      "c8edc3e34c7e83c1551b3a44a018c2f453b82d47107cb853ec07ad10ef8072b6",
    );
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, part]) => [name, reversed(part)]),
  );
}
