import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { createAddressPolicy } from "../../src/domain/url/address-policy.ts";
import { parseImageUrl } from "../../src/domain/url/image-url.ts";
import { createTargetCheck } from "../../src/net/check-target.ts";
import { createGuard } from "../../src/net/guarded-lookup.ts";
import { LookUpLate, type Resolve } from "../../src/net/look-ups.ts";
import { createPost } from "../../src/webhook/post.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDownloader } from "../support/downloader.ts";
import { createTestFolder } from "../support/folder.ts";
import { FORBIDDEN_V4, forbiddenAnswers, PUBLIC_HOSTS, spellForbidden, type Spelling } from "../support/ssrf-spellings.ts";

const PUBLIC = { address: "93.184.216.34", family: 4 };
const LOOPBACK = { address: "127.0.0.1", family: 4 };
/** What a forbidden spelling may end with; whatever it is, the canary hears nothing. */
const REFUSALS = new Set(["address_blocked", "url_invalid", "dns_failed", "http_error", "connect_failed"]);

const listening = async (server: Server, port: number, host: string) => {
  server.listen(port, host);
  await new Promise((resolve, reject) => server.once("listening", resolve).once("error", reject));
  onCleanup(() => server.close());
  return (server.address() as AddressInfo).port;
};

/** Forbidden addresses in hundreds of spellings, against a canary that listens on loopback. Only 127.0.0.2 is allowed. */
describe("an address that is refused", () => {
  let folder: string;
  let originUrl: string;
  let canaryPort: number;
  let spellings: Spelling[];
  let heard = 0;
  /** What the origin redirects to; and how often it was asked. */
  let location = "";
  let asked = 0;
  let count = 0;

  before(async () => {
    folder = await createTestFolder();
    const canary = () =>
      createTcpServer((socket) => {
        heard += 1;
        socket.on("error", () => {}).end("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ncanary");
      });
    canaryPort = await listening(canary(), 0, "127.0.0.1");
    await listening(canary(), canaryPort, "::1");
    const answer = ({ socket, url }: IncomingMessage) => {
      asked += 1;
      // Past Node's own check of headers: a hostile server writes what it likes.
      socket.end(
        Buffer.from(
          `HTTP/1.1 ${url === "/307" ? 307 : 302} Found\r\nLocation: ${location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
        ),
      );
    };
    originUrl = `http://127.0.0.2:${await listening(createServer(answer), 0, "127.0.0.2")}`;
    spellings = spellForbidden(canaryPort);
  });

  /** The canary's port is open, so that the address alone decides. */
  const policyOf = (allowCidrs = ["127.0.0.2/32"]) => createAddressPolicy({ allowCidrs, allowPorts: [canaryPort] });
  const unknown: Resolve = async (host) => {
    if (/^localhost\.?$/.test(host)) return [LOOPBACK];
    throw Object.assign(new Error(`no ${host}`), { code: "ENOTFOUND" });
  };
  const partsOf = (resolve: Resolve, allowCidrs?: string[]) => {
    const policy = policyOf(allowCidrs);
    const downloader = createTestDownloader({ policy, resolve });
    const check = createTargetCheck({ policy, resolve });
    const post = createPost({ policy, resolve, userAgent: "test", answerMs: 2_000 });
    return {
      async download(url: string): Promise<string> {
        count += 1;
        const result = await downloader.download({ url, path: join(folder, String(count)), signal: AbortSignal.timeout(5_000) });
        return result.ok ? "done" : result.failure.code;
      },
      async check(url: string): Promise<string> {
        const result = await check(url);
        return result.ok ? "done" : result.code;
      },
      async post(url: string): Promise<string> {
        const result = await post({ url, headers: {}, authorization: null, body: "{}", signal: AbortSignal.timeout(5_000) });
        return result.ok ? `status ${result.status}` : result.code;
      },
    };
  };

  test("of a name that is not found for now says so, other than of one that does not exist", async () => {
    const rejecting = (error: Error) => async () => {
      throw error;
    };
    const messageOf = async (error: Error) => {
      const check = createTargetCheck({ policy: policyOf(), resolve: rejecting(error) });
      const result = await check("https://hook.test/");
      return result.ok ? "" : result.message;
    };
    const errno = (code: string) => Object.assign(new Error(code), { code });
    assert.equal(await messageOf(errno("ENOTFOUND")), "The host name hook.test could not be resolved (ENOTFOUND).");
    const forNow = "The host name hook.test could not be resolved: its name servers did not answer";
    assert.equal(await messageOf(errno("EAI_AGAIN")), `${forNow} (EAI_AGAIN); try again later.`);
    assert.equal(await messageOf(new LookUpLate("late")), `${forNow}; try again later.`);
    await assert.rejects(messageOf(errno("EMFILE")), { code: "EMFILE" }, "which is a 503");
  });

  test("is spelled in at least 300 ways, none of which leads to the internet", (t) => {
    assert.ok(spellings.length >= 300, String(spellings.length));
    const policy = policyOf();
    const literals = spellings.filter(({ url }) => URL.canParse(url)).map(({ url }) => new URL(url).hostname.replaceAll(/^\[|\]$/g, ""));
    assert.ok(literals.length >= 300);
    for (const host of literals) assert.ok(!policy.isAllowed(host), host);
    t.diagnostic(`${spellings.length} spellings, ${literals.length} of which Node's URL parser takes`);
  });

  test("is never connected to directly: not by a download, a webhook or the check of a webhook", async () => {
    const { download, check, post } = partsOf(unknown);
    let blocked = 0;
    for (const { url, how } of spellings) {
      const parsed = parseImageUrl(url);
      const codes = [
        await check(url),
        await post(url),
        ...(URL.canParse(url) ? [await download(url)] : []),
        ...(parsed.ok ? [await download(parsed.href)] : []),
      ];
      for (const code of codes) assert.ok(REFUSALS.has(code), `${how}: ${url} gave ${code}`);
      blocked += codes.includes("address_blocked") ? 1 : 0;
      assert.equal(heard, 0, `the canary was reached by ${how}: ${url}`);
    }
    for (const host of ["localhost", "LOCALHOST", "localhost.", "lo%63alhost", "ⓛocalhost", "ｌocalhost"]) {
      assert.deepEqual(
        [
          await download(`http://${host}:${canaryPort}/`),
          await post(`http://${host}:${canaryPort}/`),
          await check(`http://${host}:${canaryPort}/`),
        ],
        Array(3).fill("address_blocked"),
        host,
      );
    }
    assert.ok(blocked >= 300, `${blocked} were refused by the guard and not earlier`);
    assert.equal(heard, 0);
  });

  test("is never connected to when a name leads there, alone or among public ones", async (t) => {
    const answers = forbiddenAnswers();
    for (const forbidden of answers) {
      for (const found of [[forbidden], [PUBLIC, forbidden], [forbidden, PUBLIC]]) {
        const { download, check, post } = partsOf(async () => found);
        const url = `http://shop.example:${canaryPort}/`;
        assert.deepEqual([await download(url), await post(url), await check(url)], Array(3).fill("address_blocked"), JSON.stringify(found));
        assert.equal(heard, 0, JSON.stringify(found));
      }
    }
    assert.ok(answers.length >= 300, String(answers.length));
    t.diagnostic(`${answers.length} answers of a resolver, each alone and before and after a public one`);
  });

  test("is never connected to by a name that is public when it is checked and private when it is used", async () => {
    for (const address of FORBIDDEN_V4) {
      const rebinding = (): Resolve => {
        let times = 0;
        return async () => [(times += 1) === 1 ? PUBLIC : { address, family: 4 }];
      };
      for (const use of ["download", "post"] as const) {
        const parts = partsOf(rebinding());
        assert.equal(await parts.check(`http://shop.example:${canaryPort}/`), "done");
        assert.equal(await parts[use](`http://shop.example:${canaryPort}/`), "address_blocked");
      }
      // Within one guard the first answer holds for some seconds, and is then asked for again.
      let now = 0;
      const guard = createGuard({ policy: policyOf(), resolve: rebinding(), now: () => now });
      await guard.check("shop.example", 80);
      now = 60_000;
      const error = await new Promise((resolve) => guard.lookupFor(80)("shop.example", { all: true }, resolve));
      assert.match(String(error), /not open/);
    }
    assert.equal(heard, 0);
  });

  test("is never connected to by a redirect, from a download or a webhook", async () => {
    const { download, post } = partsOf(async (host) => (host === "private.example" ? [LOOPBACK] : unknown(host)));
    let blocked = 0;
    for (const { url, how } of [
      ...spellings,
      { how: "by name", url: `http://private.example:${canaryPort}/` },
      { how: "without a scheme", url: `//127.0.0.1:${canaryPort}/` },
    ]) {
      location = url;
      for (const status of [302, 307]) {
        const code = await download(`${originUrl}/${status}`);
        // The second hop of `//`, or of a target that is read as relative, is the origin again.
        assert.ok(REFUSALS.has(code) || code === "too_many_redirects", `${how}: ${url} gave ${code}`);
        blocked += code === "address_blocked" ? 1 : 0;
      }
      const answered = await post(`${originUrl}/307`);
      // A line break in Location is no header, and the answer no HTTP.
      assert.ok(["status 307", "http_error"].includes(answered), `${how}: ${answered}`);
      assert.equal(heard, 0, `the canary was reached by ${how}: ${url}`);
    }
    assert.ok(blocked >= 600, `${blocked} redirects were refused by the guard`);
    assert.ok(asked >= 900);
  });

  test("would be heard by the canary if it were reached", async () => {
    const { download, post } = partsOf(unknown, ["127.0.0.0/8", "::1/128"]);
    assert.deepEqual(
      [
        await download(`http://0x7f.1:${canaryPort}/`),
        await download(`http://[::1]:${canaryPort}/`),
        await post(`http://127.0.0.1:${canaryPort}/`),
      ],
      ["done", "done", "status 200"],
    );
    assert.equal(heard, 3);
  });
});

test("at least 50 public forms pass the guard", async (t) => {
  const guard = createGuard({
    policy: createAddressPolicy({ allowCidrs: [] }),
    resolve: async (host) => [PUBLIC, ...(host.includes("images") ? [{ address: "2606:4700::1", family: 6 }] : [])],
  });
  let passed = 0;
  for (const host of PUBLIC_HOSTS) {
    for (const [scheme, port] of [
      ["http", 80],
      ["https", 443],
    ] as const) {
      const parsed = parseImageUrl(`${scheme}://${host}/a.jpg`);
      assert.ok(parsed.ok, host);
      await assert.doesNotReject(guard.check(new URL(parsed.href).hostname, port), host);
    }
    passed += 1;
  }
  assert.ok(passed >= 50);
  t.diagnostic(`${passed} public forms`);
});
