import { resolve } from "node:path";
import { createAddressPolicy } from "./domain/url/address-policy.ts";
import { withoutPassword } from "./domain/secret/database-url.ts";
import { SECRET_KEY_LENGTH_MIN } from "./domain/secret/sealed.ts";
import { WEBHOOK_PAYLOADS, type WebhookPayload } from "./domain/batch/seed-payload.ts";
import { isLoopbackUrl, isPublicUrl } from "./domain/url/public-url.ts";
import { isContact } from "./domain/user-agent.ts";
import { findAuthorizationFault } from "./domain/secret/webhook-authorization.ts";
import { findSecretFault, SECRETS_MAX } from "./domain/secret/webhook-signature.ts";
import { defaultEncoderMb, defaultEncoders } from "./encoder-defaults.ts";
import { createEnvReader, type EnvReader } from "./env-reader.ts";

type Role = "all" | "api" | "worker";

export type Config = Readonly<{
  host: string;
  port: number;
  /** Without a slash at the end; null: the listening address. */
  publicUrl: string | null;
  apiKeys: readonly string[];
  auth: "keys" | "none" | "loopback";
  databaseUrl: string | null;
  embeddedPgPort: number;
  dataDir: string;
  role: Role;
  /** A message is signed with each of `secrets`. `authorization`: its Authorization header, for a receiver that asks for one. */
  webhook: { url: string; secrets: readonly string[]; authorization: string | null } | null;
  /** How events are worded for uploads that do not say. */
  webhookPayload: WebhookPayload;
  allowCidrs: readonly string[];
  /** Ports of public addresses that may be reached, besides 80 and 443. */
  allowPorts: readonly number[];
  /** Who runs this, for the User-Agent: a URL or a mail address. */
  contact: string | null;
  /** What headers for origins are encrypted with; null: a file in DATA_DIR where the database is embedded, else nothing. */
  secretKey: string | null;
  encoders: number;
  encoderMemoryBytes: number;
  downloads: number;
  downloadsPerHost: number;
  keepInputs: boolean;
  /** How long batches are kept that have ended; 0: until somebody removes them. */
  keepBatchesDays: number;
  allowSvg: boolean;
  uploadBytesMax: number;
  uploadMs: number;
  /** How long at least the port stays open once a stop has begun. */
  drainMs: number;
  diskFreeBytesMin: number;
  logLevel: string;
}>;

/** Every fault of the environment at once, each with what was expected. */
export class ConfigError extends Error {
  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`,
    );
  }
}

const LOG_LEVELS = ["silent", "error", "warn", "info", "debug"];
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);
const MIB = 1024 * 1024;

/**
 * Reads and checks the environment once; no setting is read anywhere else, but for libuv's UV_THREADPOOL_SIZE (net/look-ups.ts). All defaults are here, or in encoder-defaults.ts.
 * Where it is not `isServed`, as by a command that opens no port, who can reach it does not matter.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>, { isServed = true } = {}): Config {
  const faults: string[] = [];
  const read = createEnvReader(env, faults);
  const host = read.text("HOST") ?? "127.0.0.1";
  const apiKeys = readApiKeys(read, "API_KEYS");
  const auth = read.oneOf("AUTH", ["none"]);
  const publicUrl = readPublicUrl(read, "PUBLIC_URL");
  const databaseUrl = read.databaseUrl("DATABASE_URL");
  const config: Config = {
    host,
    port: read.integer("PORT", 3000, 0, 65_535),
    publicUrl,
    apiKeys,
    auth: apiKeys.length > 0 ? "keys" : auth === "none" ? "none" : "loopback",
    databaseUrl,
    embeddedPgPort: read.integer("EMBEDDED_PG_PORT", 54_320, 0, 65_535),
    dataDir: readDataDir(read, "DATA_DIR"),
    role: read.oneOf("ROLE", ["all", "api", "worker"]) ?? "all",
    webhook: readWebhook(read, faults),
    webhookPayload: read.oneOf("WEBHOOK_PAYLOAD", WEBHOOK_PAYLOADS) ?? "event",
    allowCidrs: read.list("ALLOW_CIDRS"),
    allowPorts: readPorts(read, "ALLOW_PORTS"),
    contact: readContact(read, "CONTACT") ?? publicContact(publicUrl),
    secretKey: readSecretKey(read, "SECRET_KEY"),
    encoders: read.integer("ENCODERS", defaultEncoders(), 1, 1_024),
    // What would need more is refused with the number that it needs (domain/image/decode-cost.ts); 256 hold small images in every format.
    encoderMemoryBytes: read.integer("ENCODER_MEMORY_MB", defaultEncoderMb(databaseUrl), 256, 65_536) * MIB,
    downloads: read.integer("DOWNLOADS", 768, 1, 4_096),
    downloadsPerHost: read.integer("DOWNLOADS_PER_HOST", 64, 1, 1_024),
    keepInputs: read.flag("KEEP_INPUTS", true),
    keepBatchesDays: read.integer("KEEP_BATCHES_DAYS", 0, 0, 36_500),
    allowSvg: read.flag("ALLOW_SVG", false),
    uploadBytesMax: read.integer("UPLOAD_BYTES_MAX", 1024 * MIB, 1_024, 64 * 1024 * MIB),
    // A million rows over 1 Mbit/s take a quarter of an hour; a client that trickles does not hold a slot for longer.
    uploadMs: read.integer("UPLOAD_SECONDS_MAX", 1_800, 1, 86_400) * 1_000,
    drainMs: read.integer("DRAIN_SECONDS", 0, 0, 300) * 1_000,
    diskFreeBytesMin: read.integer("DISK_FREE_MB_MIN", 100, 0, 1_048_576) * MIB,
    logLevel: read.oneOf("LOG_LEVEL", LOG_LEVELS) ?? "info",
  };
  if (isServed) checkReach(config, faults);
  checkCidrs(config, faults);
  checkAuthorization(config, faults);
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze(config);
}

/** Open to other machines, by its port or by a proxy on this one, everybody could make us fetch and store whatever they like. */
function checkReach({ host, publicUrl, auth, role }: Config, faults: string[]): void {
  if (auth !== "loopback" || role === "worker") return;
  const wayOut = "set API_KEYS to a comma separated list of keys (`openssl rand -hex 24` makes one), or AUTH=none if everybody may use it";
  if (!LOOPBACK.has(host))
    faults.push(`HOST=${host} may open the service to other machines (127.0.0.1, ::1 and localhost do not): ${wayOut}`);
  else if (publicUrl !== null && !isLoopbackUrl(publicUrl))
    faults.push(
      `PUBLIC_URL: expected API_KEYS or AUTH=none with a URL at which other machines reach the service, got neither with "${new URL(publicUrl).origin}": ${wayOut}`,
    );
}

function checkCidrs(config: Config, faults: string[]): void {
  try {
    createAddressPolicy(config);
  } catch (error) {
    faults.push(`ALLOW_CIDRS: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Whether its name leads into a network that ALLOW_CIDRS names is known when it is sent: see Guard.mayCarrySecrets. */
function checkAuthorization({ webhook, allowCidrs }: Config, faults: string[]): void {
  if (webhook?.authorization == null || webhook.url.startsWith("https:") || allowCidrs.length > 0) return;
  faults.push(
    "WEBHOOK_AUTHORIZATION: expected a WEBHOOK_URL that begins with https://, or ALLOW_CIDRS with its address: in the clear everybody on the way could read it",
  );
}

/** PostgreSQL writes its folder's path into one line of a file, and reads that again. */
function readDataDir(read: EnvReader, name: string): string {
  const path = resolve(read.text(name) ?? "./data");
  if (path.includes("\n")) read.expect(name, "a path without line breaks", path.replaceAll("\n", "␤"));
  return path;
}

/** Sent as `Authorization: Bearer KEY`: what cannot stand there would never match. The keys themselves are never shown. */
function readApiKeys(read: EnvReader, name: string): string[] {
  const keys = read.list(name);
  const wrong = keys.filter((key) => !/^[\x21-\x7e]+$/.test(key)).length;
  if (wrong > 0)
    read.expect(name, "keys of ASCII characters without spaces, with commas between", `${wrong} of ${keys.length} with others`);
  return keys;
}

/** Paths are put behind it as text: nothing that ends one may stand there, and a space would end it in a list. */
function readPublicUrl(read: EnvReader, name: string): string | null {
  const value = read.url(name);
  if (value === null || !/[?#]/.test(value)) return value && new URL(value).href.replace(/\/+$/, "");
  return read.expect(name, "a URL that paths can be put behind, such as https://pressrun.example, without ? or #", withoutPassword(value));
}

function readPorts(read: EnvReader, name: string): number[] {
  const items = read.list(name);
  const isPort = (item: string) => /^\d{1,5}$/.test(item) && Number(item) >= 1 && Number(item) <= 65_535;
  if (!items.every(isPort)) read.expect(name, "ports from 1 to 65535 with commas between", items.join(","));
  return items.filter(isPort).map(Number);
}

function readContact(read: EnvReader, name: string): string | null {
  const value = read.text(name);
  return value === null || isContact(value) ? value : read.expect(name, "a URL such as https://shop.example/bots or a mail address", value);
}

/** Where the service itself is reached from outside: who wonders about its requests finds there what it is, and its operator. */
function publicContact(publicUrl: string | null): string | null {
  return publicUrl !== null && isPublicUrl(publicUrl) && isContact(publicUrl) ? publicUrl : null;
}

/** The value itself is never shown. */
function readSecretKey(read: EnvReader, name: string): string | null {
  const value = read.text(name);
  if (value === null || value.length >= SECRET_KEY_LENGTH_MIN) return value;
  return read.expect(
    name,
    `${SECRET_KEY_LENGTH_MIN} characters or more (\`openssl rand -base64 32\` makes a key)`,
    `${value.length} characters`,
  );
}

function readWebhook(read: EnvReader, faults: string[]): Config["webhook"] {
  const target = readWebhookUrl(read, "WEBHOOK_URL");
  const secrets = read.list("WEBHOOK_SECRET");
  const authorization = read.text("WEBHOOK_AUTHORIZATION");
  if (target === null) {
    if (authorization !== null) faults.push("WEBHOOK_AUTHORIZATION: expected WEBHOOK_URL with it, since it is sent there and nowhere else");
    return null;
  }
  const authorizationFault = authorization === null ? null : findAuthorizationFault(authorization);
  if (authorizationFault !== null) faults.push(`WEBHOOK_AUTHORIZATION: ${authorizationFault}`);
  const fault =
    secrets.length === 0
      ? "it signs what is sent to WEBHOOK_URL and must be set with it. Expected base64 of 24 to 64 bytes; `openssl rand -base64 32` makes one"
      : findSecretsFault(secrets);
  if (fault !== null) faults.push(`WEBHOOK_SECRET: ${fault}`);
  return { url: target, secrets, authorization };
}

/** What stands before an @ would be sent over http as well, and lie in the database as it is. */
function readWebhookUrl(read: EnvReader, name: string): string | null {
  const value = read.url(name);
  const { username, password, protocol, host } = new URL(value ?? "http://none");
  if (username !== "" || password !== "")
    read.expect(
      name,
      "a URL without a user name or password (WEBHOOK_AUTHORIZATION sends them: `Basic ` and what `printf %s USER:PASSWORD | base64` prints)",
      `${protocol}//…@${host}`,
    );
  return value;
}

function findSecretsFault(secrets: readonly string[]): string | null {
  if (secrets.length > SECRETS_MAX)
    return `expected one secret, or two with a comma between while one takes the other's place, got ${secrets.length}`;
  return secrets.map(findSecretFault).find((fault) => fault !== null) ?? null;
}
