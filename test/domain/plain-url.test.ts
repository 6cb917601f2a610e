import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { cleanImageUrl } from "../../src/domain/url/clean-image-url.ts";
import { parseImageUrl, URL_LENGTH_MAX } from "../../src/domain/url/image-url.ts";
import { isPlainUrl } from "../../src/domain/url/plain-url.ts";

const runs = { numRuns: 20_000 };
/** What plain addresses are made of, and what makes them differ from what the URL parser writes. */
const piece = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom("a", "img1", "shop", "-", "_", ".", "/", "?", "=", "&", ",", "~", "example", "com", "jpg", "0", "9"),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ..."!$'()*+:@%;\\#^|\"<>[]{}` \u00A0\t\u0000ü".split(""),
      "xn--",
      "xn--a",
      "--",
      "..",
      "%2e",
      "%2E",
      "0x1",
      "127.1",
      "A",
      "&amp;",
      "&#38;",
      "\\,",
      ":80",
      ":443",
      "\u00AD",
      "\uD800",
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 2 }) },
);
const scheme = fc.oneof({ weight: 8, arbitrary: fc.constantFrom("http://", "https://") }, fc.constantFrom("HTTP://", "//", ""));
const host = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a.example/", "img1.shop.example/", "r3---sn-x.example/") },
  fc.constantFrom("", "a.example", "shop."),
);
const address = fc.tuple(scheme, host, fc.array(piece, { maxLength: 10 })).map(([scheme, host, rest]) => scheme + host + rest.join(""));

describe("a plain address", () => {
  test("is what the URL parser writes for it, and nothing in it can be mended", () => {
    let plain = 0;
    fc.assert(
      fc.property(address, (text) => {
        if (!isPlainUrl(text)) return;
        plain += 1;
        assert.deepEqual(parseImageUrl(text), { ok: true, href: text });
        assert.deepEqual(cleanImageUrl(text, { baseUrl: null }), { ok: true, href: text, rules: [] });
        assert.deepEqual(
          cleanImageUrl(` ${text}`, { baseUrl: null }),
          { ok: true, href: text, rules: ["trimmed"] },
          "the long way round comes to the same",
        );
      }),
      runs,
    );
    assert.ok(plain > runs.numRuns / 10, `only ${plain} of the addresses were plain`);
  });

  test("is what catalogues mostly hold", () => {
    for (const text of [
      "https://cdn.shopify.com/s/files/1/0001/products/mug_1-2.jpg?v=1571438301",
      "http://shop.example/w_200,h_100/Mug.JPG",
      "https://a.b-c.example/",
      "https://shop.example/i.php?a=1&b=%20",
    ])
      assert.ok(isPlainUrl(text), text);
  });

  test("has no host that is a number, an encoded name or a port, no dot segment, no entity, and an end", () => {
    const others = [
      "https://127.0.0.1/a.jpg",
      "https://1.2.3.0x4/a",
      "https://xn--bcher-kva.example/a",
      "https://a.xn--p1ai/a",
      "https://shop.example:443/a",
      "https://user@shop.example/a",
      "https://Shop.example/a",
      "https://shop.example",
      "https://shop.example/./a",
      "https://shop.example/a/..",
      "https://shop.example/%2e%2e/a",
      "https://shop.example/?a=1&amp;b",
      "https://shop.example/?a='1'",
      `https://shop.example/${"a".repeat(URL_LENGTH_MAX)}`,
    ];
    for (const text of others) assert.ok(!isPlainUrl(text), text);
  });
});
