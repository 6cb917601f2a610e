import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "../src/config.ts";

test("what is not set has its default", () => {
  const config = readConfig({});
  assert.deepEqual([config.allowCidrs, config.allowPorts, config.contact], [[], [], null]);
});

test("an encoder's memory is what a small container has for it beside the rest, unless it is set", (t) => {
  const mbOf = (limitMb: number, env: Record<string, string> = {}) => {
    t.mock.method(process, "constrainedMemory", () => limitMb * 1024 * 1024);
    return readConfig(env).encoderMemoryBytes / 1024 / 1024;
  };
  assert.deepEqual(
    [256, 512, 640, 768].map((mb) => mbOf(mb)),
    [256, 262, 390, 512],
  );
  assert.deepEqual([mbOf(512, { DATABASE_URL: "postgres://db/x" }), mbOf(512, { ENCODER_MEMORY_MB: "700" })], [362, 700]);
});

test("without a contact, the service's own address names it, where it can be reached from outside", () => {
  const contactOf = (env: Record<string, string>) => readConfig({ AUTH: "none", ...env }).contact;
  assert.equal(contactOf({ PUBLIC_URL: "https://images.shop.example" }), "https://images.shop.example");
  assert.equal(contactOf({ PUBLIC_URL: "https://images.shop.example", CONTACT: "images@shop.example" }), "images@shop.example");
  assert.equal(contactOf({ PUBLIC_URL: "http://10.0.0.5:3000" }), null);
});

test("ports and contact are read, and every fault is told at once", () => {
  const config = readConfig({ ALLOW_PORTS: "8080, 8443", CONTACT: "images@shop.example" });
  assert.deepEqual([config.allowPorts, config.contact], [[8080, 8443], "images@shop.example"]);
  for (const ports of ["0", "65536", "http", "80-90", "-1"])
    assert.throws(() => readConfig({ ALLOW_PORTS: ports }), /ALLOW_PORTS: expected ports from 1 to 65535/, ports);
  assert.throws(
    () => readConfig({ ALLOW_PORTS: "x", CONTACT: "(nobody)" }),
    (error) => error instanceof ConfigError && /2 faults/.test(error.message) && /CONTACT/.test(error.message),
  );
});

test("a port closes at once when a stop begins, or after so many seconds", () => {
  assert.deepEqual(
    [{}, { DRAIN_SECONDS: "15" }].map((env) => readConfig(env).drainMs),
    [0, 15_000],
  );
  for (const seconds of ["-1", "1.5", "301"])
    assert.throws(() => readConfig({ DRAIN_SECONDS: seconds }), /DRAIN_SECONDS: expected a whole number from 0 to 300/, seconds);
});

test("ranges are of addresses written in full: others would open what nobody meant", () => {
  const ranges = ["10.0.0.0/8", "0.0.0.0/0", "192.168.1.7", "fd00::/8", "::1"];
  assert.deepEqual(readConfig({ ALLOW_CIDRS: ranges.join() }).allowCidrs, ranges);
  // 10/8 is read as 0.0.0.0/8, 172.16/12 as addresses of the internet, 010 as 8; no address is compared as a mapped one.
  for (const range of [
    "10/8",
    "172.16/12",
    "010.0.0.0/8",
    "0x7f.0.0.1",
    "167772160/8",
    "::ffff:10.0.0.0/104",
    "fe80::1%eth0/64",
    "10.0.0.0/33",
  ])
    assert.throws(() => readConfig({ ALLOW_CIDRS: range }), /ALLOW_CIDRS: expected address ranges/, range);
});

test("PUBLIC_URL is one that paths can be put behind", () => {
  const publicUrls = ["https://Img.shop.example/", "https://img.shop.example/my shop//"].map(
    (url) => readConfig({ PUBLIC_URL: url, AUTH: "none" }).publicUrl,
  );
  assert.deepEqual(publicUrls, ["https://img.shop.example", "https://img.shop.example/my%20shop"]);
  for (const url of ["https://img.shop.example/?from=mail", "https://img.shop.example/#/", "https://img.shop.example/?"])
    assert.throws(() => readConfig({ PUBLIC_URL: url }), /PUBLIC_URL: expected a URL that paths can be put behind/, url);
});

test("a service that others reach, by its port or by a proxy before it, needs keys or a word that everybody may use it", () => {
  for (const reach of [
    { HOST: "0.0.0.0" },
    { PUBLIC_URL: "https://pressrun.example" },
    { PUBLIC_URL: "http://10.0.0.5:3000" },
    { PUBLIC_URL: "http://pressrun" },
    { PUBLIC_URL: "http://127.shop.example" },
    { HOST: "localhost", PUBLIC_URL: "https://u:hunter2@localhost.example/shop" },
  ]) {
    assert.throws(
      () => readConfig(reach),
      (error) =>
        error instanceof ConfigError && /a fault:\n.+set API_KEYS .+, or AUTH=none/.test(error.message) && !/hunter2/.test(error.message),
      JSON.stringify(reach),
    );
    for (const more of [{ API_KEYS: "key" }, { AUTH: "none" }, { ROLE: "worker" }]) readConfig({ ...reach, ...more });
    readConfig(reach, { isServed: false });
  }
  for (const url of ["http://localhost:8080", "https://img.localhost", "http://127.0.0.1:3000/shop", "http://127.1", "http://[::1]:3000"])
    assert.equal(readConfig({ PUBLIC_URL: url }).auth, "loopback", url);
});

test("what could never take effect is a fault, and keys are not shown", () => {
  const faultsOf = (env: Record<string, string>) => {
    try {
      readConfig(env);
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
    }
    return "none";
  };
  assert.deepEqual(readConfig({ API_KEYS: "abc+/=, d.e~f" }).apiKeys, ["abc+/=", "d.e~f"]);
  for (const keys of ["good,two words", "schlüssel"]) {
    const faults = faultsOf({ API_KEYS: keys });
    assert.match(faults, /API_KEYS: expected keys of ASCII characters without spaces/);
    assert.doesNotMatch(faults, /two words|schl/);
  }
  assert.match(faultsOf({ DATA_DIR: "/srv/two\nlines" }), /DATA_DIR: expected a path without line breaks, got "\/srv\/two␤lines"/);
  assert.match(faultsOf({ API_KEYS: "good", AUTH: "key" }), /AUTH: expected none, got "key"/);
});

test("what goes to WEBHOOK_URL is checked with it, and its Authorization header never shown", () => {
  const webhook = { WEBHOOK_URL: "https://shop.example/hook", WEBHOOK_SECRET: Buffer.alloc(32, 1).toString("base64") };
  assert.deepEqual(readConfig(webhook).webhookPayload, "event");
  assert.equal(readConfig({ ...webhook, WEBHOOK_PAYLOAD: "seed" }).webhookPayload, "seed");
  const other = Buffer.alloc(24, 2).toString("base64");
  assert.deepEqual(readConfig({ ...webhook, WEBHOOK_SECRET: `whsec_${other}, ${webhook.WEBHOOK_SECRET}` }).webhook?.secrets, [
    `whsec_${other}`,
    webhook.WEBHOOK_SECRET,
  ]);
  assert.equal(readConfig({ ...webhook, WEBHOOK_AUTHORIZATION: " Bearer hunter2 " }).webhook?.authorization, "Bearer hunter2");
  const faults: [Record<string, string>, RegExp][] = [
    [{ ...webhook, WEBHOOK_SECRET: "" }, /WEBHOOK_SECRET: .+must be set/],
    [{ ...webhook, WEBHOOK_SECRET: `${other},hunter2` }, /WEBHOOK_SECRET: Expected base64/],
    [{ ...webhook, WEBHOOK_SECRET: [other, other, other].join() }, /WEBHOOK_SECRET: expected one secret, or two/],
    [{ WEBHOOK_PAYLOAD: "xml" }, /WEBHOOK_PAYLOAD: expected event or seed/],
    [{ WEBHOOK_AUTHORIZATION: "Bearer hunter2" }, /WEBHOOK_AUTHORIZATION: expected WEBHOOK_URL/],
    [{ ...webhook, WEBHOOK_AUTHORIZATION: "Bearer hunter2\nx: y" }, /WEBHOOK_AUTHORIZATION: Expected.+visible ASCII/],
    [
      { ...webhook, WEBHOOK_AUTHORIZATION: `Bearer hunter2${"x".repeat(2_000)}` },
      /WEBHOOK_AUTHORIZATION: Expected at most 2000 characters/,
    ],
    [
      { ...webhook, WEBHOOK_URL: "http://shop.example/hook", WEBHOOK_AUTHORIZATION: "Bearer hunter2" },
      /WEBHOOK_AUTHORIZATION: .+https:.+ALLOW_CIDRS/,
    ],
    ...["http://shop:hunter2@shop.example/hook", "https://hunter2@shop.example/", "https://:hunter2@shop.example/"].map(
      (url): [Record<string, string>, RegExp] => [
        { ...webhook, WEBHOOK_URL: url },
        /WEBHOOK_URL: expected a URL without a user name or password \(WEBHOOK_AUTHORIZATION.+, got "https?:\/\/…@shop\.example"/,
      ],
    ),
  ];
  for (const [env, says] of faults)
    assert.throws(
      () => readConfig(env),
      (error) => error instanceof ConfigError && says.test(error.message) && !error.message.includes("hunter2"),
      String(says),
    );
  assert.ok(
    readConfig({ ...webhook, WEBHOOK_URL: "http://10.0.0.5/hook", WEBHOOK_AUTHORIZATION: "Bearer hunter2", ALLOW_CIDRS: "10.0.0.0/8" })
      .webhook?.authorization,
  );
});

test("a key that is too short is refused and not shown", () => {
  assert.equal(readConfig({ SECRET_KEY: "k".repeat(44) }).secretKey, "k".repeat(44));
  assert.throws(
    () => readConfig({ SECRET_KEY: "hunter2hunter2" }),
    (error) =>
      error instanceof ConfigError && /SECRET_KEY: expected 32 characters/.test(error.message) && !error.message.includes("hunter2"),
  );
});

test("DATABASE_URL may name a socket as libpq does", () => {
  const { databaseUrl } = readConfig({ DATABASE_URL: "postgres://u:p@/x?host=/run/postgresql" });
  assert.equal(databaseUrl, "postgres://u:p@localhost/x?host=/run/postgresql");
});

test("a fault of DATABASE_URL is told without its password", () => {
  for (const url of [
    "host=db user=u password=hunter2",
    "u:hunter2@db/x",
    "postgres://u:p@ss/hunter2@db/x",
    "postgres://db/x?password=hun#ter2",
  ])
    assert.throws(
      () => readConfig({ DATABASE_URL: url }),
      (error) =>
        error instanceof ConfigError && /DATABASE_URL: expected a URL/.test(error.message) && !/hunter2|ter2|ss\//.test(error.message),
      url,
    );
  const got = (url: string) => {
    try {
      readConfig({ PUBLIC_URL: url });
    } catch (error) {
      return /got "(.*)"$/.exec(String(error))?.[1];
    }
    return "none";
  };
  assert.equal(got("img.shop.example"), "img.shop.example");
  assert.equal(got("img.shop.example:443"), "img.shop.example:443");
  assert.equal(got("ftp://u:hunter2@img.shop.example"), "ftp://u@img.shop.example/");
  assert.equal(got("u:hunter2@img.shop.example"), "…");
  assert.equal(got("https://u:hun/ter2@img.shop.example"), "…");
});
