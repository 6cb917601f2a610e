import { connect, type Socket } from "node:net";
import { onCleanup } from "../../support/cleanup.ts";
import { demandDocumented } from "../../support/watch-answers.ts";

export type SlowClient = {
  send(text: string): void;
  /** Sends this now and then, until the connection ends. */
  trickle(text: string): void;
  /** The answer, once its body is whole; rejects where the connection ends without one. */
  answer: Promise<{ status: number; body: string; afterMs: number }>;
  /** How long the connection lasted. */
  ended: Promise<number>;
  hangUp(): void;
};

const TRICKLE_MS = 50;

/** A client that says how its request begins and takes its time with the rest; the body goes in chunks. */
export function openSlowClient(url: string, path: string, type: string): SlowClient {
  const { hostname, port, host } = new URL(url);
  const start = performance.now();
  const socket: Socket = connect(Number(port), hostname);
  const chunk = (text: string) => socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
  socket.write(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`);
  socket.on("error", () => {});
  onCleanup(() => socket.destroy());

  let received = "";
  const answer = Promise.withResolvers<{ status: number; body: string; afterMs: number }>();
  answer.promise.catch(() => {});
  socket.on("data", (data) => {
    received += data.toString();
    const [head = "", body = ""] = received.split(/\r\n\r\n(.*)/s);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Infinity);
    if (Buffer.byteLength(body) < length) return;
    const status = Number(head.split(" ")[1]);
    try {
      const headerOf = (name: string) => new RegExp(`${name}: (.+)`, "i").exec(head)?.[1] ?? null;
      demandDocumented({
        method: "POST",
        path,
        status,
        contentType: headerOf("content-type"),
        retryAfter: headerOf("retry-after"),
        body,
      });
      answer.resolve({ status, body, afterMs: performance.now() - start });
    } catch (error) {
      answer.reject(error);
    }
  });
  const ended = new Promise<number>((resolve) => {
    socket.once("close", () => {
      answer.reject(new Error(`the connection ended without an answer: ${received}`));
      resolve(performance.now() - start);
    });
  });
  return {
    send: chunk,
    trickle(text) {
      const sending = setInterval(() => chunk(text), TRICKLE_MS);
      socket.once("close", () => clearInterval(sending));
    },
    answer: answer.promise,
    ended,
    hangUp: () => void socket.destroy(),
  };
}
