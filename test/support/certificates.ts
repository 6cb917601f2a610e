import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createTestFolder } from "./folder.ts";

export type Certificate = { key: string; cert: string };
export type Certificates = { authority: string; good: Certificate; expired: Certificate; otherHost: Certificate; selfSigned: Certificate };

const run = promisify(execFile);
const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** An authority of the test's own and certificates that it signed, made by openssl in a folder that is removed after the test. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await createTestFolder();
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => run("openssl", args, { cwd: folder });
  const read = async (name: string) => ({
    key: await readFile(at(`${name}.key`), "utf8"),
    cert: await readFile(at(`${name}.pem`), "utf8"),
  });
  const selfSign = (name: string, ...more: string[]) =>
    openssl("req", "-x509", ...EC, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "2", "-subj", `/CN=${name}`, ...more);
  const sign = async (name: string, subject: string, days: string) => {
    await openssl(
      "req",
      ...EC,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name}`,
      "-addext",
      `subjectAltName=${subject}`,
    );
    await openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "authority.pem",
      "-CAkey",
      "authority.key",
      "-copy_extensions",
      "copyall",
      "-days",
      days,
      "-out",
      `${name}.pem`,
    );
  };
  await selfSign("authority");
  await selfSign("self-signed", "-addext", "subjectAltName=IP:127.0.0.1");
  await sign("good", "IP:127.0.0.1,DNS:localhost", "2");
  await sign("expired", "IP:127.0.0.1", "-1");
  await sign("other-host", "DNS:shop.test", "2");
  const [authority, good, expired, otherHost, selfSigned] = await Promise.all(
    ["authority", "good", "expired", "other-host", "self-signed"].map(read),
  );
  if (!authority || !good || !expired || !otherHost || !selfSigned) throw new Error("openssl made no certificates");
  return { authority: authority.cert, good, expired, otherHost, selfSigned };
}
