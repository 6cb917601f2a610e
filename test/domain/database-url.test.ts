import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutPassword } from "../../src/domain/database-url.ts";

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
    // No URLs: as a fault of the configuration shows them.
    ["postgres://shop:hun/ter2@db.example/x?password=hunter2", "postgres://…@db.example/x"],
    ["postgres:///x?password=hunter2", "postgres:///x"],
  ];
  for (const [url, shown] of cases) assert.equal(withoutPassword(url), shown, url);
});
