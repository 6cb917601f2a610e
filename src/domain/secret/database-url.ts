/** What `expected` of a fault says where a connection string cannot be told apart into its parts. */
const READABLE =
  "a URL of one host such as postgres://user:password@host:5432/database, or with %2Frun%2Fpostgresql for a socket in /run/postgresql: percent-encode the password (/ is %2F, # is %23, @ is %40, ? is %3F, % is %25), and any @ behind the host";
/** Those that pg knows. With another it would ask for TLS and check the certificate, whatever was meant. */
const SSL_MODES = ["disable", "no-verify", "prefer", "require", "verify-ca", "verify-full"];

/** A connection string as it may be shown. PostgreSQL takes passwords before the host and as parameters of the query. */
export function withoutPassword(url: string): string {
  // Nothing but its scheme, where any part of the rest may belong to a password.
  if (!isReadable(url)) return `${/^[a-z][a-z\d+.-]*:\/\//i.exec(url)?.[0] ?? ""}…`;
  const shown = new URL(url);
  shown.password = "";
  const secrets = [...shown.searchParams.keys()].filter((name) => /password/i.test(name));
  if (secrets.length === 0) return shown.href;
  for (const name of secrets) shown.searchParams.delete(name);
  // To delete a parameter has written spaces as pluses, which PostgreSQL would read as pluses.
  shown.search = shown.search.replaceAll("+", "%20");
  return shown.href;
}

/** A slash, # or ? of a password ends the host for a parser, and the @ that was to stand before the host comes behind it. */
function isReadable(url: string): boolean {
  if (!URL.canParse(url) || !/^[a-z][a-z\d+.-]*:\/\//i.test(url)) return false;
  const { protocol, pathname, search, hash } = new URL(url);
  // Pages have fragments, databases have none.
  return !`${pathname}${search}${hash}`.includes("@") && (hash === "" || /^https?:$/.test(protocol));
}

/** libpq's way to name a socket, `postgres://user:password@/database?host=/folder`, is no URL without a host: one that `host` overrides. */
export function withHost(url: string): string {
  return url.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=\/[^?#]*\?(?:[^#]*&)?host=[^&#])/i, "$1localhost");
}

/** What was expected of a connection string that is no such thing, or that pg would read otherwise than it was meant; else null. */
export function findDatabaseUrlFault(url: string): string | null {
  if (!/^postgres(ql)?:\/\//i.test(url)) return "a URL that begins with postgres:// or postgresql://";
  if (!isReadable(url)) return READABLE;
  const { hostname, searchParams } = new URL(url);
  if (hostname.includes(",") || searchParams.get("host")?.includes(",")) return READABLE;
  const mode = searchParams.getAll("sslmode").find((word) => word !== "" && !SSL_MODES.includes(word));
  if (mode !== undefined) return `sslmode to be one of ${SSL_MODES.join(", ")}`;
  if (searchParams.get("sslrootcert") === "system")
    return "sslrootcert to be a file; without it the authorities that Node.js knows are asked";
  return null;
}
