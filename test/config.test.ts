import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, readConfig } from "../src/config.ts";

test("what is not set has its default", () => {
  const config = readConfig({});
  assert.deepEqual([config.allowCidrs, config.allowPorts, config.contact], [[], [], null]);
});

test("ports and contact are read, and every fault is told at once", () => {
  const config = readConfig({ ALLOW_PORTS: "8080, 8443", CONTACT: "images@shop.example" });
  assert.deepEqual([config.allowPorts, config.contact], [[8080, 8443], "images@shop.example"]);
  for (const ports of ["0", "65536", "http", "80-90", "-1"]) assert.throws(() => readConfig({ ALLOW_PORTS: ports }), /ALLOW_PORTS: expected ports from 1 to 65535/, ports);
  assert.throws(() => readConfig({ ALLOW_PORTS: "x", CONTACT: "(nobody)" }), (error) => error instanceof ConfigError && /2 faults/.test(error.message) && /CONTACT/.test(error.message));
});

test("a key that is too short is refused and not shown", () => {
  assert.equal(readConfig({ SECRET_KEY: "k".repeat(44) }).secretKey, "k".repeat(44));
  assert.throws(() => readConfig({ SECRET_KEY: "hunter2hunter2" }), (error) => error instanceof ConfigError && /SECRET_KEY: expected 32 characters/.test(error.message) && !error.message.includes("hunter2"));
});
