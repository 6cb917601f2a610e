import assert from "node:assert/strict";
import { randomBytes, randomUUID, randomUUIDv7 } from "node:crypto";
import { test } from "node:test";
import { isToken, isUuid } from "../../src/domain/ids.ts";

test("ids and tokens are known as they are made, and nothing else is", () => {
  for (const id of [randomUUID(), randomUUIDv7()]) {
    assert.ok(isUuid(id), id);
    for (const other of [id.toUpperCase().replace(/^./, "A"), `${id}\n`, ` ${id}`, id.slice(1), id.replaceAll("-", ""), `{${id}}`, ""])
      assert.equal(isUuid(other), false, other);
  }
  const token = randomBytes(16).toString("base64url");
  assert.ok(isToken(token), token);
  for (const other of [`${token}\n`, `${token}A`, token.slice(1), token.replace(/^./, "/"), ""]) assert.equal(isToken(other), false, other);
});
