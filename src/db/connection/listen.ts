import pg from "pg";
import { connectionOptions, unlessHanging } from "./connect.ts";
import { openSession } from "./session.ts";

type Listener = { close(): Promise<void> };

const RECONNECT_MS = 500;

/**
 * Holds one connection that LISTENs on all channels, and calls a channel's listener with each payload. Reconnects until it is closed,
 * and calls every listener with null after each connection, since payloads that were sent before it are lost.
 */
export function listen(options: { url: string; channels: Readonly<Record<string, (payload: string | null) => void>> }): Listener {
  const listeners = new Map(Object.entries(options.channels));
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  const reconnectLater = () => {
    if (isClosed || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      void connect();
    }, RECONNECT_MS);
  };

  const connect = async () => {
    const next = new pg.Client(connectionOptions(options.url, "pressrun listen"));
    client = next;
    next.on("notification", ({ channel, payload }) => listeners.get(channel)?.(payload ?? ""));
    next.on("error", () => next.end().catch(() => {}));
    next.on("end", reconnectLater);
    try {
      await openSession(next);
      await next.query([...listeners.keys()].map((channel) => `listen ${pg.escapeIdentifier(channel)}`).join("; "));
      for (const onNotify of listeners.values()) onNotify(null);
    } catch {
      await next.end().catch(() => {});
      reconnectLater();
    }
  };

  void connect();
  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      if (client) await unlessHanging(client.end().catch(() => {}));
    },
  };
}
