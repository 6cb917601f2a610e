import assert from "node:assert/strict";
import { test } from "node:test";
import { isContact, userAgent } from "../../src/domain/user-agent.ts";

test("the user agent names us, our version and who can be asked", () => {
  assert.equal(userAgent("1.2.3", null), "Pressrun/1.2.3 (no contact given)");
  assert.equal(userAgent("1.2.3", "https://shop.example/bots"), "Pressrun/1.2.3 (+https://shop.example/bots)");
  assert.equal(userAgent("1.2.3", "images@shop.example"), "Pressrun/1.2.3 (images@shop.example)");
});

test("a contact is an address of the web or of mail that fits into a header", () => {
  for (const text of ["https://shop.example/bots", "http://shop.example", "images@shop.example"]) assert.ok(isContact(text), text);
  for (const text of [
    "",
    "shop",
    "shop.example",
    "a b@shop.example",
    "images@shop",
    "https://shop.example/(bots)",
    "x@shop.example\r\nCookie: a",
    "https://bücher.example",
    "ftp://shop.example",
    `https://${"a".repeat(300)}`,
  ])
    assert.ok(!isContact(text), text);
});
