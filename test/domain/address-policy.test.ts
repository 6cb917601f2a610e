import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAddressPolicy } from "../../src/domain/url/address-policy.ts";

describe("the address policy", () => {
  const policy = createAddressPolicy({ allowCidrs: [] });
  test("allows global unicast and nothing else (IANA special-purpose registries)", () => {
    const refused = [
      "0.0.0.0",
      "0.1.2.3",
      "10.0.0.1",
      "100.64.0.1",
      "127.0.0.1",
      "127.255.255.254",
      "169.254.0.1",
      "169.254.169.254",
      "172.16.0.1",
      "172.31.255.255",
      "192.0.0.1",
      "192.0.2.1",
      "192.88.99.1",
      "192.168.0.1",
      "198.18.0.1",
      "198.19.255.255",
      "198.51.100.1",
      "203.0.113.1",
      "224.0.0.1",
      "239.255.255.255",
      "240.0.0.1",
      "255.255.255.255",
      "168.63.129.16",
      "::",
      "::1",
      "::ffff:10.0.0.1",
      "::ffff:8.8.8.8%eth0",
      "::127.0.0.1",
      "64:ff9b::a00:1",
      "64:ff9b:1::1",
      "100::1",
      "2001::1",
      "2001:10::1",
      "2001:db8::1",
      "2002:a00:1::",
      "3fff::1",
      "5f00::1",
      "fc00::1",
      "fd12::1",
      "fe80::1",
      "fec0::1",
      "ff02::1",
      "fd00:ec2::254",
      "100.100.100.200",
      "169.254.170.2",
      "192.0.0.192",
      "fd20:ce::254",
      "::8.8.8.8",
      "::808:808",
      "64:ff9b::808:808",
      "64:ff9b:1::808:808",
      "2002:808:808::1",
      "2001:0:53aa:64c::1",
      "2606:4700::5efe:7f00:1",
      "2606:4700::200:5efe:a00:1",
      "8.8",
      "134744072",
      "0x8.8.8.8",
      "010.8.8.8",
      "",
      "localhost",
      "8.8.8.8.8",
    ];
    for (const address of refused) assert.equal(policy.isAllowed(address), false, address);
    for (const address of [
      "8.8.8.8",
      "1.1.1.1",
      "93.184.216.34",
      "172.32.0.1",
      "172.15.255.255",
      "100.128.0.1",
      "192.167.255.255",
      "::ffff:8.8.8.8",
      "2606:4700:4700::1111",
      "2a00:1450:4001:81b::200e",
    ])
      assert.equal(policy.isAllowed(address), true, address);
  });

  test("opens what the operator names, mapped addresses included, and no more", () => {
    const opened = createAddressPolicy({ allowCidrs: ["10.1.0.0/16", "fd00::/8", "192.168.1.7"] });
    for (const address of ["10.1.2.3", "::ffff:10.1.2.3", "fd00::9", "192.168.1.7"])
      assert.ok(opened.isAllowed(address) && opened.isNamed(address), address);
    for (const address of ["10.2.0.1", "fc00::1", "192.168.1.8"]) assert.ok(!opened.isAllowed(address), address);
    assert.ok(
      !createAddressPolicy({ allowCidrs: ["10.0.0.0/8"] }).isAllowed("::10.0.0.1"),
      "an IPv4-compatible address is not the IPv4 address",
    );
    assert.throws(() => createAddressPolicy({ allowCidrs: ["10.0.0.0/33"] }), /10\.0\.0\.0\/33/);
  });

  test("opens ports of public addresses with ALLOW_PORTS, and any port of a named address", () => {
    const opened = createAddressPolicy({ allowCidrs: ["10.1.0.0/16"], allowPorts: [8080] });
    const open = (address: string) => [80, 443, 8080, 6379].filter((port) => opened.isOpen(address, port));
    assert.deepEqual([open("8.8.8.8"), open("10.1.2.3"), open("10.2.0.1")], [[80, 443, 8080], [80, 443, 8080, 6379], []]);
    assert.deepEqual(
      [80, 443, 8080].filter((port) => policy.isOpen("8.8.8.8", port)),
      [80, 443],
    );
  });
});
