import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { getPriority } from "node:os";
import { describe, test } from "node:test";
import { startEncoderProcess, type EncoderProcess } from "../../../src/image/pool/encoder-process.ts";
import { createTestFolder } from "../../support/folder.ts";

/** Starts an encoder, and says how it stands once it is ready, or why it ended. */
const TELL_NICENESS = `
  import { getPriority } from "node:os";
  const { startEncoderProcess } = await import(${JSON.stringify(new URL("../../../src/image/pool/encoder-process.ts", import.meta.url).href)});
  const tell = (text) => process.stdout.write(String(text), () => process.exit());
  const encoder = startEncoderProcess({ allowSvg: false }, { reply: () => tell(getPriority(encoder.pid)), exit: tell });
`;

/** Starts four encoders, and says when each of their sessions stands behind all others, or why one ended. */
const TELL_SESSIONS = `
  import { readFileSync } from "node:fs";
  const { startEncoderProcess } = await import(${JSON.stringify(new URL("../../../src/image/pool/encoder-process.ts", import.meta.url).href)});
  const tell = (text) => process.stdout.write(text, () => process.exit());
  const encoders = Array.from({ length: 4 }, () => startEncoderProcess({ allowSvg: false }, { reply() {}, exit: tell }));
  const standsBehind = ({ pid }) => readFileSync("/proc/" + pid + "/autogroup", "utf8").trim().endsWith("nice 19");
  setInterval(() => encoders.every(standsBehind) && tell("all"), 25);
`;

/** Starts an encoder, and says when it has written compiled code; this process itself writes none before it ends. */
const TELL_CODE_KEPT = `
  import { readdirSync } from "node:fs";
  const { startEncoderProcess } = await import(${JSON.stringify(new URL("../../../src/image/pool/encoder-process.ts", import.meta.url).href)});
  const tell = (text) => process.stdout.write(text, () => process.exit());
  startEncoderProcess({ allowSvg: false }, { reply() {}, exit: tell });
  const files = () => readdirSync(process.env.NODE_COMPILE_CACHE, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  setInterval(() => files().length > 0 && tell("kept"), 25);
`;

describe("an encoder process", { timeout: 30_000 }, () => {
  /** With one that is ready; it is gone afterwards. */
  const withEncoder = async (look: (encoder: EncoderProcess) => Promise<void>): Promise<EncoderProcess> => {
    const ready = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<string>();
    const encoder = startEncoderProcess({ allowSvg: false }, { reply: () => ready.resolve(), exit: gone.resolve });
    try {
      await Promise.race([ready.promise, gone.promise]);
      await look(encoder);
    } finally {
      encoder.kill();
    }
    await gone.promise;
    return encoder;
  };

  test("has its memory told in bytes, as its own map has it, whatever the size of pages", async () => {
    const ended = await withEncoder(async (encoder) => {
      const told = encoder.residentBytes() ?? 0;
      const [, kB] = /^Rss:\s+(\d+) kB$/m.exec(await readFile(`/proc/${encoder.pid}/smaps_rollup`, "utf8")) ?? [];
      const seen = Number(kB) * 1024;
      assert.ok(seen > 0 && told > seen / 1.5 && told < seen * 1.5, `${told} of ${seen}`);
    });
    assert.equal(ended.residentBytes(), null, "of one that has ended there is nothing to tell");
  });

  test(
    "has libvips make its threads before it takes an image, which their lack would else be laid to",
    { skip: !existsSync("/proc") },
    async () => {
      await withEncoder(async ({ pid }) => {
        const folder = `/proc/${pid}/task`;
        const names = await Promise.all((await readdir(folder)).map((thread) => readFile(`${folder}/${thread}/comm`, "utf8")));
        assert.ok(names.filter((name) => name.startsWith("libvips")).length > 0, names.join(""));
      });
    },
  );

  const hasChrt = ["/usr/bin/chrt", "/bin/chrt"].some((path) => existsSync(path));

  test("stands behind all else, and its threads do not interrupt each other", { skip: !hasChrt }, async () => {
    await withEncoder(async ({ pid }) => {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8");
      // proc_pid_stat(5), counted from the third: the name in the second can hold blanks.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      assert.deepEqual({ niceness: fields[16], policy: fields[38] }, { niceness: "10", policy: "3" });
    });
  });

  test("is the first that Linux ends where memory is used up", { skip: !existsSync("/proc/self/oom_score_adj") }, async () => {
    await withEncoder(async ({ pid }) => assert.equal((await readFile(`/proc/${pid}/oom_score_adj`, "utf8")).trim(), "500"));
  });

  test("stays where it is where that is further back, and may not come forward", () => {
    // Root may, unless it has lost the right.
    const asAnybody = process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-sys_nice"] : [];
    // nice counts from where this process stands, and nothing stands behind 19.
    const niceness = Math.min(19, Math.max(15, getPriority() + 1));
    const from = String(niceness - getPriority());
    const [command = "", ...args] = ["nice", "-n", from, ...asAnybody, process.execPath, "--input-type=module", "-e", TELL_NICENESS];
    assert.equal(execFileSync(command, args, { encoding: "utf8" }), String(niceness));
  });

  const setting = "/proc/sys/kernel/sched_autogroup_enabled";
  const hasSessions = existsSync(setting) && readFileSync(setting, "utf8").trim() === "1";

  test("stands behind other sessions too, as each does that starts with it", { skip: !hasSessions }, () => {
    // Linux takes ten such changes a second, from all but root.
    const asAnybody = process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-sys_admin"] : [];
    const [command = "", ...args] = [...asAnybody, process.execPath, "--input-type=module", "-e", TELL_SESSIONS];
    assert.equal(execFileSync(command, args, { encoding: "utf8", timeout: 20_000 }), "all");
  });

  test("keeps its compiled code where whoever starts it does, so that the next starts in half the time", async () => {
    const env = { ...process.env, NODE_COMPILE_CACHE: await createTestFolder() };
    const words = ["--input-type=module", "-e", TELL_CODE_KEPT];
    assert.equal(execFileSync(process.execPath, words, { encoding: "utf8", env, timeout: 20_000 }), "kept");
  });
});
