import type { Connection } from "./connection.ts";

/** Closed before most servers do it themselves (nginx after 75 s, Node after 5 s): a request that meets a close is asked twice. */
const KEEP_ALIVE_MS = 4_000;
/** What a server announces is taken a second early, since the close is on its way by then; of less than two seconds half is left. */
const EARLY_MS = 1_000;
const SWEEP_MS = 1_000;
const IDLE_MAX = 512;

/** Connections between two requests, by where they lead. The one that came last goes first, so that the others can end. */
export class IdleConnections {
  readonly #byTarget = new Map<string, Connection[]>();
  /** In the order they came, to find the oldest. */
  readonly #all = new Map<Connection, string>();
  #sweeping: NodeJS.Timeout | undefined;

  take(target: string): Connection | undefined {
    for (let connection = this.#byTarget.get(target)?.at(-1); connection; connection = this.#byTarget.get(target)?.at(-1)) {
      this.remove(connection);
      if (connection.isReusable && performance.now() < expiry(connection)) {
        connection.socket.ref();
        return connection;
      }
      connection.socket.destroy();
    }
    return undefined;
  }

  put(target: string, connection: Connection): void {
    connection.idleSince = performance.now();
    if (!connection.isReusable || expiry(connection) <= connection.idleSince) return void connection.socket.destroy();
    // An idle connection keeps no process alive.
    connection.socket.unref();
    const list = this.#byTarget.get(target);
    if (list) list.push(connection);
    else this.#byTarget.set(target, [connection]);
    this.#all.set(connection, target);
    const [oldest] = this.#all.keys();
    if (this.#all.size > IDLE_MAX && oldest) this.#end(oldest);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  remove(connection: Connection): void {
    const target = this.#all.get(connection);
    if (target === undefined) return;
    this.#all.delete(connection);
    const list = this.#byTarget.get(target) ?? [];
    list.splice(list.lastIndexOf(connection), 1);
    if (list.length === 0) this.#byTarget.delete(target);
  }

  close(): void {
    for (const connection of this.#all.keys()) this.#end(connection);
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #end(connection: Connection): void {
    this.remove(connection);
    connection.socket.destroy();
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#all.keys()) if (expiry(connection) <= now) this.#end(connection);
    if (this.#all.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }
}

function expiry({ idleSince, keepMs }: Connection): number {
  return idleSince + Math.min(KEEP_ALIVE_MS, Math.max(keepMs - EARLY_MS, keepMs / 2));
}
