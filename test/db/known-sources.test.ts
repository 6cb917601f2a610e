import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClaimedImage } from "../../src/db/claimed-images.ts";
import { findKnownSources, rememberSources } from "../../src/db/known-sources.ts";
import type { Recipe } from "../../src/domain/image/recipe.ts";
import { createSourceKey } from "../../src/domain/image/source-key.ts";
import { loadCatalogue } from "../support/load-catalogue.ts";
import { openTestQueue } from "../support/queue.ts";

const signed = (signature: string) => `https://shop.test/a.jpg?Expires=1793491200&Signature=${signature}&Key-Pair-Id=K`;

describe("what is known of a signed link", () => {
  test("is of an earlier batch, and has no tag or date to ask by unless it is known by this very signature", async () => {
    const { db, queue } = await openTestQueue();
    const execute = (text: string, values: unknown[] = []) => db.executor.executeSql(text, values);
    const load = () => loadCatalogue({ db, queue }, [["https://shop.test/a.jpg"]]);
    const [earlier, own] = [await load(), await load()];
    const { rows } = await execute("select tenant_id, recipe from batch limit 1");
    const { tenant_id: tenantId, recipe } = rows[0] as { tenant_id: string; recipe: Recipe };
    await execute("update image set state = 'done', url = $1, etag = 'e', last_modified = 'd', sha256 = 's'", [signed("monday")]);
    await execute(
      "insert into output (batch_id, ordinal, file_name, format, width, height, bytes) select batch_id, 0, 'f', 'jpeg', 1, 1, 1 from image",
    );
    const remember = (batchId: string) =>
      db.transaction((tx) => rememberSources(tx, [{ tenantId, key: createSourceKey(recipe)(signed("monday")), batchId, ordinal: 0 }]));
    const find = async (url: string) => {
      const batch = { tenantId, recipe, refresh: "auto", sourceMark: null };
      const image = { url, batchId: own, ordinal: 1, attempts: 0, batch } as unknown as ClaimedImage;
      const [found] = await db.transaction((tx) => findKnownSources(tx, [image]));
      const { etag, lastModified, sha256 } = found?.known?.source ?? {};
      return found?.known && { batchId: found.known.batchId, facts: [etag, lastModified, sha256] };
    };

    await remember(earlier);
    assert.deepEqual(await find(signed("monday")), { batchId: earlier, facts: ["e", "d", "s"] });
    assert.deepEqual(await find(signed("tuesday")), { batchId: earlier, facts: [null, null, "s"] });
    assert.equal(await find(signed("monday").replace("a.jpg", "b.jpg")), null);
    assert.equal(await find(`${signed("tuesday")}&versionId=2`), null);

    await remember(own);
    assert.equal(await find(signed("tuesday")), null, "what the batch itself made by another signature");
    await execute("update image set is_reused = true where batch_id = $1", [own]);
    assert.deepEqual(await find(signed("tuesday")), { batchId: own, facts: [null, null, "s"] }, "what an earlier batch made of that");
  });
});
