import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { findExpiry } from "../../src/domain/url/link-expiry.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import { createSourceKey } from "../../src/domain/image/source-key.ts";

const A = "https://shop.example/a.jpg";
const keyOf = createSourceKey(PRESETS.seed);

/** The key of all of a URL, as databases hold it. */
function wholeKeyOf(url: string): string {
  const hex = createHash("sha256")
    .update(`4\n${JSON.stringify(PRESETS.seed)}\n${url}`)
    .digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

const s3 = (date: string, key: string) =>
  `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${key}%2F${date}%2Feu%2Fs3%2Faws4_request&X-Amz-Date=${date}T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=${key}`;

/** Each form of signed link, on two nights. */
const NIGHTS: Record<string, readonly [string, string]> = {
  S3: [s3("20261101", "a"), s3("20261102", "b")],
  "S3, by the credentials of a session": [`${s3("20261101", "a")}&X-Amz-Security-Token=a`, `x-amz-security-token=b&${s3("20261102", "b")}`],
  "S3 Express": [`${s3("20261101", "a")}&X-Amz-S3session-Token=a`, `${s3("20261102", "b")}&X-Amz-S3session-Token=b`],
  "S3, as it signed before": [
    "AWSAccessKeyId=a&Expires=1793491200&Signature=a%2B&x-amz-security-token=a",
    "AWSAccessKeyId=b&Expires=1793577600&Signature=b%3D&x-amz-security-token=b",
  ],
  CloudFront: ["Expires=1793491200&Signature=a~_&Key-Pair-Id=K1", "Expires=1793577600&Signature=b~_&Key-Pair-Id=K2"],
  "Google Cloud Storage": [
    "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a&X-Goog-Date=20261101T000000Z&X-Goog-Expires=900&X-Goog-SignedHeaders=host&X-Goog-Signature=a",
    "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=b&X-Goog-Date=20261102T000000Z&X-Goog-Expires=600&X-Goog-SignedHeaders=host&X-Goog-Signature=b",
  ],
  "Google Cloud Storage, as it signed before": [
    "GoogleAccessId=a%40b.iam&Expires=1793491200&Signature=a",
    "GoogleAccessId=a%40b.iam&Expires=1793577600&Signature=b",
  ],
  "Alibaba OSS": [
    "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=a&x-oss-date=20261101T000000Z&x-oss-expires=60&x-oss-signature=a&x-oss-security-token=a",
    "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=b&x-oss-date=20261102T000000Z&x-oss-expires=60&x-oss-signature=b&x-oss-security-token=b&x-oss-additional-headers=host",
  ],
  "Alibaba OSS, as it signed before": [
    "OSSAccessKeyId=a&Expires=1793491200&Signature=a&security-token=a",
    "OSSAccessKeyId=b&Expires=1793577600&Signature=b&security-token=b",
  ],
  Azure: [
    "sp=r&st=2026-11-01T00:00:00Z&se=2026-11-02T00:00:00Z&spr=https&sv=2022-11-02&sr=b&sig=a%3D",
    "sv=2024-11-04&st=2026-11-02&se=2026-11-03&sr=b&sp=r&sip=10.0.0.1&sig=b",
  ],
  "Azure, for a user": [
    "skoid=a&sktid=t&skt=2026-11-01&ske=2026-11-02&sks=b&skv=2022-11-02&sr=d&sdd=1&scid=a&se=2026-11-02&sp=r&sig=a",
    "skoid=b&sktid=t&skt=2026-11-02&ske=2026-11-03&sks=b&skv=2024-11-04&sr=d&sdd=1&scid=b&se=2026-11-03&sp=r&sig=b",
  ],
  Akamai: ["hdnts=st=1~exp=1793491200~acl=/*~hmac=aa", "hdnts=exp%3D1793577600~hmac%3Dbb"],
  Cloudinary: ["__cld_token__=exp=1793491200~acl=/*~hmac=aa", "__cld_token__=exp=1793577600~acl=/*~hmac=bb"],
};

describe("the key of a URL", () => {
  test("is the same for every night's signature, and that of the URL without one", () => {
    for (const [form, [first, second]] of Object.entries(NIGHTS)) {
      for (const night of [first, second]) {
        assert.ok(findExpiry(`${A}?${night}`) !== null, form);
        assert.equal(keyOf(`${A}?${night}`), wholeKeyOf(A), form);
        for (const url of [`${A}?w=1&${night}`, `${A}?${night}&w=1`]) assert.equal(keyOf(url), wholeKeyOf(`${A}?w=1`), form);
      }
      assert.equal(keyOf(`${A}?${first}&${second}`), wholeKeyOf(A), form);
      assert.notEqual(keyOf(`https://shop.example/b.jpg?${first}`), keyOf(`${A}?${first}`), form);
      assert.notEqual(keyOf(`https://other.example/a.jpg?${first}`), keyOf(`${A}?${first}`), form);
    }
    assert.equal(keyOf(`${A}?${Object.values(NIGHTS).flat().join("&")}`), wholeKeyOf(A));
  });

  test("keeps what may lead to another picture, as it is written, in a signed link too", () => {
    const selecting = [
      "versionId=3",
      "generation=17",
      "snapshot=2026-11-01",
      "width=200",
      "x-oss-process=image/resize,w_200",
      "x-amz-meta-size=l",
      "response-content-disposition=attachment%3B%20filename%3Da.jpg",
      "response-content-type=image%2fpng",
      "rscd=inline",
      "rsct=image/png",
      "a=b+c&a=b%20c&a",
    ];
    const keys = selecting.flatMap((query) =>
      Object.values(NIGHTS).map(([night]) => {
        assert.equal(keyOf(`${A}?${night}&${query}`), wholeKeyOf(`${A}?${query}`), query);
        return keyOf(`${A}?${night}&${query}`);
      }),
    );
    assert.equal(new Set(keys).size, selecting.length);
  });

  test("is of all of a URL that is not signed so that its end can be read", () => {
    for (const query of [
      "Signature=a&Expires=1793491200",
      "Key-Pair-Id=k&Signature=a&Policy=eyJ",
      "X-Amz-Signature=a",
      "X-Amz-Date=20261301T000000Z&X-Amz-Expires=60&X-Amz-Signature=a",
      "sig=a&se=12",
      "se=2026-11-01&sp=2",
      "hdnts=acl=/*~hmac=aa",
      "v=1793491200&export=view",
    ]) {
      assert.equal(keyOf(`${A}?${query}`), wholeKeyOf(`${A}?${query}`), query);
    }
  });

  test("of a URL that is not signed is what it was", () => {
    assert.equal(keyOf("https://shop.example/a.jpg?v=1"), "aff8e0d2-1f3e-3c7e-0add-936cce7d32e9");
    const part = fc.oneof(
      fc.constantFrom("Expires=1793491200", "Signature=a", "export=view", "se=2026-11-01", "exp=1", "?", "&", "=", "%", ";"),
      fc.string({ unit: "binary", maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true }), fc.array(part, { maxLength: 6 }), (url, parts) => {
        const href = url + parts.join("&");
        fc.pre(findExpiry(href) === null);
        assert.equal(keyOf(href), wholeKeyOf(href));
      }),
      { numRuns: 2_000 },
    );
  });
});
