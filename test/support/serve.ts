import type { Server } from "node:http";
import { listenOnLoopback } from "../../src/cli/demo/listen-on-loopback.ts";
import { onCleanup } from "./cleanup.ts";

/** Serves on loopback until it is closed, at the latest when the caller's tests are over. */
export async function serve(server: Server): Promise<{ url: string; close(): Promise<void> }> {
  const url = await listenOnLoopback(server);
  const close = async () => {
    server.closeAllConnections();
    server.close();
  };
  onCleanup(close);
  return { url, close };
}
