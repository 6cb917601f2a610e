/** What came is not HTTP as RFC 9112 has it; the message says what was expected. */
export class ProtocolError extends Error {}

/** Not even its beginning is a head: what came may belong to the answer before it. */
export class NoHead extends ProtocolError {}

/** The connection ended within a body. */
export class BodyCut extends Error {}
