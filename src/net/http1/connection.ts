import net, { isIP, type LookupFunction } from "node:net";
import tls from "node:tls";
import type { Framing, Take } from "./framing.ts";
import { framingOf } from "./framing-of.ts";
import { keepsConnection, type Head } from "./head.ts";
import { HeadReader } from "./head-reader.ts";
import { BodyCut } from "./protocol-error.ts";

/** What takes a body. */
export type Sink = {
  /** Bytes of the body, valid during the call only: at most READ_BYTES between two calls of `drain`. */
  take(bytes: Buffer): void;
  /** Asked after each read: what has to be done before more may come. */
  drain(): Promise<void> | null;
};

type Exchange = {
  /** Request line and headers, with the empty line. */
  request: string;
  onHead(head: Head): Sink | null;
  onBytes(count: number): void;
};

export type Target = {
  isSecure: boolean;
  hostname: string;
  port: number;
  lookup: LookupFunction;
  addressMs: number;
  session: Buffer | undefined;
};

/** The most that is read at once. All connections read into one buffer, whose bytes are used before the next read. */
export const READ_BYTES = 64 * 1024;
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);

/**
 * For how long one address of a name is tried before the next. Node's 250 ms give up where a handshake takes longer, over a far or a busy
 * line or because its first packet was lost, and then all fails if the next address is one of IPv6 and leads nowhere. A packet that
 * was lost is sent again after one second.
 */
export const ADDRESS_MS = 2_000;

type Current = {
  exchange: Exchange;
  head: Head | null;
  framing: Framing | null;
  sink: Sink | null;
  take: Take;
  resolve(head: Head): void;
  reject(error: Error): void;
};

const DISCARD = () => {};

/**
 * A connection that asks for one thing after the other (HTTP/1.1, RFC 9112). The socket reads into a buffer of ours, and
 * nothing but the head becomes an object: node:http makes a buffer of every piece of a body, a stream, and garbage.
 */
export class Connection {
  readonly socket: net.Socket;
  /** When it came to rest, and how long the server said that it may. */
  idleSince = 0;
  keepMs = Infinity;
  /** Nothing was asked on it before. */
  isFresh = true;
  #current: Current | null = null;
  readonly #heads = new HeadReader();
  #isHeld = false;
  /** What happened while the socket was held, in order. */
  readonly #deferred: (() => void)[] = [];
  #isReusable = true;
  #hasAnswered = false;

  constructor(target: Target, on: { connect(): void; session(session: Buffer): void; close(): void }) {
    const onread = { buffer: READ_BUFFER, callback: (count: number) => this.#onRead(READ_BUFFER.subarray(0, count)) };
    const { hostname: host, port } = target;
    const way = { lookup: target.lookup, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: target.addressMs };
    if (target.isSecure) {
      // Without the dot that may end a name (RFC 6066 §3).
      const names = isIP(host) === 0 ? { servername: host.replace(/\.$/, "") } : {};
      // `onread` is documented for tls.connect and missing in its types.
      const options: tls.ConnectionOptions & { onread: typeof onread } = {
        host,
        port,
        ...way,
        ...names,
        ALPNProtocols: ["http/1.1"],
        onread,
        ...(target.session ? { session: target.session } : {}),
      };
      this.socket = tls.connect(options, on.connect).on("session", on.session);
    } else this.socket = net.connect({ host, port, ...way, noDelay: true, onread }, on.connect);
    this.socket.on("error", (error) => this.#inTurn(() => this.#onGone(error)));
    this.socket.on("end", () => this.#inTurn(() => this.#onEnd()));
    this.socket.on("close", () => {
      this.#inTurn(() => this.#onGone(ended()));
      on.close();
    });
  }

  /** Whether something else may be asked: the last answer was whole, both sides keep the connection, and nothing came unasked. */
  get isReusable(): boolean {
    return this.#isReusable && this.#current === null && !this.socket.destroyed && this.socket.readable && this.socket.writable;
  }

  /** Whether any byte has come since something was asked. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Resolves with the head once the body has been given whole to its sink, or at once where there is no sink. */
  exchange(exchange: Exchange): Promise<Head> {
    return new Promise((resolve, reject) => {
      this.#hasAnswered = false;
      this.#current = { exchange, head: null, framing: null, sink: null, take: DISCARD, resolve, reject };
      this.socket.write(exchange.request, "latin1");
    });
  }

  destroy(error: Error): void {
    this.#fail(error);
    this.socket.destroy();
  }

  /** Returns whether the socket may read on. */
  #onRead(bytes: Buffer): boolean {
    if (this.#isHeld) {
      // TLS goes on with what it has decrypted already, up to a read of the socket below it.
      const copy = Buffer.from(bytes);
      this.#deferred.push(() => void this.#onRead(copy));
      return false;
    }
    const current = this.#current;
    if (current === null) {
      // Nobody asked: whatever this is, it must not become somebody's answer.
      this.#isReusable = false;
      this.socket.destroy();
      return false;
    }
    try {
      this.#hasAnswered = true;
      this.#receive(current, bytes);
    } catch (error) {
      this.#isReusable = false;
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      this.socket.destroy();
    }
    return !this.#isHeld;
  }

  #receive(current: Current, bytes: Buffer): void {
    let body = bytes;
    if (current.head === null) {
      const read = this.#heads.read(bytes);
      if (read === null) return;
      this.#begin(current, read.head);
      body = bytes.subarray(read.length);
    }
    if (current.framing === null) return;
    const used = current.framing.push(body, current.take);
    const isWhole = used !== null;
    if (isWhole && used < body.length) this.#isReusable = false;
    if (current.sink === null) return this.#finish(current, isWhole);
    const draining = current.sink.drain();
    if (draining !== null) this.#hold(current, draining, isWhole);
    else if (isWhole) this.#finish(current, true);
  }

  #begin(current: Current, head: Head): void {
    current.framing = framingOf(head);
    current.head = head;
    if (current.framing.isWholeAtEnd || !keepsConnection(head)) this.#isReusable = false;
    const [, seconds] = /timeout=(\d+)/i.exec(head.headers["keep-alive"] ?? "") ?? [];
    this.keepMs = seconds === undefined ? Infinity : Number(seconds) * 1_000;
    const sink = current.exchange.onHead(head);
    if (sink === null) return;
    current.sink = sink;
    current.take = (bytes) => {
      current.exchange.onBytes(bytes.length);
      sink.take(bytes);
    };
  }

  /** The socket rests while the sink works off what it has. */
  #hold(current: Current, draining: Promise<void>, isWhole: boolean): void {
    this.#isHeld = true;
    draining.then(
      () => {
        this.#isHeld = false;
        if (this.#current !== current) return;
        if (isWhole) this.#finish(current, true);
        this.#catchUp();
      },
      (error: Error) => this.destroy(error),
    );
  }

  /** The end of a connection comes after the bytes that came before it. */
  #inTurn(event: () => void): void {
    if (this.#isHeld) this.#deferred.push(event);
    else event();
  }

  #catchUp(): void {
    // One of them may hold the socket again.
    while (!this.#isHeld) {
      const event = this.#deferred.shift();
      // Asked for all the same after the last byte: an idle connection must hear of its end.
      if (event === undefined) return void this.socket.resume();
      event();
    }
  }

  /** Without its body whole, what is left of it is in the way of anything else. */
  #finish(current: Current, isWhole: boolean): void {
    if (this.#current !== current || current.head === null) return;
    this.#current = null;
    this.isFresh = false;
    if (!isWhole) this.#isReusable = false;
    if (!this.#isReusable) this.socket.destroy();
    current.resolve(current.head);
  }

  #onEnd(): void {
    const current = this.#current;
    this.#isReusable = false;
    if (current?.framing?.isWholeAtEnd === true) this.#finish(current, true);
    else this.#onGone(ended());
  }

  /** The far side, or the way there, has ended the connection. */
  #onGone(error: Error): void {
    this.#fail(this.#current?.head ? new BodyCut(error.message, { cause: error }) : error);
  }

  #fail(error: Error): void {
    const current = this.#current;
    this.#isReusable = false;
    this.#current = null;
    current?.reject(error);
  }
}

function ended(): Error {
  return Object.assign(new Error("the connection ended before an answer"), { code: "ECONNRESET" });
}
