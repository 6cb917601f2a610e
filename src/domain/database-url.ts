/** A connection string as it may be shown. PostgreSQL takes passwords before the host and as parameters of the query. */
export function withoutPassword(url: string): string {
  // Where it does not parse, anything up to an @ may be a password.
  if (!URL.canParse(url)) return url.replace(/\/\/.*@/s, "//…@").replace(/\?.*/s, "");
  const shown = new URL(url);
  shown.password = "";
  const secrets = [...shown.searchParams.keys()].filter((name) => /password/i.test(name));
  if (secrets.length === 0) return shown.href;
  for (const name of secrets) shown.searchParams.delete(name);
  // To delete a parameter has written spaces as pluses, which PostgreSQL would read as pluses.
  shown.search = shown.search.replaceAll("+", "%20");
  return shown.href;
}
