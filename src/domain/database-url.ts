/** What may be shown of a connection string. PostgreSQL takes a password before the host and, under its name, in the query. */
export function withoutPassword(url: string): string {
  // Where it does not parse, anything up to an @ may be a password.
  if (!URL.canParse(url)) return url.replace(/\/\/.*@/s, "//…@").replace(/\?.*/s, "");
  const shown = new URL(url);
  shown.password = "";
  const secrets = [...shown.searchParams.keys()].filter((name) => /password/i.test(name));
  if (secrets.length === 0) return shown.href;
  for (const name of secrets) shown.searchParams.delete(name);
  // A space is written as a plus by now, which PostgreSQL reads as a plus.
  shown.search = shown.search.replaceAll("+", "%20");
  return shown.href;
}
