import { errorCode } from "../domain/error-code.ts";
import { outOfFiles, outOfPorts } from "../domain/load/open-files.ts";
import { failureOf, type StageFailure } from "../domain/image/stage-result.ts";
import { storageFailure } from "../domain/image/storage-failure.ts";
import { FileRefused } from "./body-file.ts";
import { BlockedAddress } from "./guarded-lookup.ts";
import { LookUpLate } from "./look-ups.ts";
import { ProtocolError } from "./http1/protocol-error.ts";

/** Raised by our own deadlines, with the name of the one that passed. */
export class DeadlinePassed extends Error {}

const DNS_ERRNOS = new Set(["ENOTFOUND", "EAI_AGAIN", "ENODATA", "ESERVFAIL", "EAI_FAIL", "EAI_NODATA", "EAI_NONAME"]);
/** What OpenSSL finds wrong with a certificate, as Node names it: UNSPECIFIED is all that has no name of its own. */
const TLS_CODES =
  /^(ERR_TLS|ERR_SSL|CERT_|CRL_|ERROR_IN_CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|INVALID_(CA|PURPOSE)$|PATH_LENGTH|HOSTNAME_MISMATCH|UNSPECIFIED$|EPROTO)/;

/** What a surprise from a socket, a resolver, TLS or the disk means for the image. Never shows an address we refused. */
export function netFailure(error: unknown): StageFailure {
  if (error instanceof BlockedAddress) return failureOf("address_blocked");
  if (error instanceof DeadlinePassed) return failureOf("timed_out", error.message);
  if (error instanceof LookUpLate) return failureOf("dns_failed", error.message);
  if (error instanceof FileRefused) return storageFailure(error.cause, "The download could not be written");
  const first = firstOf(error);
  const lack = outOfFiles(first) ?? outOfPorts(first);
  if (lack !== null) return lack.failure;
  const code = errorCode(first);
  if (DNS_ERRNOS.has(code)) return failureOf("dns_failed", `The host name could not be resolved (${code}).`);
  if (TLS_CODES.test(code)) return failureOf("tls_failed", `The TLS connection failed (${code})${reasonOf(first)}.`);
  if (error instanceof ProtocolError) return failureOf("http_error", `The server's answer is not HTTP: ${error.message}.`);
  return failureOf("connect_failed", `The connection failed (${code === "" ? "no reason given" : code}).`);
}

/** Happy Eyeballs wraps the errors of all addresses it tried: the first one speaks. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? firstOf(error.errors[0]) : error;
}

/** OpenSSL says it in its own words, among those of its error queue: `…:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:…`. */
const TLS_REASON = /:error:[\dA-F]+:[^:]*:[^:]*:([\w /.-]{1,100}):/i;

/** EPROTO stands for all that can go wrong in a handshake: a server name or a version that is refused among others. */
function reasonOf(error: unknown): string {
  const [, reason] = (error instanceof Error ? TLS_REASON.exec(error.message) : null) ?? [];
  return reason === undefined ? "" : `: ${reason}`;
}
