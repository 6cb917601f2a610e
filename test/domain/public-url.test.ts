import assert from "node:assert/strict";
import { test } from "node:test";
import { isPublicUrl } from "../../src/domain/url/public-url.ts";

test("what others cannot reach is told from what they may", () => {
  for (const url of [
    "http://127.0.0.1:3000",
    "http://[::1]",
    "http://localhost:3000",
    "http://10.1.2.3",
    "http://192.168.0.4:8080",
    "http://169.254.169.254",
    "http://pressrun",
    "http://nas.local",
    "https://api.internal",
    "http://[fd00::1]",
    "http://[::ffff:10.0.0.1]",
    "http://0x7f.1",
  ]) {
    assert.equal(isPublicUrl(url), false, url);
  }
  for (const url of [
    "https://images.shop.com",
    "http://93.184.216.34:3000",
    "https://[2606:4700::1111]/",
    "https://shop.co.uk/pressrun",
    "https://local.shop.com",
  ])
    assert.equal(isPublicUrl(url), true, url);
});
