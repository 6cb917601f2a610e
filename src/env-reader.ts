import { findDatabaseUrlFault, withHost, withoutPassword } from "./domain/secret/database-url.ts";

export type EnvReader = ReturnType<typeof createEnvReader>;

/** Reads settings from the environment. What cannot be read is added to `faults`, and comes as null or as its default. */
export function createEnvReader(env: Readonly<Record<string, string | undefined>>, faults: string[]) {
  const text = (name: string) => {
    const value = env[name]?.trim();
    return value === undefined || value === "" ? null : value;
  };
  const expect = (name: string, expected: string, got: string) => {
    faults.push(`${name}: expected ${expected}, got "${got}"`);
    return null;
  };
  const url = (name: string) => {
    const value = text(name);
    if (value === null) return null;
    if (URL.canParse(value) && /^https?:/i.test(value)) return value;
    const got = value.includes("://") && URL.canParse(value) ? withoutPassword(value) : value.replace(/.*@.*|\?.*/s, "…");
    return expect(name, "a URL that begins with http:// or https://", got);
  };
  const list = (name: string) =>
    (text(name) ?? "")
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  return {
    text,
    url,
    expect,
    databaseUrl(name: string) {
      const value = text(name);
      if (value === null) return null;
      const whole = withHost(value);
      const fault = findDatabaseUrlFault(whole);
      return fault === null ? whole : expect(name, fault, withoutPassword(whole));
    },
    list,
    oneOf<Word extends string>(name: string, words: readonly Word[]): Word | null {
      const value = text(name);
      const known = words.find((word) => word === value) ?? null;
      return value === null || known !== null ? known : expect(name, words.join(" or "), value);
    },
    integer(name: string, otherwise: number, min: number, max: number) {
      const value = text(name);
      if (value === null) return otherwise;
      if (/^\d{1,15}$/.test(value) && Number(value) >= min && Number(value) <= max) return Number(value);
      expect(name, `a whole number from ${min} to ${max}`, value);
      return otherwise;
    },
    flag(name: string, otherwise: boolean) {
      const value = text(name)?.toLowerCase();
      if (value === undefined) return otherwise;
      if (["1", "true", "on", "yes"].includes(value)) return true;
      if (["0", "false", "off", "no"].includes(value)) return false;
      expect(name, "on or off", value);
      return otherwise;
    },
  };
}
