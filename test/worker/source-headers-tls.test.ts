import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import type { BatchStatusView } from "../../src/contract/status.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { makeCertificates, type Certificates } from "../support/certificates.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

const SECRETS = { authorization: "Bearer tok3n-over-tls", cookie: "session=tok3n-over-tls", "x-shop-key": "tok3n-over-tls" };

/** A real service, which trusts the tests' authority as an operator would have it do: the downloader has no option for that. */
describe("headers for an origin, over https", () => {
  let service: Service;
  let certificates: Certificates;
  let photo: Buffer;
  let own: Host;
  let other: Host;
  let plain: Host;
  before(async () => {
    [certificates, photo] = await Promise.all([makeCertificates(), makeSamplePhoto({ width: 64, height: 48, seed: 1, format: "jpeg" })]);
    const folder = await createTestFolder();
    const authority = join(folder, "authority.pem");
    await writeFile(authority, certificates.authority);
    own = await listen("https", (answer) => createHttpsServer(certificates.good, answer));
    other = await listen("https", (answer) => createHttpsServer(certificates.good, answer));
    plain = await listen("http", createServer);
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: folder,
      SECRET_KEY: "one key of at least thirty-two characters",
      NODE_EXTRA_CA_CERTS: authority,
    });
  });

  type Host = { host: string; port: number; url: string; redirects: Map<string, string>; asked: IncomingMessage[] };
  /** Gives every path a photo but those that it redirects; `/protected/…` only to who has the headers. */
  const listen = async (scheme: string, create: (answer: RequestListener) => Server): Promise<Host> => {
    const [redirects, asked] = [new Map<string, string>(), [] as IncomingMessage[]];
    const server = create((request, response) => {
      asked.push(request);
      const path = request.url ?? "/";
      const location = redirects.get(path);
      const isRefused =
        path.startsWith("/protected/") && !Object.entries(SECRETS).every(([name, value]) => request.headers[name] === value);
      if (location !== undefined) response.writeHead(302, { location }).end();
      else if (isRefused) response.writeHead(401).end();
      else response.setHeader("content-type", "image/jpeg").end(photo);
    });
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    onCleanup(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    return { host: `127.0.0.1:${port}`, port, url: `${scheme}://127.0.0.1:${port}`, redirects, asked };
  };
  const run = async (urls: string[], hosts = [own]): Promise<BatchStatusView> => {
    const sourceHeaders = JSON.stringify(hosts.map(({ host }) => ({ host, headers: SECRETS })));
    return service.finished((await service.upload(catalogueOf(urls.map((url) => [url])), { sourceHeaders })).requestId);
  };
  const errorsOf = ({ products }: BatchStatusView) => products.map(({ errors }) => errors[0]?.code ?? null);
  const askedFor = ({ asked }: Host, path: string) => asked.filter(({ url }) => url === path);
  const hasSecret = ({ rawHeaders }: IncomingMessage) => rawHeaders.some((text) => text.includes("tok3n"));

  test("reach it, and get its images", async () => {
    const { progress } = await run([`${own.url}/protected/1.jpg`, `${own.url}/protected/2.jpg`]);
    assert.deepEqual([progress.completed, progress.failed], [2, 0]);
    assert.deepEqual(errorsOf(await run([`${own.url}/protected/3.jpg`], [other])), ["unauthorized"], "without them it gives nothing");
  });

  test("go to no other host that it redirects to: another port, another name of the same server, or one in the clear", async () => {
    const targets = {
      "/to-port.jpg": `${other.url}/landed-port.jpg`,
      "/to-name.jpg": `https://localhost:${own.port}/landed-name.jpg`,
      "/to-clear.jpg": `${plain.url}/landed-clear.jpg`,
    };
    for (const [path, target] of Object.entries(targets)) own.redirects.set(path, target);
    const { progress } = await run(Object.keys(targets).map((path) => own.url + path));
    assert.deepEqual([progress.completed, progress.failed], [3, 0]);
    for (const path of Object.keys(targets)) assert.deepEqual(askedFor(own, path).map(hasSecret), [true], path);
    const landed = [...askedFor(other, "/landed-port.jpg"), ...askedFor(own, "/landed-name.jpg"), ...askedFor(plain, "/landed-clear.jpg")];
    assert.deepEqual(landed.map(hasSecret), [false, false, false]);
    for (const { asked } of [other, plain]) assert.equal(asked.some(hasSecret), false);
  });

  test("go to it where another host redirects to it, and to that one not", async () => {
    other.redirects.set("/back.jpg", `${own.url}/protected/back.jpg`);
    own.redirects.set("/around.jpg", `${other.url}/back.jpg`);
    const { progress } = await run([`${own.url}/around.jpg`]);
    assert.equal(progress.completed, 1);
    assert.deepEqual(
      [askedFor(own, "/around.jpg"), askedFor(other, "/back.jpg"), askedFor(own, "/protected/back.jpg")].map((asked) =>
        asked.map(hasSecret),
      ),
      [[true], [false], [true]],
    );
  });

  test("are not sent to who cannot prove to be it: its images fail with tls_failed", async () => {
    for (const name of ["selfSigned", "expired", "otherHost"] as const) {
      const impostor = await listen("https", (answer) => createHttpsServer(certificates[name], answer));
      own.redirects.set(`/to-${name}.jpg`, `${impostor.url}/landed.jpg`);
      assert.deepEqual(
        errorsOf(await run([`${impostor.url}/1.jpg`, `${own.url}/to-${name}.jpg`], [own, impostor])),
        ["tls_failed", "tls_failed"],
        name,
      );
      assert.deepEqual(impostor.asked, [], name);
    }
  });
});
