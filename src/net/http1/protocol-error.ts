/** What came is not HTTP as RFC 9112 has it; the message says what was expected. */
export class ProtocolError extends Error {}

/** The connection ended within a body. */
export class BodyCut extends Error {}
