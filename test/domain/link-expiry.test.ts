import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { findExpiry } from "../../src/domain/url/link-expiry.ts";

const A = "https://shop.example/a.jpg";

function check(cases: readonly (readonly [query: string, expiry: string])[]) {
  for (const [query, expiry] of cases) assert.equal(findExpiry(A + query)?.toISOString(), expiry, query);
}

describe("a signed link stops working", () => {
  test("so many seconds after it was signed, on S3, Google Cloud Storage and Alibaba OSS", () => {
    check([
      [
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k%2F20130721%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130721T201207Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=s",
        "2013-07-22T20:12:07.000Z",
      ],
      ["?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Date=20240228T235959Z&X-Goog-Expires=900&X-Goog-Signature=s", "2024-02-29T00:14:59.000Z"],
      ["?x-oss-additional-headers=host&x-oss-date=20231220T083018Z&x-oss-expires=86400&x-oss-signature=s", "2023-12-21T08:30:18.000Z"],
    ]);
  });

  test("at a second since 1970, on S3, CloudFront, Google Cloud Storage and Alibaba OSS as they signed before", () => {
    check([
      ["?AWSAccessKeyId=k&Expires=1141889120&Signature=vjby%2Bx%3D", "2006-03-09T07:25:20.000Z"],
      ["?color=red&Expires=1767290400&Signature=nitf~w_&Key-Pair-Id=K2JC", "2026-01-01T18:00:00.000Z"],
      ["?GoogleAccessId=a%40b.iam&Expires=1388534400&Signature=s", "2014-01-01T00:00:00.000Z"],
      ["?OSSAccessKeyId=k&Expires=1141889120&Signature=s", "2006-03-09T07:25:20.000Z"],
    ]);
  });

  test("at the date of an Azure signature, in each form that Azure accepts", () => {
    check([
      ["?sv=2022-11-02&se=2025-04-30T02%3A23%3A26Z&sr=b&sp=r&sig=s%3D", "2025-04-30T02:23:26.000Z"],
      ["?se=2025-04-30&sig=s", "2025-04-30T00:00:00.000Z"],
      ["?sig=s&se=2025-04-30T02:23Z", "2025-04-30T02:23:00.000Z"],
      ["?sig=s&se=2025-04-30T02:23:26", "2025-04-30T02:23:26.000Z"],
      ["?sig=s&se=2025-04-30T02:23:26.1234567Z", "2025-04-30T02:23:26.123Z"],
      ["?sig=s&se=2025-04-30T02:23:26%2B02:00", "2025-04-30T00:23:26.000Z"],
    ]);
  });

  test("at the exp of an Akamai or Cloudinary token, whatever the parameter is called", () => {
    for (const name of ["__token__", "hdnts", "hdnea", "__cld_token__"]) {
      check([
        [`?${name}=st=1508777863~exp=1508777893~acl=/*~hmac=fded4c`, "2017-10-23T16:58:13.000Z"],
        [`?w=1&${name}=exp%3D1508777893~hmac%3Dfded4c`, "2017-10-23T16:58:13.000Z"],
      ]);
    }
  });

  test("at the earliest of several signatures", () => {
    check([["?X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800&Expires=1767290400&Signature=s&Key-Pair-Id=k", "2026-01-01T18:00:00.000Z"]]);
  });

  test("whatever the case of its parameters' names; the first of a name counts", () => {
    check([
      ["?x-amz-date=20130721T201207Z&x-AMZ-expires=60", "2013-07-21T20:13:07.000Z"],
      ["?SIG=s&SE=2025-04-30&se=2026-04-30", "2025-04-30T00:00:00.000Z"],
    ]);
  });
});

describe("no expiry is found", () => {
  test("in a link that is not signed", () => {
    for (const query of [
      "",
      "?",
      "?v=1767290400",
      "?expires=1767290400",
      "?Expires=1767290400&Signature=s",
      "?AWSAccessKeyId=k&Expires=1767290400",
      "?se=2025-04-30",
      "?exp=1767290400",
      "?t=exp=1767290400",
      "?X-Amz-Date=20130721T201207Z",
      "?X-Amz-Expires=60",
      "?Policy=eyJ&Signature=s&Key-Pair-Id=k",
    ]) {
      assert.equal(findExpiry(A + query), null, query);
    }
    assert.equal(findExpiry("https://shop.example/expires/sig/a.jpg"), null);
  });

  test("in numbers and dates that are none", () => {
    for (const seconds of [
      "",
      "soon",
      "-1",
      "1.5",
      "1e9",
      "0x10",
      " 1767290400",
      "1767290400000",
      "9".repeat(400),
      "%00",
      "NaN",
      "Infinity",
    ]) {
      assert.equal(findExpiry(`${A}?AWSAccessKeyId=k&Signature=s&Expires=${seconds}`), null, seconds);
      assert.equal(findExpiry(`${A}?X-Amz-Date=20130721T201207Z&X-Amz-Expires=${seconds}`), null, seconds);
      assert.equal(findExpiry(`${A}?hdnts=exp=${seconds}~hmac=ab`), null, seconds);
    }
    for (const date of [
      "",
      "20130721",
      "20131321T201207Z",
      "20130230T201207Z",
      "20130721T251207Z",
      "20130721T201207",
      "2013-07-21T20:12:07Z",
      "20130721T201207ZZ",
    ]) {
      assert.equal(findExpiry(`${A}?X-Amz-Date=${date}&X-Amz-Expires=60`), null, date);
    }
    for (const date of [
      "",
      "tomorrow",
      "2025",
      "2025-02-30",
      "2025-13-01",
      "2025-04-30T25:00Z",
      "2025-04-30T02:23:26+02:00",
      "30.04.2025",
      "1767290400",
      "%ZZ",
    ]) {
      assert.equal(findExpiry(`${A}?sig=s&se=${date}`), null, date);
    }
  });

  test("and nothing is thrown, whatever the text", () => {
    const part = fc.oneof(
      fc.constantFrom(
        "X-Amz-Date=",
        "X-Amz-Expires=",
        "Expires=",
        "Signature=",
        "Key-Pair-Id=",
        "se=",
        "sig=",
        "hdnts=exp=",
        "~hmac=",
        "20130721T201207Z",
        "2025-04-30",
        "99999999999",
        "9999-12-31T23:59:59Z",
        "99991231T235959Z",
        "&",
        "?",
        "%",
      ),
      fc.string({ unit: "binary", maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const expiry = findExpiry(`${A}?${parts.join("")}`);
        assert.ok(expiry === null || !Number.isNaN(expiry.getTime()));
      }),
      { numRuns: 5_000 },
    );
  });
});
