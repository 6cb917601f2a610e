import { HEAD_BYTES_MAX, mayBeHead, parseHead, type Head } from "./head.ts";
import { NoHead, ProtocolError } from "./protocol-error.ts";

const HEAD_END = "\r\n\r\n";
/** Servers send one or two. Without a limit a server could keep us reading nothing but them, thousands from each read. */
const ANNOUNCEMENTS_MAX = 16;
/** Nothing else would end such a head: it would be waited for to the deadline. */
const BARE_LF = /(?<!\r)\n/g;

/** Finds the head of an answer in what comes on a connection, in however many pieces. */
export class HeadReader {
  /** What has come of the head that is not whole yet. */
  #text = "";
  /** How many heads have announced the answer. */
  #announcements = 0;

  /** The answer's head, with how many of these bytes are its own; null while it goes on. Throws ProtocolError. */
  read(bytes: Buffer): { head: Head; length: number } | null {
    // Heads that announce the answer (100, 103) may come before it.
    for (let from = 0; ;) {
      const before = this.#text.length;
      const found = before === 0 ? bytes.indexOf(HEAD_END, from) : -1;
      this.#text += bytes.toString("latin1", from, found === -1 ? Math.min(bytes.length, from + HEAD_BYTES_MAX + 4) : found + 4);
      if (!mayBeHead(this.#text)) throw new NoHead("it does not begin with HTTP/1");
      const end = this.#text.indexOf(HEAD_END, Math.max(0, before - 3));
      if (end === -1 ? this.#text.length > HEAD_BYTES_MAX : end > HEAD_BYTES_MAX)
        throw new ProtocolError(`the head is longer than ${HEAD_BYTES_MAX} bytes`);
      BARE_LF.lastIndex = before;
      const bare = BARE_LF.exec(this.#text);
      if (bare !== null && (end === -1 || bare.index < end)) throw new ProtocolError("a line of its head ends without a CR");
      if (end === -1) return null;
      const head = parseHead(this.#text.slice(0, end));
      from += end + HEAD_END.length - before;
      this.#text = "";
      if (head.status >= 200 || head.status === 101) {
        this.#announcements = 0;
        return { head, length: from };
      }
      this.#announcements += 1;
      if (this.#announcements > ANNOUNCEMENTS_MAX) throw new ProtocolError(`more than ${ANNOUNCEMENTS_MAX} heads announce its answer`);
      if (!head.isHttp11) throw new ProtocolError(`HTTP/1.0 has no answer of status ${head.status}`);
      if (from === bytes.length) return null;
    }
  }
}
