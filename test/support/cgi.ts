import { spawn } from "node:child_process";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { serve } from "./serve.ts";

/** A web server that runs one CGI script (RFC 3875) for each request: headers in its environment, the body on its stdin. */
export async function serveCgi(
  command: readonly [string, ...string[]],
  options: { cwd: string; env: Record<string, string> },
): Promise<{ url: string }> {
  const [file, ...args] = command;
  const server = createServer(async (request, response) => {
    const script = spawn(file, args, {
      cwd: options.cwd,
      env: { ...options.env, ...metaVariables(request.headers) },
      stdio: ["pipe", "pipe", "pipe"],
    });
    // A script need not read a body that it refuses.
    script.stdin.on("error", () => {});
    request.pipe(script.stdin);
    // A server waits until nobody holds the script's output any more.
    const [output, errors] = await Promise.all([text(script.stdout), text(script.stderr)]);
    const [, status = "500", body = errors] = /^Status: (\d{3}).*?\r\n\r\n(.*)$/s.exec(output) ?? [];
    response.writeHead(Number(status)).end(body);
  });
  const { url } = await serve(server);
  return { url: `${url}/hooks` };
}

function metaVariables(headers: IncomingHttpHeaders): Record<string, string> {
  const given = Object.entries(headers).map(([name, value]) => [`HTTP_${name.toUpperCase().replaceAll("-", "_")}`, String(value)]);
  return { ...Object.fromEntries(given), REQUEST_METHOD: "POST", CONTENT_LENGTH: headers["content-length"] ?? "" };
}
