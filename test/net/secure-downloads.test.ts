import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { before, describe, test } from "node:test";
import { createAddressPolicy } from "../../src/domain/url/address-policy.ts";
import type { Downloader } from "../../src/net/download.ts";
import { makeCertificates } from "../support/certificates.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDownloader } from "../support/downloader.ts";
import { createTestFolder } from "../support/folder.ts";
import { seededRandom } from "../support/random.ts";

const BODY = randomBytes(3_000_000);
/** Around the piece that is gathered before it is written (256 kB), and far from it. */
const random = seededRandom(7);
const SIZES = [0, 1, 196_608, 196_609, 262_144, 262_145, ...Array.from({ length: 34 }, () => Math.floor(random() * BODY.length))];

/** TLS hands on what it has decrypted and the end of the connection even while it is asked to wait. */
describe("a body over TLS comes to the file whole, byte for byte", () => {
  let folder: string;
  let url: string;
  let downloader: Downloader;
  before(async () => {
    folder = await createTestFolder();
    const { authority, good } = await makeCertificates();
    const trusted = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...trusted, authority]);
    onCleanup(() => tls.setDefaultCACertificates(trusted));
    const answer: RequestListener = (request, response) => {
      const [, kind, size] = (request.url ?? "").split("/");
      if (kind === "keep") response.setHeader("content-length", Number(size));
      if (kind !== "keep") response.setHeader("connection", "close");
      // Without a length and chunks, the end of the connection is the body's.
      if (kind === "to-the-end") response.shouldKeepAlive = response.useChunkedEncodingByDefault = false;
      response.end(BODY.subarray(0, Number(size)));
    };
    const server = createServer(good, answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    onCleanup(() => void server.close().closeAllConnections());
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const policy = createAddressPolicy({ allowCidrs: ["127.0.0.0/8"], allowPorts: [] });
    downloader = createTestDownloader({ policy, perHostMax: 4 });
  });

  for (const kind of ["keep", "close", "to-the-end"]) {
    test(`${kind}, of ${SIZES.length} sizes`, async () => {
      const signal = new AbortController().signal;
      await Promise.all(
        SIZES.map(async (size, index) => {
          const path = join(folder, `${kind}-${index}`);
          const result = await downloader.download({ url: `${url}/${kind}/${size}`, path, signal });
          assert.ok(result.ok, `${size} bytes: ${JSON.stringify(result)}`);
          const expected = BODY.subarray(0, size);
          assert.equal(result.value.bytes, size);
          assert.equal(result.value.sha256, createHash("sha256").update(expected).digest("hex"), `the hash of ${size} bytes`);
          assert.ok((await readFile(path)).equals(expected), `the file of ${size} bytes`);
        }),
      );
    });
  }
});
