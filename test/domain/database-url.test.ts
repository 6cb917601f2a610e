import assert from "node:assert/strict";
import { test } from "node:test";
import { findDatabaseUrlFault, withHost, withoutPassword } from "../../src/domain/secret/database-url.ts";

test("a connection string is shown without its password, wherever that stands", () => {
  const cases: [string, string][] = [
    ["postgres://shop:hunter2@db.example:5432/pressrun", "postgres://shop@db.example:5432/pressrun"],
    ["postgres://shop:hunter2@db.example/pressrun?sslmode=require", "postgres://shop@db.example/pressrun?sslmode=require"],
    ["postgres://shop:hun@ter2@db.example/x", "postgres://shop@db.example/x"],
    ["postgres://db.example/x?user=shop&password=hunter2", "postgres://db.example/x?user=shop"],
    ["postgres://db.example/x?password=hunter2", "postgres://db.example/x"],
    ["postgres://db.example/x?pass%77ord=hunter2&sslpassword=hunter2", "postgres://db.example/x"],
    [
      "postgres://shop:hunter2@db.example/x?options=-c%20search_path%3Da%2Bb&password=hunter2",
      "postgres://shop@db.example/x?options=-c%20search_path%3Da%2Bb",
    ],
    ["postgres://shop@db.example/x", "postgres://shop@db.example/x"],
    ["postgres:///x?password=hunter2", "postgres:///x"],
    // What cannot be told apart into its parts: the fault of the configuration shows the scheme.
    ["postgres://shop:hun/ter2@db.example/x?password=hunter2", "postgres://…"],
    ["postgres://shop:hu@n/te#r2 d?&@127.0.0.1:5432/x", "postgres://…"],
    ["postgres://shop:12/hunter2@db.example/x", "postgres://…"],
    ["postgres://shop:12#hunter2@db.example/x", "postgres://…"],
    ["postgres://shop:12?hunter2@db.example/x", "postgres://…"],
    ["shop:hunter2@db.example/x", "…"],
    ["postgres:shop:hunter2", "…"],
    ["host=db.example user=shop password=hunter2 dbname=x", "…"],
  ];
  for (const [url, shown] of cases) assert.equal(withoutPassword(url), shown, url);
});

test("a connection string that would be read otherwise than it was meant is a fault", () => {
  const good = [
    "postgres://shop:hun%2Fter2%40@db.example:5432/pressrun",
    "postgresql://shop:hun@ter2@db.example/x?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    "postgres://shop:hunter2@%2Frun%2Fpostgresql:5432/x",
    "postgres:///x?host=/run/postgresql&user=shop&password=hunter2",
    "postgres://db.example/x?sslmode=",
  ];
  for (const url of good) assert.equal(findDatabaseUrlFault(url), null, url);
  const faults: [string, RegExp][] = [
    ["host=db.example user=shop password=hunter2", /begins with postgres:\/\/ or postgresql:\/\//],
    ["shop:hunter2@db.example/x", /begins with postgres/],
    ["postgres://shop:hu@n/te#r2 d?&@127.0.0.1:5432/x", /percent-encode the password \(\/ is %2F, # is %23, @ is %40/],
    ["postgres://shop:12/hunter2@db.example/x", /percent-encode/],
    ["postgres://db.example/x?password=hun#ter2", /percent-encode/],
    ["postgres://shop@one.example:1,two.example:2/x", /one host/],
    ["postgres://shop@one.example,two.example/x", /one host/],
    ["postgres://shop@/x?host=one.example,two.example", /one host/],
    ["postgres:///x?host=one.example,two.example", /one host/],
    ["postgres://shop:hunter2@/x", /%2Frun%2Fpostgresql for a socket/],
    ["postgres://db.example/x?sslmode=bogus", /sslmode to be one of disable, .+verify-full/],
    ["postgres://db.example/x?sslmode=verify-full&sslrootcert=system", /sslrootcert to be a file/],
  ];
  for (const [url, fault] of faults) assert.match(findDatabaseUrlFault(url) ?? "none", fault, url);
});

test("a socket may be named as libpq does, without a host", () => {
  assert.equal(withHost("postgres://shop:hunter2@/x?host=/run/postgresql"), "postgres://shop:hunter2@localhost/x?host=/run/postgresql");
  assert.equal(withHost("postgresql://shop@/x?port=1&host=%2Frun"), "postgresql://shop@localhost/x?port=1&host=%2Frun");
  for (const url of [
    "postgres://shop:hunter2@/x",
    "postgres://shop@/x?myhost=/run",
    "postgres:///x?host=/run",
    "postgres://shop@db/x?host=/run",
  ])
    assert.equal(withHost(url), url);
});
