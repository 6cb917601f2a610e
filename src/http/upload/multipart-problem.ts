import { ProblemError } from "../problems.ts";
import { FIELDS_MAX } from "./receive-upload.ts";

/** What the multipart parser threw: its plugin's errors have codes, busboy's own only words. */
export function multipartProblem(error: Error & { code?: string }): ProblemError | null {
  switch (error.code) {
    case "FST_FIELDS_LIMIT":
      return new ProblemError("upload_too_large", `Expected at most ${FIELDS_MAX} fields beside the file, got more.`);
    case "FST_FILES_LIMIT":
    case "FST_PARTS_LIMIT":
      return new ProblemError(
        "too_many_files",
        "Expected one file, in the field `file`, and its options; upload other files on their own.",
      );
    case "FST_PROTO_VIOLATION":
      return new ProblemError(
        "bad_multipart",
        "Expected fields that are called as the options are, got one called as a member that every object has (`__proto__`, `constructor`); leave it out.",
      );
    case "FST_INVALID_JSON_FIELD_ERROR":
      return new ProblemError("bad_multipart", "Expected JSON in a field whose type is application/json, got something else.");
    case "FST_MP_PREMATURE_CLOSE":
    // Of a client that hung up between two parts.
    case "ECONNRESET":
      return new ProblemError("bad_multipart", "The connection ended before the whole form had come.");
    default:
      if (!/multipart|boundary|unexpected end of (form|file)|malformed part header/i.test(error.message)) return null;
      return new ProblemError(
        "bad_multipart",
        `Expected multipart/form-data whose parts are divided by the boundary that Content-Type names, got what cannot be read: ${error.message}.`,
      );
  }
}
