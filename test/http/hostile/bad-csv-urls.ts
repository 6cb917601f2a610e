import type { ServerResponse } from "node:http";
import type { Handler } from "../../support/origin.ts";
import { gzip, HEAD, invalidCsv, jsonCase, latin1, type Expected, type HostileCase } from "./hostile-case.ts";

/** What the origin gives in the place of a CSV; a redirect's target is said after the path. */
export const answerBadly: Handler = (_request, response, url) => {
  switch (url.pathname) {
    case "/to":
      return void response.writeHead(302, { location: url.searchParams.get("url") ?? "" }).end();
    case "/round":
      return void response.writeHead(302, { location: url.href.replace("http://origin", "") }).end();
    case "/page.csv":
      return void response.end("<!doctype html><title>Sign in</title>");
    case "/photo.csv":
      return void response.end(latin1("\xff\xd8\xff\xe0"));
    case "/empty.csv":
      return void response.end();
    case "/bad.csv":
      return void response.end(`${HEAD}1,Mug,nowhere\n`);
    case "/bomb.csv":
      return void response.end(gzip("a,b\n".repeat(5_000_000)));
    case "/announced.csv":
      return void response.writeHead(200, { "content-length": String(40 * 1024 * 1024) }).flushHeaders();
    case "/endless.csv":
      return pourUntilClosed(response);
    case "/cut.csv":
      response.writeHead(200, { "content-length": "1000" }).write(HEAD, () => response.destroy());
      return;
    case "/packed.csv":
      return void response.writeHead(200, { "content-encoding": "zstd" }).end("x");
    case "/secret.csv":
      return void response.writeHead(401).end();
    case "/broken.csv":
      return void response.writeHead(500).end();
    default:
      return void response.writeHead(404).end();
  }
};

/** A body without an end, as fast as it is taken. */
function pourUntilClosed(response: ServerResponse): void {
  const piece = Buffer.alloc(256 * 1024, "1,Mug,https://shop.example/a.jpg\n");
  const pour = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on("drain", pour);
  pour();
}

const failed = (says: RegExp): Expected => ({ status: 422, code: "csv_url_failed", first: "csvUrl", says });
const url = (name: string, csvUrl: string | ((origin: string) => unknown), expected: Expected): HostileCase =>
  jsonCase(`csvUrl: ${name}`, (origin) => ({ csvUrl: typeof csvUrl === "string" ? csvUrl : csvUrl(origin) }), expected);
const at = (path: string) => (origin: string) => `${origin}${path}`;
const redirectedTo = (target: string) => (origin: string) => `${origin}/to?url=${encodeURIComponent(target)}`;

/** Only 127.0.0.1 is admitted by ALLOW_CIDRS. */
export const BAD_CSV_URLS: HostileCase[] = [
  url("a private address", "http://10.1.2.3/products.csv", failed(/address_blocked/)),
  url("the cloud's own address", "http://169.254.169.254/latest/meta-data", failed(/address_blocked/)),
  url("loopback by another address", (origin) => origin.replace("127.0.0.1", "127.0.0.2"), failed(/address_blocked/)),
  url("loopback as a number", "http://2130706434/products.csv", failed(/address_blocked/)),
  url("loopback in hexadecimal", "http://0x7f.0.0.2/products.csv", failed(/address_blocked/)),
  url("loopback in IPv6", "http://[::1]/products.csv", failed(/address_blocked/)),
  url("a private address in IPv6", "http://[::ffff:10.0.0.1]/products.csv", failed(/address_blocked/)),
  url("no address at all", "http://0.0.0.0/products.csv", failed(/address_blocked/)),
  url("a redirect to a private address", redirectedTo("http://10.1.2.3/"), failed(/address_blocked/)),
  url(
    "a redirect to another loopback",
    (origin) => redirectedTo(origin.replace("127.0.0.1", "127.0.0.2"))(origin),
    failed(/address_blocked/),
  ),
  url("a redirect to a file", redirectedTo("file:///etc/passwd"), failed(/http_error/)),
  url(
    "a redirect with a password",
    (origin) => redirectedTo(origin.replace("//", "//user:secret@"))(origin),
    failed(/^(?!.*secret).*http_error/s),
  ),
  url("a redirect in a circle", at("/round"), failed(/too_many_redirects/)),
  url("file:", "file:///etc/passwd", failed(/url_invalid/)),
  url("data:", "data:text/csv,S.%20No", failed(/url_invalid/)),
  url("a password", "https://user:secret@shop.example/products.csv", failed(/^(?!.*secret).*user name or password/s)),
  url("a path", "/products.csv", failed(/url_invalid/)),
  url("a NUL", "https://shop.example/\0", failed(/control character/)),
  url("a number", () => 5, { status: 422, code: "invalid_options", says: /csvUrl as text/ }),
  url("10,000 characters", `https://shop.example/${"a".repeat(10_000)}`, failed(/10021 characters/)),
  url("a port of another service", "http://93.184.216.34:22/", failed(/address_blocked/)),
  url("nobody there", "http://127.0.0.1:9/products.csv", failed(/connect_failed/)),
  url("404", at("/missing.csv"), failed(/not_found.+404/)),
  url("401", at("/secret.csv"), failed(/unauthorized.+401/)),
  url("500", at("/broken.csv"), failed(/server_error.+500/)),
  url("a sign-in page", at("/page.csv"), { status: 415, code: "wrong_file_type", says: /web page/ }),
  url("a photo", at("/photo.csv"), { status: 415, code: "wrong_file_type", says: /JPEG image/ }),
  url("an empty file", at("/empty.csv"), invalidCsv([1, null, "empty_file"], /empty file/)),
  url("a file with problems", at("/bad.csv"), invalidCsv([2, "Input Image Urls", "url_invalid"], /nowhere/)),
  url("a bomb", at("/bomb.csv"), invalidCsv([1, null, "unpacked_too_large"], /200 times/)),
  url("40 MB, as announced", at("/announced.csv"), failed(/too_large.+33554432 bytes/)),
  url("no end", at("/endless.csv"), failed(/too_large.+33554432 bytes/)),
  url("cut off", at("/cut.csv"), failed(/truncated.+1000 bytes/)),
  url("packed though not asked for", at("/packed.csv"), failed(/http_error/)),
];
