import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { excerpt, findUrlSpans, parseImageUrl, type UrlCell } from "../../src/domain/url/image-url.ts";

const itemsOf = (cell: string, kind: UrlCell) => findUrlSpans(cell, kind).map(([start, end]) => cell.slice(start, end));

describe("image URLs", () => {
  const url = fc.webUrl({ validSchemes: ["http", "https"], withQueryParameters: true }).map((text) =>
    text
      .replaceAll(/[\s;|]/g, "_")
      .replaceAll(/,+$/g, "")
      .replaceAll(/,(?=https?:)/g, "_"),
  );
  const withCommas = fc.oneof(
    url,
    fc.constantFrom(
      "https://cdn.test/w_200,h_100,c_fill/a.jpg",
      "http://shop.test/a\\,b.jpg",
      "https://shop.test/?of=1\\,https://x.test/b.jpg",
      "https://shop.test/my mug,red.jpg",
      "https://shop.test/?a=1,2&b=http:x",
    ),
  );

  test("of a cell come out as they went in, whatever separates them, commas inside included", () => {
    fc.assert(
      fc.property(
        fc.array(withCommas, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(",", ", ", " , ", " ", ";", "; ", "\n", ",\n", "|", " | ", "\r\n"),
        (urls, separator) => {
          assert.deepEqual(itemsOf(urls.join(separator), "list"), urls);
          assert.deepEqual(itemsOf(`${separator}${urls.join(separator)}${separator}`, "list"), urls);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("of a cell come out whole without their schemes, too", () => {
    const urls = ["//cdn.test/w_200,h_100/a.jpg", "//cdn.test/my mug.jpg?a=1&amp;b=2", "//cdn.test/b;c.jpg", "https://cdn.test/d.jpg"];
    for (const separator of [",", ", ", ";", "\n", " | "]) assert.deepEqual(itemsOf(urls.join(separator), "list"), urls, separator);
    assert.deepEqual(itemsOf("//cdn.test/a.jpg, n/a", "list"), ["//cdn.test/a.jpg", "n/a"]);
    assert.deepEqual(itemsOf("/m/a.jpg,/m/b.jpg", "list"), ["/m/a.jpg", "/m/b.jpg"]);
  });

  test("of a cell with a URL on each line keep whatever a line holds", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: fc.constantFrom("a", ",", ";", " ", "|", "h", "/"), minLength: 1 }).map((text) => `x${text}x`),
          { minLength: 1 },
        ),
        fc.constantFrom("\n", "\r\n", " \n\n "),
        (items, separator) => {
          assert.deepEqual(itemsOf(items.join(separator), "lines"), items);
        },
      ),
    );
  });

  test("stand where their spans say: in order, without blanks around them, separators and nothing else between", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("https://", "a", ".", ",", ", ", ";", "|", " ", "\n", "\\,", "n/a"), maxLength: 30 }),
        fc.constantFrom("single" as const, "list" as const, "lines" as const),
        (cell, kind) => {
          let done = 0;
          for (const [start, end] of [...findUrlSpans(cell, kind), [cell.length, cell.length] as const]) {
            assert.match(cell.slice(done, start), /^[\s,;|]*$/);
            assert.equal(cell.slice(start, end), cell.slice(start, end).trim());
            assert.ok(end > start || start === cell.length);
            done = end;
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("are absolute, http or https, without credentials, and lose their fragment", () => {
    assert.deepEqual(parseImageUrl("HTTPS://Shop.Test/Ä b.jpg#top"), { ok: true, href: "https://shop.test/%C3%84%20b.jpg" });
    for (const text of [
      "",
      "shop.test/a.jpg",
      "//shop.test/a.jpg",
      "ftp://shop.test/a",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "data:image/png;base64,AAAA",
      "https://",
      "https://user@shop.test/",
      "https://a:b@shop.test/",
      "https://shop.test/\u0000",
      "https://shop.test/a\tb",
      `https://shop.test/${"a".repeat(9_000)}`,
    ]) {
      const parsed = parseImageUrl(text);
      assert.equal(parsed.ok, false, text);
    }
  });

  test("that are none are shown without what a signature can stand in, also where the end of a link has lost its ?", () => {
    const shown: [string, string][] = [
      ["https://shop.test:x/a.jpg?X-Amz-Signature=s3cret", '"https://shop.test:x/a.jpg?…"'],
      ["filename=a.jpg&X-Amz-Signature=s3cret", '"filename=…"'],
      ["&X-Amz-Signature=s3cret", '"&…"'],
      ["b.jpg&amp;sig=s3cret\n&se=2026", '"b.jpg&…"'],
      ["a.jpg#key=s3cret", '"a.jpg#…"'],
      ["https://me:s3cret?s3cret@shop.test:x/a@2x.jpg", '"https://…@2x.jpg"'],
      ["//me:s3cret@shop.test/a.jpg", '"//…@shop.test/a.jpg"'],
      ["m/a@2x.jpg", '"m/a@2x.jpg"'],
      ["a.jpg", '"a.jpg"'],
      [`${"a".repeat(100)}🖼️`, `"${"a".repeat(100)}…"`],
    ];
    for (const [text, expected] of shown) assert.equal(excerpt(text), expected);
  });
});
