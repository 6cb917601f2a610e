/** The query of every form below matches this (`se` also behind an `&amp;`); any other need not be parsed. */
const HINT = /exp|[?&;]se=/i;

/** 11 digits of seconds reach the year 5138; 13 would be milliseconds, which no form here has. */
const SECONDS = /^\d{1,11}$/;

/** `prefix` begins the parameters that give a start (`date`), for how many seconds from then the link holds (`expires`), and who signed what. */
const LIFETIMES = [
  // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, and S3 Express with a token of its own
  { prefix: "x-amz-", others: ["algorithm", "signedheaders", "s3session-token"] },
  // https://cloud.google.com/storage/docs/authentication/canonical-requests
  { prefix: "x-goog-", others: ["algorithm", "signedheaders"] },
  // https://www.alibabacloud.com/help/en/oss/developer-reference/add-signatures-to-urls
  { prefix: "x-oss-", others: ["signature-version", "additional-headers"] },
].map(({ prefix, others }) => ({
  start: `${prefix}date`,
  seconds: `${prefix}expires`,
  // Not all that begins so: `x-oss-process` makes another picture.
  names: ["date", "expires", "credential", "signature", "security-token", ...others].map((name) => prefix + name),
}));

/** The first parameter names the signer, beside a `Signature` and an `Expires` in seconds since 1970. */
const SIGNERS = [
  // https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#RESTAuthenticationQueryStringAuth
  ["awsaccesskeyid", "x-amz-security-token"],
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
  ["key-pair-id"],
  // https://cloud.google.com/storage/docs/access-control/signed-urls-v2
  ["googleaccessid"],
  // https://help.aliyun.com/en/oss/developer-reference/ddd-signatures-to-urls
  ["ossaccesskeyid", "security-token"],
] as const;

/**
 * Of a shared access signature (https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas, create-service-sas and
 * create-account-sas), without the headers that it sets in the answer (`rscd`).
 */
const AZURE = "sig se st sv sr sp sip spr si sdd ses ss srt skoid sktid skt ske sks skv saoid suoid skdutid sduoid scid".split(" ");

/** Whether it is worth looking closer: cheap, and also true for links that are not signed. */
export function mayExpire(text: string): boolean {
  const start = text.indexOf("?");
  return start !== -1 && HINT.test(text.slice(start));
}

/**
 * When a signed link stops working, as its own parameters say; the earliest time, where it is signed in several ways. Null for
 * a link that is signed in none of these ways, or whose times cannot be read. CloudFront's `Policy` form is not read.
 */
export function findExpiry(href: string): Date | null {
  const times = findSignatures(href).map(({ endMs }) => endMs);
  return times.length > 0 ? new Date(Math.min(...times)) : null;
}

/** A signed link without the parameters that sign it, all others as they are written; any link that findExpiry() finds nothing in as it is. */
export function withoutSignature(href: string): string {
  const signatures = findSignatures(href);
  if (signatures.length === 0) return href;
  const signing = new Set(signatures.flatMap(({ names }) => names));
  const start = href.indexOf("?");
  const names = [...new URLSearchParams(href.slice(start)).keys()];
  // URLSearchParams passes over empty ones.
  const pairs = href
    .slice(start + 1)
    .split("&")
    .filter((pair) => pair !== "");
  const others = pairs.filter((_, index) => !signing.has(names[index]?.toLowerCase() ?? ""));
  return href.slice(0, start) + (others.length > 0 ? `?${others.join("&")}` : "");
}

/** When a link ends by it, NaN where that cannot be read; and the parameters, in lower case, that say so and nothing of the file. */
type Signature = { endMs: number; names: readonly string[] };

/** Those whose end can be read. */
function findSignatures(href: string): Signature[] {
  if (!mayExpire(href)) return [];
  const parameters = readParameters(href.slice(href.indexOf("?")));
  const found = [...withLifetime(parameters), ...withExpires(parameters), ofAzure(parameters), ...tokens(parameters)];
  return found.filter(({ endMs }) => !Number.isNaN(endMs));
}

type Parameters = ReadonlyMap<string, string>;

/** With names in lower case; where a name comes twice, the first value counts. */
function readParameters(query: string): Parameters {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const key = name.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, value);
  }
  return parameters;
}

function withLifetime(parameters: Parameters): Signature[] {
  return LIFETIMES.map(({ start, seconds, names }) => ({
    endMs: compactMs(parameters.get(start)) + secondsMs(parameters.get(seconds)),
    names,
  }));
}

function withExpires(parameters: Parameters): Signature[] {
  if (!parameters.has("signature")) return [];
  const endMs = secondsMs(parameters.get("expires"));
  return SIGNERS.filter(([signer]) => parameters.has(signer)).map((names) => ({ endMs, names: ["expires", "signature", ...names] }));
}

function ofAzure(parameters: Parameters): Signature {
  return { endMs: parameters.has("sig") ? isoMs(parameters.get("se")) : Number.NaN, names: AZURE };
}

/**
 * `exp=…~acl=…~hmac=…` in one parameter: Akamai's token (https://techdocs.akamai.com/property-mgr/docs/auth-token-2-0-ver)
 * and Cloudinary's (https://cloudinary.com/documentation/control_access_to_media). It is known by its value, since its name
 * is the customer's choice: `__token__`, `hdnts`, `hdnea`, `__cld_token__`.
 */
function tokens(parameters: Parameters): Signature[] {
  return [...parameters]
    .filter(([, value]) => value.includes("~hmac="))
    .map(([name, value]) => {
      const field = value.split("~").find((part) => part.startsWith("exp="));
      return { endMs: secondsMs(field?.slice("exp=".length)), names: [name] };
    });
}

function secondsMs(text: string | undefined): number {
  return text !== undefined && SECONDS.test(text) ? Number(text) * 1_000 : Number.NaN;
}

/** Of a time such as `20130721T201207Z`. */
function compactMs(text: string | undefined): number {
  const parts = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text ?? "");
  if (parts === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = parts;
  return isoMs(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

/**
 * A day, or a day and a time, in UTC unless it says otherwise:
 * https://learn.microsoft.com/rest/api/storageservices/formatting-datetime-values
 */
function isoMs(text: string | undefined): number {
  const parts = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(text ?? "");
  if (parts === null) return Number.NaN;
  const [, day = "", time = "00:00", zone = "Z"] = parts;
  // Date.parse makes 2 March of 30 February.
  const midnight = Date.parse(`${day}T00:00Z`);
  const isDay = !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(day);
  return isDay ? Date.parse(`${day}T${time}${zone}`) : Number.NaN;
}
