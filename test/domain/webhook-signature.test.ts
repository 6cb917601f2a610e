import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { createSecret, findSecretFault, SECRET_CHARS_MIN, signatureHeaders } from "../../src/domain/secret/webhook-signature.ts";

describe("the signature", () => {
  test("verifies with the package of Standard Webhooks for any secret and body", () => {
    fc.assert(
      fc.property(fc.integer({ min: 24, max: 64 }), fc.string({ unit: "grapheme" }), (bytes, text) => {
        const secret = createSecret(randomBytes(bytes));
        const body = JSON.stringify({ text });
        const headers = signatureHeaders([secret], { id: "msg_1", timestampSeconds: Math.floor(Date.now() / 1_000), body });
        assert.deepEqual(new Webhook(secret).verify(body, headers), { text });
      }),
    );
  });

  test("is not made with a secret that is too short, too long or no base64", () => {
    for (const secret of [
      "",
      "short",
      "whsec_",
      createSecret(randomBytes(23)),
      createSecret(randomBytes(65)),
      "not base64 at all, but long enough to be a key",
    ])
      assert.match(findSecretFault(secret) ?? "", /24 to 64 bytes/, secret);
    for (const secret of [createSecret(randomBytes(24)), randomBytes(64).toString("base64")]) assert.equal(findSecretFault(secret), null);
    assert.equal(randomBytes(24).toString("base64").length, SECRET_CHARS_MIN);
  });
});
