import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { copyFile, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import pg from "pg";
import { shareFolder } from "../../src/db/connection/ownership.ts";
import { nameFolder } from "../../src/storage/folder-id.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService } from "../support/service.ts";

describe("a DATA_DIR that is shared", { concurrency: true }, () => {
  test("processes of one database have one DATA_DIR, under any path; with another folder a second one does not start", async () => {
    const [folder, elsewhere, mounts] = await Promise.all([createTestFolder(), createTestFolder(), createTestFolder()]);
    await symlink(folder, join(mounts, "pressrun"));
    const env = { DATABASE_URL: await createTestDatabase() };
    const api = await startService({ ...env, ROLE: "api", DATA_DIR: folder });
    const folderId = (await readFile(join(folder, "folder-id"), "utf8")).trim();

    await assert.rejects(startService({ ...env, ROLE: "worker", DATA_DIR: elsewhere }), (error: Error) => {
      assert.match(error.message, /^the service ended with 1:/);
      assert.ok(error.message.includes(`DATA_DIR ${elsewhere} is another folder than the one`), error.message);
      assert.match(error.message, /Mount their folder and let DATA_DIR be its path/);
      return true;
    });
    const worker = await startService({ ...env, ROLE: "worker", DATA_DIR: join(mounts, "pressrun") });
    assert.equal((await readFile(join(folder, "folder-id"), "utf8")).trim(), folderId);

    assert.equal((await worker.kill("SIGTERM")).code, 0);
    assert.equal((await api.kill("SIGTERM")).code, 0);
    // Nobody is there to disagree: who has moved or lost the folder can go on.
    const moved = await startService({ ...env, ROLE: "api", DATA_DIR: elsewhere });
    assert.equal((await moved.kill("SIGTERM")).code, 0);
  });

  test("a copy of the folder is another one, though it has the other's folder-id; processes that start together agree", async () => {
    const [folder, copy] = await Promise.all([createTestFolder(), createTestFolder()]);
    const url = await createTestDatabase();
    const start = async (dataDir: string) => {
      const share = await shareFolder({ url, folderId: (isAlone) => nameFolder(dataDir, randomUUID(), isAlone), onLost: assert.fail });
      onCleanup(() => share?.close());
      return share;
    };
    const first = await start(folder);
    assert.ok(first);
    await first.close();
    await copyFile(join(folder, "folder-id"), join(copy, "folder-id"));

    const together = await Promise.all([start(folder), start(folder), start(folder)]);
    assert.ok(together.every((share) => share !== null));
    assert.equal(await start(copy), null);
    await Promise.all(together.map((share) => share?.close()));
    assert.ok(await start(copy), "nobody else is left");
    assert.equal(await start(folder), null);
  });

  test("what a process says of its folder holds again after its connection broke; who then finds another there ends", async () => {
    const url = await createTestDatabase();
    const [one, other] = ["11111111-0000-4000-8000-000000000000", "f2222222-0000-4000-8000-000000000000"];
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    onCleanup(() => admin.end());
    const holders = async () => {
      const { rows } = await admin.query<{ pid: number }>(
        `select pid from pg_locks join pg_stat_activity using (pid)
       where locktype = 'advisory' and granted and application_name = 'pressrun owner' and datname = current_database()`,
      );
      return rows.map(({ pid }) => pid);
    };
    // Told to end is not ended: until then the old connection still holds its lock.
    const breakAll = async () => {
      const held = await holders();
      await admin.query("select pg_terminate_backend(pid) from unnest($1::int[]) pid", [held]);
      await eventually("the broken connections to end", async () => !(await holders()).some((pid) => held.includes(pid)));
    };
    const isHeld = async () => (await holders()).length === 1;
    let isLost = false;
    const share = await shareFolder({ url, folderId: async () => one, onLost: () => (isLost = true) });
    assert.ok(share);
    onCleanup(() => share.close());

    await breakAll();
    await eventually("the lock to be taken again", isHeld);
    const stranger = await shareFolder({ url, folderId: async () => other, onLost: () => {} });
    onCleanup(() => stranger?.close());
    assert.equal(stranger, null);
    await eventually("who was refused to leave no lock behind", isHeld);
    assert.equal(isLost, false);

    // A stranger's lock stands in for one that was faster than the broken connection: its class and number as pg_locks shows them.
    await admin.query("select pg_advisory_lock_shared($1, $2)", [0x66696c65, 0x72222222]);
    await breakAll();
    await eventually("the loss to be told", async () => isLost);
  });

  test("a folder-id that is none says what it should hold", async () => {
    const folder = await createTestFolder();
    await writeFile(join(folder, "folder-id"), "shared\n");
    await assert.rejects(
      startService({ DATABASE_URL: await createTestDatabase(), ROLE: "api", DATA_DIR: folder }),
      /folder-id should hold a UUID, got "shared"\. Remove the file/,
    );
  });
});
