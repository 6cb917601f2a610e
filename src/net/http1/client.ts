import type { LookupFunction } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errorCode } from "../../domain/error-code.ts";
import { putLast } from "../../domain/forget-oldest.ts";
import { Connection, type Sink } from "./connection.ts";
import { formatRequest } from "./format-request.ts";
import type { Head } from "./head.ts";
import { IdleConnections } from "./idle-connections.ts";
import { NoHead } from "./protocol-error.ts";

export type HttpGet = {
  /** http or https. */
  url: URL;
  port: number;
  /** Without brackets. */
  hostname: string;
  lookup: LookupFunction;
  /** For how long one of the addresses is tried before the next. */
  addressMs: number;
  headers: Readonly<Record<string, string>>;
  /** Follows the request: it is told how far that has come, and can end it. */
  watch: Watch;
  /** Decides at once what becomes of the answer: without a sink its body is not read. */
  onHead(head: Head): Sink | null;
};

export type Watch = {
  /** `end` ends the request with this error. */
  begin(end: (reason: Error) => void): void;
  onConnected(): void;
  onHead(): void;
  onBytes(count: number): void;
  /** The answer is whole, and its connection anybody's: what `begin` was given ends nothing any more. */
  onWhole(): void;
};

export type HttpClient = {
  /**
   * Resolves with the head once the body has been given whole to its sink. Rejects with ProtocolError, with BodyCut
   * where the connection ended within the body, and with whatever socket, resolver, TLS, sink or watch said.
   */
  get(get: HttpGet): Promise<Head>;
  close(): void;
};

const TARGETS_MAX = 1_000;

/** HTTP/1.1 GET requests over connections that are used again. What a server may be asked is not decided here. */
export function createHttpClient(): HttpClient {
  const idle = new IdleConnections();
  const connector = createConnector((connection) => idle.remove(connection));
  const ask = async (get: HttpGet, target: string, connection: Connection): Promise<Head> => {
    const head = await askWatched(get, connection);
    idle.put(target, connection);
    return head;
  };

  return {
    async get(get) {
      const target = `${get.url.protocol}//${get.hostname}:${get.port}`;
      const used = await takeQuiet(idle, target);
      if (used) {
        try {
          const head = await ask(unlessTooLate(get), target, used);
          if (head.status !== TOO_LATE) return head;
        } catch (error) {
          if (!isOfAnswerBefore(error, used)) throw error;
        }
      }
      const session = connector.sessionOf(target);
      const fresh = connector.connect(target, get, session);
      try {
        return await ask(get, target, fresh);
      } catch (error) {
        if (fresh.hasAnswered) throw error;
        connector.forget(target);
        // One of several servers of a name may choke on what another gave: it was our wish to resume, and is none of the image's.
        if (session === undefined || !isHandshakeFailure(error)) throw error;
        return ask(get, target, connector.connect(target, get, undefined));
      }
    },
    close() {
      idle.close();
      connector.close();
    },
  };
}

/**
 * A connection at rest on which nothing came that nobody asked for. Of what a server sent right behind its last answer, some may not have
 * been read yet: it did not fit into the same read, is a TLS record of its own, or the socket rested while the body was written. Between
 * two turns of the event loop all sockets are read.
 */
async function takeQuiet(idle: IdleConnections, target: string): Promise<Connection | undefined> {
  for (let used = idle.take(target); used; used = idle.take(target)) {
    await nextTurn();
    await nextTurn();
    if (used.isReusable) return used;
  }
  return undefined;
}

/**
 * What ended a request on a connection that had been used may have been on its way before it: the server's close, or what it sent behind
 * the answer before. Asked for once more, which RFC 9110 §9.2.2 allows for a GET.
 */
function isOfAnswerBefore(error: unknown, used: Connection): boolean {
  return error instanceof NoHead || (!used.hasAnswered && isGone(error));
}

async function askWatched(get: HttpGet, connection: Connection): Promise<Head> {
  const { watch } = get;
  watch.begin((reason) => connection.destroy(reason));
  if (!connection.isFresh) watch.onConnected();
  const onHead = (head: Head) => {
    watch.onHead();
    return get.onHead(head);
  };
  const head = await connection.exchange({ request: formatRequest(get.url, get.headers), onHead, onBytes: watch.onBytes });
  watch.onWhole();
  return head;
}

/** How some servers say that a connection at rest is being closed: what was asked meanwhile may be asked again (RFC 9110 §15.5.9). */
const TOO_LATE = 408;

function unlessTooLate(get: HttpGet): HttpGet {
  return { ...get, onHead: (head) => (head.status === TOO_LATE ? null : get.onHead(head)) };
}

/** Makes connections, with what is remembered of their targets. */
function createConnector(onClose: (connection: Connection) => void) {
  const open = new Set<Connection>();
  const sessions = createMemory<Buffer>();
  const addresses = createMemory<string>();
  return {
    sessionOf: sessions.get,
    connect(target: string, { url, port, hostname, lookup, addressMs, watch }: HttpGet, session: Buffer | undefined): Connection {
      const isSecure = url.protocol === "https:";
      const connection = new Connection(
        { isSecure, hostname, port, lookup: addressFirst(() => addresses.get(target), lookup), addressMs, session },
        {
          connect: () => {
            addresses.keep(target, connection.socket.remoteAddress ?? "");
            watch.onConnected();
          },
          session: (session) => sessions.keep(target, session),
          close: () => {
            open.delete(connection);
            onClose(connection);
          },
        },
      );
      open.add(connection);
      return connection;
    },
    forget(target: string) {
      sessions.forget(target);
      addresses.forget(target);
    },
    close() {
      for (const connection of open) connection.destroy(new Error("the client is closed"));
    },
  };
}

/** By target: of TLS the last session, as a handshake that resumes one is shorter, and the address that was connected to. The oldest goes. */
function createMemory<Value>() {
  const values = new Map<string, Value>();
  return {
    get: (target: string) => values.get(target),
    forget: (target: string) => void values.delete(target),
    keep(target: string, value: Value) {
      putLast(values, target, value, TARGETS_MAX);
    },
  };
}

/** Of the addresses of a name, the one that was connected to is tried first: those that lead nowhere cost seconds each time. */
function addressFirst(known: () => string | undefined, lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, found, family) => {
      const first = known();
      if (error || typeof found === "string") callback(error, found, family);
      else
        callback(
          null,
          found.toSorted((one, other) => Number(other.address === first) - Number(one.address === first)),
        );
    });
}

function isHandshakeFailure(error: unknown): boolean {
  return isGone(error) || /^(EPROTO|ERR_SSL_)/.test(errorCode(error));
}

function isGone(error: unknown): boolean {
  return ["ECONNRESET", "EPIPE"].includes(errorCode(error));
}
