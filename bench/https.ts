import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * `npm run bench -- https ROUNDS`: images per second where the origin speaks TLS, as those of shops do. All contestants trust its
 * certificate, which Node reads when it starts: hence a process of its own.
 */
const folder = await mkdtemp(join(tmpdir(), "pressrun-bench-tls-"));
try {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=origin", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...kind, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  const child = spawn(process.execPath, ["bench/main.ts", "images", ...process.argv.slice(3)], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: cert, BENCH_TLS_FOLDER: folder },
    stdio: "inherit",
  });
  const [code] = (await once(child, "exit")) as [number | null];
  process.exitCode = code ?? 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
