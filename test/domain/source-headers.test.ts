import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { headersFor, readSourceHeaders, type SourceHeaders } from "../../src/domain/secret/source-headers.ts";

const read = (host: string, headers: Record<string, string> = { authorization: "Bearer abc" }) => readSourceHeaders([{ host, headers }]);
const valueOf = (host: string, headers?: Record<string, string>): SourceHeaders[] => {
  const result = read(host, headers);
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
};

describe("headers for origins", () => {
  test("have hosts as URLs have them and names in small letters", () => {
    assert.deepEqual(
      valueOf("Images.Shop.example:443", { Authorization: " Bearer abc ", "X-Api-Key": "k", "User-Agent": "shop/1", Cookie: "a=b; c=d" }),
      [
        {
          host: "images.shop.example",
          headers: { authorization: "Bearer abc", "x-api-key": "k", "user-agent": "shop/1", cookie: "a=b; c=d" },
        },
      ],
    );
    assert.deepEqual(
      ["bücher.example", "shop.example:8443", "0x7f.1", "[::1]:8080"].map((host) => valueOf(host)[0]?.host),
      ["xn--bcher-kva.example", "shop.example:8443", "127.0.0.1", "[::1]:8080"],
    );
  });

  test("are for exactly that host and port", () => {
    const given = valueOf("images.shop.example");
    for (const url of ["https://images.shop.example/a.jpg", "https://IMAGES.shop.example:443/", "http://images.shop.example/"])
      assert.deepEqual(headersFor(given, new URL(url)), { authorization: "Bearer abc" }, url);
    for (const url of [
      "https://shop.example/",
      "https://x.images.shop.example/",
      "https://images.shop.example.evil.example/",
      "https://images.shop.example:8443/",
      "https://evil.example/?images.shop.example",
      "https://images.shop.example./",
    ])
      assert.equal(headersFor(given, new URL(url)), null, url);
  });

  test("must not say where a message goes, how it is framed, or anything but headers", () => {
    for (const name of [
      "Host",
      "connection",
      "Content-Length",
      "content-type",
      "transfer-encoding",
      "TE",
      "upgrade",
      "trailer",
      "expect",
      "keep-alive",
      "Proxy-Authorization",
      "proxy-connection",
      "cookie2",
      "accept-encoding",
      "range",
      "If-None-Match",
      "x-forwarded-for",
      "",
      "a b",
      "a:b",
      "a\r\nb",
      "ä",
      "__proto__",
      ":authority",
      "x".repeat(200),
    ]) {
      assert.equal(read("shop.example", { [name]: "x" }).ok, false, name);
    }
    for (const value of ["", "a\r\nHost: evil.example", "a\nb", "a\0b", "schlüssel", "\u007F"])
      assert.equal(read("shop.example", { authorization: value }).ok, false, JSON.stringify(value));
  });

  test("must name a host and nothing more", () => {
    for (const host of [
      "",
      "https://shop.example",
      "shop.example/",
      "shop.example/a",
      "user@shop.example",
      "*.shop.example",
      "a.example,b.example",
      "shop.example?a",
      "shop.example#a",
      "a b",
      "shop.example:99999",
      "*.shop.example%",
      "shop\\example",
    ])
      assert.equal(read(host).ok, false, host);
  });

  test("have limits", () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, "v"]));
    assert.ok(read("shop.example", many(10)).ok);
    assert.equal(read("shop.example", many(11)).ok, false);
    assert.equal(read("shop.example", {}).ok, false);
    assert.equal(read("shop.example", { "X-a": "1", "x-A": "2" }).ok, false);
    assert.equal(read("shop.example", { authorization: "x".repeat(4_096) }).ok, false);
    const hosts = (count: number) =>
      readSourceHeaders(Array.from({ length: count }, (_, index) => ({ host: `h${index}.example`, headers: { a: "b" } })));
    assert.ok(hosts(10).ok);
    assert.equal(hosts(11).ok, false);
    assert.equal(
      readSourceHeaders([
        { host: "a.example", headers: { a: "b" } },
        { host: "A.example:443", headers: { a: "c" } },
      ]).ok,
      false,
    );
  });

  test("are not repeated by what is said against them", () => {
    const result = readSourceHeaders([
      { host: "s3cret.example/", headers: { "s3cret name": "s3cret", host: "s3cret", authorization: "s3cret\r\ns3cret\u0000" } },
    ]);
    assert.ok(!result.ok && result.faults.length === 4);
    assert.ok(!result.faults.join().includes("s3cret"), result.faults.join());
  });
});
