import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService, type Service } from "../support/service.ts";

/** As Python's urllib sends a file: "Connection: close", and the body in pieces. */
const PYTHON = `
import io, sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen
try:
    urlopen(Request(sys.argv[1], data=io.BytesIO(b"x" * 3_000_000), headers={"Content-Type": sys.argv[2]}), timeout=20)
except HTTPError as error:
    print(error.code)
`;

describe("a client that closes its connection after one answer", () => {
  let service: Service;
  before(async () => {
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      ROLE: "api",
      API_KEYS: "k",
      UPLOAD_BYTES_MAX: "100000",
    });
  });

  for (const [path, type, status] of [
    ["/v1/batches", "text/csv", "401"],
    ["/outputs/x/y.jpg", "text/csv", "405"],
    ["/healthz", "image/png", "405"],
    ["/nowhere", "text/csv", "401"],
  ] as const) {
    test(`reads why it was refused, though it was still sending: ${status} of ${path}`, async () => {
      const { stdout } = await promisify(execFile)("python3", ["-c", PYTHON, `${service.url}${path}`, type]);
      assert.equal(stdout.trim(), status);
    });
  }
});
