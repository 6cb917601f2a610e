import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { FileRefused } from "../../src/net/body-file.ts";
import { netFailure } from "../../src/net/net-failure.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDownloader } from "../support/downloader.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";

const [SMALL, LARGE] = [randomBytes(10_000), randomBytes(1_000_000)];

describe("a file that the system refuses", () => {
  let origin: Origin;
  before(async () => {
    const bodies = new Map([
      ["/small", SMALL],
      ["/large", LARGE],
      ["/small-packed", gzipSync(SMALL)],
      ["/large-packed", gzipSync(LARGE)],
    ]);
    origin = await startOrigin((_, response, { pathname }) =>
      response.writeHead(200, pathname.endsWith("packed") ? { "content-encoding": "gzip" } : {}).end(bodies.get(pathname)),
    );
  });

  for (const name of ["small", "large", "small-packed", "large-packed"])
    for (const refused of name.endsWith("packed") ? ["", ".packed"] : [""])
      test(`is the disk's failure, whatever it calls it: ${name}${refused}`, async () => {
        const path = join(await createTestFolder(), "input");
        // What Linux says of one that is opened is ENXIO.
        const socket = createServer().listen(path + refused);
        await once(socket, "listening");
        onCleanup(() => socket.close());
        const result = await createTestDownloader().download({ url: `${origin.url}/${name}`, path, signal: new AbortController().signal });
        assert.ok(!result.ok);
        assert.match(`${result.failure.code}: ${result.failure.detail}`, /^storage_failed: The download could not be written \(E\w+\)\.$/);
      });

  test("is told from a socket that says the same", () => {
    for (const code of ["ENOTCONN", "ESTALE", "ETIMEDOUT", "EHOSTDOWN", "EIO", "EACCES", "EROFS"]) {
      const error = Object.assign(new Error(code), { code });
      assert.equal(netFailure(new FileRefused(error)).code, "storage_failed", code);
      assert.equal(netFailure(error).code, "connect_failed", code);
    }
  });

  test("may be one for which too few can be open, or no room is left", () => {
    const [full, lack] = ["ENOSPC", "EMFILE"].map((code) => netFailure(new FileRefused(Object.assign(new Error(code), { code }))));
    assert.deepEqual([full?.isDiskFull, lack?.lack?.of], [true, "files"]);
  });
});
