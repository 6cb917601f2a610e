/** The query of every form below matches this (`se` also behind an `&amp;`); any other need not be parsed. */
const HINT = /exp|[?&;]se=/i;

/** 11 digits of seconds reach the year 5138; 13 would be milliseconds, which no form here has. */
const SECONDS = /^\d{1,11}$/;

/** Parameters that give a start, and for how many seconds from then the link holds. */
const LIFETIMES = [
  // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
  { start: "x-amz-date", seconds: "x-amz-expires" },
  // https://cloud.google.com/storage/docs/authentication/canonical-requests
  { start: "x-goog-date", seconds: "x-goog-expires" },
  // https://www.alibabacloud.com/help/en/oss/developer-reference/add-signatures-to-urls
  { start: "x-oss-date", seconds: "x-oss-expires" },
] as const;

/** Parameters that name the signer, beside a `Signature` and an `Expires` in seconds since 1970. */
const SIGNERS = [
  // https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#RESTAuthenticationQueryStringAuth
  "awsaccesskeyid",
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
  "key-pair-id",
  // https://cloud.google.com/storage/docs/access-control/signed-urls-v2
  "googleaccessid",
  // https://help.aliyun.com/en/oss/developer-reference/ddd-signatures-to-urls
  "ossaccesskeyid",
] as const;

/** Whether it is worth looking closer: cheap, and also true for links that findExpiry() finds nothing in. */
export function mayExpire(text: string): boolean {
  const start = text.indexOf("?");
  return start !== -1 && HINT.test(text.slice(start));
}

/**
 * When a signed link stops working, as its own parameters say; the earliest time, where it is signed in several ways. Null for
 * a link that is signed in none of these ways, or whose times cannot be read. CloudFront's `Policy` form is not read.
 */
export function findExpiry(href: string): Date | null {
  if (!mayExpire(href)) return null;
  const parameters = readParameters(href.slice(href.indexOf("?")));
  const times = [...lifetimeEnds(parameters), expiresMs(parameters), azureMs(parameters), ...tokenEnds(parameters)].filter(
    (ms) => !Number.isNaN(ms),
  );
  return times.length > 0 ? new Date(Math.min(...times)) : null;
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

function lifetimeEnds(parameters: Parameters): number[] {
  return LIFETIMES.map(({ start, seconds }) => compactMs(parameters.get(start)) + secondsMs(parameters.get(seconds)));
}

function expiresMs(parameters: Parameters): number {
  const isSigned = parameters.has("signature") && SIGNERS.some((name) => parameters.has(name));
  return isSigned ? secondsMs(parameters.get("expires")) : Number.NaN;
}

/** A shared access signature: https://learn.microsoft.com/rest/api/storageservices/create-service-sas */
function azureMs(parameters: Parameters): number {
  return parameters.has("sig") ? isoMs(parameters.get("se")) : Number.NaN;
}

/**
 * `exp=…~acl=…~hmac=…` in one parameter: Akamai's token (https://techdocs.akamai.com/property-mgr/docs/auth-token-2-0-ver)
 * and Cloudinary's (https://cloudinary.com/documentation/control_access_to_media). It is known by its value, since its name
 * is the customer's choice: `__token__`, `hdnts`, `hdnea`, `__cld_token__`.
 */
function tokenEnds(parameters: Parameters): number[] {
  return [...parameters.values()]
    .filter((value) => value.includes("~hmac="))
    .map((value) => {
      const field = value.split("~").find((part) => part.startsWith("exp="));
      return secondsMs(field?.slice("exp=".length));
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
