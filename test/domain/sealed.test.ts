import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { deriveKey, NONCE_BYTES, seal, unseal } from "../../src/domain/secret/sealed.ts";

const SECRET = "a secret of at least thirty-two characters";
const KEY = deriveKey(SECRET, "tests");
const sealed = (text: string) => seal(text, { key: KEY, nonce: randomBytes(NONCE_BYTES), about: "batch 1" });

describe("sealed text", () => {
  test("opens with its key, at its place", () => {
    for (const text of ["", "Bearer abc", "schlüssel 🔑", "x".repeat(10_000)])
      assert.equal(unseal(sealed(text), { key: KEY, about: "batch 1" }), text);
    assert.deepEqual(deriveKey(SECRET, "tests"), KEY, "the same from the same secret, in every process");
  });

  test("stays closed with another key, for another purpose and at another place", () => {
    const text = sealed("Bearer abc");
    for (const key of [deriveKey(`${SECRET}!`, "tests"), deriveKey(SECRET, "others")])
      assert.equal(unseal(text, { key, about: "batch 1" }), null);
    assert.equal(unseal(text, { key: KEY, about: "batch 2" }), null);
  });

  test("stays closed when any of its bits is turned, or when it is no sealed text", () => {
    const text = sealed("Bearer abc");
    const bytes = Buffer.from(text.slice(3), "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const turned = Buffer.from(bytes);
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(unseal(`v1.${turned.toString("base64url")}`, { key: KEY, about: "batch 1" }), null, String(bit));
    }
    for (const odd of ["", "v1.", "v1.AAAA", "Bearer abc", text.slice(0, -4), `v2${text.slice(2)}`])
      assert.equal(unseal(odd, { key: KEY, about: "batch 1" }), null, odd);
  });

  test("shows nothing of what it holds, and differs each time", () => {
    const [one, other] = [sealed("Bearer abc"), sealed("Bearer abc")];
    assert.notEqual(one, other);
    assert.ok(!Buffer.from(one.slice(3), "base64url").includes("Bearer"));
  });
});
