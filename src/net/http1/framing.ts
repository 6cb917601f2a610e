export type Take = (bytes: Buffer) => void;

/** Where the body of a message ends. */
export type Framing = {
  /** Hands on what of these bytes is body. Returns how many of them belong to the message once it is whole, else null. */
  push(bytes: Buffer, take: Take): number | null;
  /** Whether the message is whole when the connection ends now. */
  readonly isWholeAtEnd: boolean;
};
