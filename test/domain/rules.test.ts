import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { createAddressPolicy } from "../../src/domain/address-policy.ts";
import { DELIVERY_ATTEMPTS_MAX, deliveryRetryDelayMs, IMAGE_ATTEMPTS_MAX, imageRetryDelayMs } from "../../src/domain/backoff.ts";
import { percentSettled, settledStatus } from "../../src/domain/batch-state.ts";
import { createDownloadWindow } from "../../src/domain/download-window.ts";
import { outputFileName, slugOf } from "../../src/domain/file-name.ts";
import { IMAGE_CODES, type ImageCode } from "../../src/domain/image-code.ts";
import { parseImageUrl, splitImageUrls } from "../../src/domain/image-url.ts";
import { decideAfterFailure } from "../../src/domain/outcome.ts";
import { parseRetryAfterMs } from "../../src/domain/retry-after.ts";
import { failed } from "../../src/domain/stage-result.ts";
import { createSecret, findSecretFault, signatureHeaders } from "../../src/domain/webhook-signature.ts";
import { createSlugs } from "../../src/intake/slugs.ts";

const random = fc.double({ min: 0, max: 0.999_999, noNaN: true });

describe("waiting before another try", () => {
  test("lies between half of the step and the whole, and grows from attempt to attempt", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 8 }), random, random, (attempt, one, other) => {
      for (const delay of [imageRetryDelayMs, deliveryRetryDelayMs]) {
        assert.ok(delay(attempt, one) >= delay(attempt, 0) && delay(attempt, one) <= 2 * delay(attempt, 0));
        assert.ok(delay(attempt + 1, one) >= delay(attempt, other) || attempt >= 4, "later tries wait longer");
      }
    }));
  });

  test("is never shorter than the server asked, up to a cap", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), random, fc.nat(10 ** 9), (attempt, one, asked) => {
      assert.ok(imageRetryDelayMs(attempt, one, asked) >= Math.min(asked, 600_000));
      assert.ok(imageRetryDelayMs(attempt, one, asked) <= 601_000);
      assert.ok(deliveryRetryDelayMs(attempt, one, asked) >= Math.min(asked, 86_400_000));
      assert.ok(deliveryRetryDelayMs(attempt, one, asked) <= 86_401_000);
    }));
  });

  test("a delivery is tried for about three days", () => {
    const total = Array.from({ length: DELIVERY_ATTEMPTS_MAX - 1 }, (_, index) => deliveryRetryDelayMs(index + 1, 0.5)).reduce((sum, ms) => sum + ms, 0);
    assert.ok(total > 48 * 3_600_000 && total < 96 * 3_600_000);
  });

  test("only what can pass is tried again, and not for ever", () => {
    for (const code of Object.keys(IMAGE_CODES) as ImageCode[]) {
      const { failure } = failed(code);
      assert.equal(decideAfterFailure(failure, 1, 0).kind, IMAGE_CODES[code].retry ? "retry" : "give_up", code);
      assert.equal(decideAfterFailure(failure, IMAGE_ATTEMPTS_MAX, 0).kind, "give_up", code);
    }
  });

  test("Retry-After is read as seconds or as a date", () => {
    const now = Date.parse("2026-11-24T00:00:00Z");
    assert.deepEqual(["7", " 7 ", "Tue, 24 Nov 2026 00:00:09 GMT", "Mon, 23 Nov 2026 00:00:00 GMT", "soon", "-3", undefined].map((value) => parseRetryAfterMs(value, now)), [7_000, 7_000, 9_000, 0, undefined, undefined, undefined]);
  });
});

describe("the address policy", () => {
  const policy = createAddressPolicy({ allowCidrs: [] });
  test("allows global unicast and nothing else (IANA special-purpose registries)", () => {
    const refused = [
      "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1",
      "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
      "::", "::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8%eth0", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:a00:1::", "3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "fd00:ec2::254",
      "", "localhost", "8.8.8.8.8",
    ];
    for (const address of refused) assert.equal(policy.isAllowed(address), false, address);
    for (const address of ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "172.15.255.255", "100.128.0.1", "192.167.255.255", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]) assert.equal(policy.isAllowed(address), true, address);
  });

  test("opens what the operator names, mapped addresses included, and no more", () => {
    const opened = createAddressPolicy({ allowCidrs: ["10.1.0.0/16", "fd00::/8", "192.168.1.7"] });
    for (const address of ["10.1.2.3", "::ffff:10.1.2.3", "fd00::9", "192.168.1.7"]) assert.ok(opened.isAllowed(address) && opened.isNamed(address), address);
    for (const address of ["10.2.0.1", "fc00::1", "192.168.1.8"]) assert.ok(!opened.isAllowed(address), address);
    assert.throws(() => createAddressPolicy({ allowCidrs: ["10.0.0.0/33"] }), /10\.0\.0\.0\/33/);
  });
});

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

describe("output names", () => {
  test("are safe on every file system and in every URL, whatever the serial", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 1_000 }), (serial, position) => {
      const name = outputFileName(slugOf(serial), position, "jpg");
      assert.match(name, /^[A-Za-z0-9_][A-Za-z0-9_-]*-\d+\.jpg$/);
      assert.ok(name.length <= 80);
    }));
  });

  test("are unique within a batch, also where serials repeat or differ only in what is made safe", () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "A", ".", "-", "1", "ä", " "), maxLength: 3 }), { minLength: 2, maxLength: 3_000 }), (serials) => {
      const slugFor = createSlugs();
      const slugs = serials.map((serial, index) => slugFor(serial, index + 2).toLowerCase());
      assert.equal(new Set(slugs).size, slugs.length);
    }), { numRuns: 30 });
  });
});

describe("the signature", () => {
  test("verifies with the package of Standard Webhooks for any secret and body", () => {
    fc.assert(fc.property(fc.integer({ min: 24, max: 64 }), fc.string({ unit: "grapheme" }), (bytes, text) => {
      const secret = createSecret(randomBytes(bytes));
      const body = JSON.stringify({ text });
      const headers = signatureHeaders(secret, { id: "msg_1", timestampSeconds: Math.floor(Date.now() / 1_000), body });
      assert.deepEqual(new Webhook(secret).verify(body, headers), { text });
    }));
  });

  test("is not made with a secret that is too short, too long or no base64", () => {
    for (const secret of ["", "short", "whsec_", createSecret(randomBytes(23)), createSecret(randomBytes(65)), "not base64 at all, but long enough to be a key"]) assert.match(findSecretFault(secret) ?? "", /24 to 64 bytes/, secret);
    for (const secret of [createSecret(randomBytes(24)), randomBytes(64).toString("base64")]) assert.equal(findSecretFault(secret), null);
  });
});

describe("a batch", () => {
  test("is failed only where nothing succeeded, and at 100 per cent only when all is settled", () => {
    fc.assert(fc.property(fc.nat(50), fc.nat(50), fc.nat(50), fc.nat(50), (completed, failures, skipped, open) => {
      const counts = { total: completed + failures + skipped + open, completed, failed: failures, skipped };
      fc.pre(counts.total > 0);
      assert.equal(percentSettled(counts) === 100, open === 0);
      const { status, outcome } = settledStatus(counts);
      assert.equal(status === "failed", completed === 0);
      assert.equal(outcome === "all", completed === counts.total);
    }));
  });
});

describe("the download window", () => {
  test("stays within its bounds, widens for idle encoders and narrows for a backlog", () => {
    fc.assert(fc.property(fc.array(fc.option(fc.nat(30), { nil: null })), (events) => {
      const window = createDownloadWindow({ min: 8, max: 100, backlogMax: 4 });
      for (const event of events) {
        const before = window.size;
        if (event === null) window.onStarved();
        else window.onFetched(event);
        assert.ok(window.size >= 8 && window.size <= 100);
        assert.ok(event === null ? window.size >= before : window.size <= before);
      }
    }));
  });
});
