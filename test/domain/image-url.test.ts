import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseImageUrl, splitImageUrls } from "../../src/domain/image-url.ts";

describe("image URLs", () => {
  const url = fc.webUrl({ validSchemes: ["http", "https"], withQueryParameters: true }).map((text) => text.replaceAll(/[\s;|]/g, "_").replaceAll(/,+$/g, "").replaceAll(/,(?=https?:)/g, "_"));
  test("of a cell come out as they went in, whatever separates them, commas inside included", () => {
    fc.assert(fc.property(fc.array(url, { minLength: 1, maxLength: 6 }), fc.constantFrom(",", ", ", " , ", ";", "\n", ",\n", " | ", "\r\n"), (urls, separator) => {
      assert.deepEqual(splitImageUrls(urls.join(separator)), urls);
      assert.deepEqual(splitImageUrls(`${separator}${urls.join(separator)}${separator}`), urls);
    }));
  });

  test("are absolute, http or https, without credentials, and lose their fragment", () => {
    assert.deepEqual(parseImageUrl("HTTPS://Shop.Test/Ä b.jpg#top"), { ok: true, href: "https://shop.test/%C3%84%20b.jpg" });
    for (const text of ["", "shop.test/a.jpg", "//shop.test/a.jpg", "ftp://shop.test/a", "file:///etc/passwd", "javascript:alert(1)", "data:image/png;base64,AAAA", "https://", "https://user@shop.test/", "https://a:b@shop.test/", "https://shop.test/\u0000", "https://shop.test/a\tb", `https://shop.test/${"a".repeat(9_000)}`]) {
      const parsed = parseImageUrl(text);
      assert.equal(parsed.ok, false, text);
    }
  });
});
