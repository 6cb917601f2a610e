import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { before, describe, test } from "node:test";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService, type Service } from "../support/service.ts";

const PREFIX = "/shop/images";

describe("behind a proxy that gives the service a path and takes it away again", () => {
  let service: Service;
  let publicUrl: string;
  before(async () => {
    const proxy = createServer((request, response) => {
      const path = request.url ?? "/";
      if (!path.startsWith(`${PREFIX}/`)) return void response.writeHead(404).end();
      const onward = httpRequest(`${service.url}${path.slice(PREFIX.length)}`, { method: request.method }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    proxy.listen(0, "127.0.0.1");
    await new Promise((resolve) => proxy.once("listening", resolve));
    onCleanup(() => {
      proxy.closeAllConnections();
      proxy.close();
    });
    publicUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${PREFIX}`;
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      PUBLIC_URL: publicUrl,
      ROLE: "api",
    });
  });

  test("the root and /docs lead to the page, and the page to all that it needs", async () => {
    for (const path of ["/", "/docs", "/docs/"]) {
      const page = await fetch(`${publicUrl}${path}`);
      assert.deepEqual([page.status, page.url], [200, `${publicUrl}/docs/`], path);
      const html = await page.text();
      const [, script = ""] = /<script[^>]+src="([^"]+)"/.exec(html) ?? [];
      assert.equal((await fetch(new URL(script, page.url))).status, 200, script);
      const [, document = ""] = /"url":\s*"([^"]+)"/.exec(html) ?? [];
      assert.equal(new URL(document, page.url).href, `${publicUrl}/openapi.json`);
    }
  });

  test("the document names the server as clients reach it", async () => {
    const document = await fetch(`${publicUrl}/openapi.json`);
    const { servers } = (await document.json()) as { servers: { url: string }[] };
    const server = new URL(servers[0]?.url ?? "", document.url).href.replace(/\/$/, "");
    assert.equal(server, publicUrl);
    assert.equal((await fetch(`${server}/v1/batches`)).status, 200);
  });
});
