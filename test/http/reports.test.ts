import assert from "node:assert/strict";
import { get as httpGet, type IncomingMessage, type ServerResponse } from "node:http";
import { before, describe, test } from "node:test";
import type { AcceptedBatch, Batch, Product } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { REPORT_NAMES } from "../../src/domain/report.ts";
import { onCleanup } from "../support/cleanup.ts";
import { rowsByFastCsv } from "../support/csv.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin, type Origin } from "../support/origin.ts";
import { startReceiver, type Receiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";

type Row = Record<string, unknown>;
type Listed = { batch: Batch; products: Product[] };

/** Batches with everything in them that can be counted wrongly, run through the service itself. */
describe("reports", () => {
  let service: Service;
  let db: Database;
  let origin: Origin;
  let receiver: Receiver;
  let listed: Listed[];
  const kept: ServerResponse[] = [];
  const name = (index: number) => listed[index]?.batch.batchId ?? "";

  before(async () => {
    let flaky = 0;
    origin = await startOrigin((_, response, url) => {
      if (url.pathname === "/flaky.jpg" && (flaky += 1) > 1)
        response.writeHead(302, { location: "/photo/flaky.jpg?X-Amz-Signature=s1gnatur3" }).end();
      else if (url.pathname === "/flaky.jpg") response.writeHead(500).end();
      else if (url.pathname === "/page.jpg") response.end("<!doctype html><title>Sign in</title>");
      else if (url.pathname.startsWith("/kept/")) kept.push(response);
      else response.writeHead(404).end();
    });
    receiver = await startReceiver((response, count) => response.writeHead(count === 1 ? 500 : 204).end());
    const url = await createTestDatabase();
    db = connectDatabase({ url, poolMax: 2, onError: () => {} });
    onCleanup(() => db.close());
    service = await startService({
      DATABASE_URL: url,
      DATA_DIR: await createTestFolder(),
      SECRET_KEY: "0123456789abcdef0123456789abcdef",
      API_KEYS: "",
    });
    listed = await runBatches();
  });

  const photo = (path: string) => `${origin.url}/photo/${path}.jpg`;
  const begin = async (body: object): Promise<AcceptedBatch> => {
    const response = await fetch(`${service.url}/v1/batches`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 202, await response.clone().text());
    return (await response.json()) as AcceptedBatch;
  };
  const look = async ({ batchId }: { batchId: string }) => (await (await fetch(`${service.url}/v1/batches/${batchId}`)).json()) as Batch;
  const ended = (batch: Batch) =>
    eventually(`the end of ${batch.batchId}`, async () => ((await look(batch)).finishedAt === null ? null : look(batch)));

  async function runBatches(): Promise<Listed[]> {
    const recipe = { quality: 41, outputs: [{ name: "large" }, { name: "thumb", width: 40 }] };
    const first = await ended(
      await begin({
        recipe,
        onInvalid: "skip",
        metadata: { shop: "north" },
        webhookUrl: `${receiver.url}/T0KEN?key=s3cr3t`,
        fileName: "=cmd.csv",
        sourceHeaders: [{ host: new URL(origin.url).host, headers: { authorization: "Bearer h34d3r" } }],
        products: [
          { id: "MUG", name: '=HYPERLINK("https://evil.test")', images: [photo("a1"), `${photo("a2")}?token=t0ken`, photo("a1")] },
          { id: "CUP", name: "Cup, blue", images: [`${origin.url}/gone.jpg?sig=t0ken`, photo("a1"), `${origin.url}/flaky.jpg`] },
          {
            id: "POT",
            name: "Pot",
            images: [`${origin.url}/gone.jpg?sig=t0ken`, `${origin.url}/page.jpg`, "ftp://user:passw0rd@files.test/pot.jpg?key=t0ken"],
          },
          { id: "PAN", name: "Pan", images: [] },
        ],
      }),
    );
    const again = await ended(
      await begin({
        recipe,
        products: [{ id: "MUG", name: "Mug", images: [photo("a1"), `${photo("a2")}?token=t0ken`, photo("a1"), photo("new")] }],
      }),
    );
    const plain = await ended({
      batchId: (await service.upload(`S. No,Product Name,Input Image Urls\n1,Jar,${photo("a1")}\n`)).requestId,
    } as Batch);
    const open = await begin({
      products: [{ id: "LID", name: "Lid", images: [`${origin.url}/kept/1.jpg`, photo("a1"), `${origin.url}/kept/1.jpg`] }],
    });
    await eventually("one done and one in hand", async () => kept.length === 1 && (await look(open)).progress.completed === 1);
    await fetch(`${service.url}/v1/batches/${open.batchId}/pause`, { method: "POST" });
    await eventually("the second delivery", async () => (await rowsOf("select 1 from delivery where state = 'delivered'")).length === 1);
    return Promise.all(
      [first, again, plain, open].map(async (batch) => ({
        batch: await look(batch),
        products: ((await (await fetch(`${service.url}/v1/batches/${batch.batchId}/products`)).json()) as { products: Product[] }).products,
      })),
    );
  }

  const rowsOf = async (sql: string, ...values: unknown[]): Promise<Row[]> => (await db.executor.executeSql(sql, values)).rows;
  const get = (path: string, init?: RequestInit) => fetch(`${service.url}/v1/reports/${path}`, init);
  const report = async (path: string): Promise<Row[]> => {
    const response = await get(path);
    assert.equal(response.status, 200, await response.clone().text());
    return ((await response.json()) as { rows: Row[] }).rows;
  };
  const refused = async (path: string): Promise<[number, string, string]> => {
    const response = await get(path);
    const problem = (await response.json()) as Problem;
    return [response.status, problem.code, problem.detail];
  };
  const sum = (rows: readonly Row[], column: string) => rows.reduce((total, row) => total + Number(row[column] ?? 0), 0);
  const errorsOf = ({ products }: Listed) => products.flatMap(({ images }) => images.flatMap(({ error }) => (error ? [error.code] : [])));
  const distinctOutputs = ({ products }: Listed) => [
    ...new Map(products.flatMap(({ images }) => images.flatMap(({ outputs }) => outputs)).map((output) => [output.url, output])).values(),
  ];

  test("count what was run as it was meant to be", () => {
    assert.deepEqual(
      listed.map(
        ({
          batch: {
            status,
            progress: { total, completed, failed, reused },
          },
        }) => [status, total, completed, failed, reused],
      ),
      [
        ["completed", 9, 5, 4, 0],
        ["completed", 4, 4, 0, 2],
        ["completed", 1, 1, 0, 0],
        ["processing", 3, 1, 0, 0],
      ],
    );
  });

  test("tell the status that an image was answered with, where it failed for that as well", async () => {
    const rows = await report(`images?batchId=${listed[0]?.batch.batchId}`);
    const statuses = new Map(rows.filter((row) => row["is_repeat"] === false).map((row) => [row["code"], row["http_status"]]));
    assert.deepEqual(
      [...statuses].toSorted(([one], [other]) => String(one).localeCompare(String(other))),
      [
        ["html_page", 200],
        ["not_found", 404],
        [null, 200],
        ["url_invalid", null],
      ],
    );
  });

  test("say of batches what the API says", async () => {
    const rows = await report("batches");
    assert.deepEqual(
      rows
        .toReversed()
        .map((row) => [
          row["batch_id"],
          row["status"],
          row["outcome"],
          row["run"],
          row["file_name"],
          row["dialect"],
          row["metadata"],
          row["recipe"],
          row["products"],
          row["images"],
          row["images_done"],
          row["images_failed"],
          row["images_skipped"],
          row["images_reused"],
          row["settled_percent"],
          row["source_bytes"],
          row["output_bytes"],
          row["paused_at"],
          row["pause_reason"],
          row["is_paused"],
          row["created_at"],
          row["started_at"],
          row["finished_at"],
          row["has_source_headers"],
          row["pause_host_at_failure_percent"],
          row["hosts_paused"],
          row["images_held"],
        ]),
      listed.map(({ batch: b }) => [
        b.batchId,
        b.status,
        b.outcome,
        b.run,
        b.fileName,
        b.dialect,
        b.metadata,
        b.recipe,
        b.products,
        b.progress.total,
        b.progress.completed,
        b.progress.failed,
        b.progress.skipped,
        b.progress.reused,
        b.progress.percent,
        b.bytes.input,
        b.bytes.output,
        b.pausedAt,
        b.pauseReason,
        b.pausedAt !== null,
        b.createdAt,
        b.startedAt,
        b.finishedAt,
        b.sourceHosts.length > 0,
        b.pauseHostAtFailurePercent,
        b.hostsPaused,
        b.imagesHeld,
      ]),
    );
    assert.deepEqual(
      rows.toReversed().map((row) => [row["images_open"], row["images_repeated"], row["outputs_per_image"]]),
      [
        [0, 3, 2],
        [0, 1, 2],
        [0, 0, 1],
        [2, 1, 1],
      ],
    );
  });

  test("say of products and images what the API says, repeats with their first one's fate and without its bytes", async () => {
    for (const entry of listed) {
      const { batchId } = entry.batch;
      const products = await report(`products?batchId=${batchId}`);
      assert.deepEqual(
        products.map((row) => [row["line"], row["product_id"], row["product_name"], row["state"], row["images"]]),
        entry.products.map(({ line, id, name, status, images }) => [line, id, name, status, images.length]),
      );
      const images = await report(`images?batchId=${batchId}`);
      assert.deepEqual(
        images.map((row) => [row["line"], row["position"], row["state"], row["code"], row["is_repeat"] ? null : row["outputs"]]),
        entry.products.flatMap((product) =>
          product.images.map(({ outputs, error }, index) => [
            product.line,
            index + 1,
            error ? "failed" : outputs.length > 0 ? "done" : "planned",
            error?.code ?? null,
            images.find((row) => row["line"] === product.line && row["position"] === index + 1)?.["is_repeat"] ? null : outputs.length,
          ]),
        ),
      );
      const done = images.filter((row) => row["state"] === "done");
      assert.deepEqual([sum(done, "source_bytes"), sum(done, "output_bytes")], [entry.batch.bytes.input, entry.batch.bytes.output]);
      assert.deepEqual(
        images
          .filter((row) => row["is_repeat"])
          .map((row) => [row["attempts"], row["source_bytes"], row["outputs"], row["output_bytes"], row["wait_seconds"]]),
        images.filter((row) => row["is_repeat"]).map(() => [0, null, 0, null, null]),
      );
      assert.equal(images.filter((row) => row["is_reused"]).length, entry.batch.progress.reused);
    }
  });

  test("say of outputs what the API says: what each was compressed with, how long it took, and whether it was linked", async () => {
    for (const entry of listed) {
      const rows = await report(`outputs?batchId=${entry.batch.batchId}`);
      const byFile = (files: Row[]) => files.toSorted((one, other) => String(one["fileName"]).localeCompare(String(other["fileName"])));
      assert.deepEqual(
        byFile(
          rows.map((row) => ({
            name: row["output_name"],
            fileName: row["file_name"],
            format: row["format"],
            width: row["width_pixels"],
            height: row["height_pixels"],
            bytes: row["output_bytes"],
            quality: row["quality"],
            isKept: row["is_kept"],
            encodeMs: row["encode_seconds"] === null ? null : Math.round(Number(row["encode_seconds"]) * 1_000),
          })),
        ),
        byFile(distinctOutputs(entry).map(({ url: _, ...output }) => output)),
      );
      const images = new Map((await report(`images?batchId=${entry.batch.batchId}`)).map((image) => [image["ordinal"], image]));
      for (const row of rows) {
        const image = images.get(row["ordinal"]);
        assert.deepEqual([row["is_reused"], row["finished_at"]], [image?.["is_reused"], image?.["finished_at"]]);
        assert.equal(row["encode_seconds"] === null, row["is_reused"], String(row["file_name"]));
        assert.equal(row["quality"], entry.batch.recipe.quality);
      }
      assert.equal(rows.length, sum([...images.values()], "outputs"));
    }
  });

  test("count failures as the API lists them, and attempts as the origin saw them", async () => {
    const [entry] = listed;
    assert.ok(entry);
    const byCode = await report(`failures_by_code?batchId=${name(0)}`);
    assert.deepEqual(
      byCode.flatMap((row) => Array.from({ length: Number(row["images"]) }, () => row["code"])).toSorted(),
      errorsOf(entry).toSorted(),
    );
    assert.deepEqual(
      byCode.map((row) => [row["code"], row["images"], row["distinct_images"], row["hosts"], row["attempts"]]),
      [
        ["not_found", 2, 1, 1, 1],
        ["html_page", 1, 1, 1, 1],
        ["url_invalid", 1, 1, 0, 0],
      ],
    );
    const byHost = await report(`failures_by_host?batchId=${name(0)}`);
    assert.deepEqual(
      byHost.map((row) => [
        row["host"],
        row["images"],
        row["images_done"],
        row["images_failed"],
        row["distinct_images_failed"],
        row["failed_percent"],
        row["commonest_code"],
      ]),
      [
        [new URL(origin.url).host, 8, 5, 3, 2, 37.5, "not_found"],
        ["", 1, 0, 1, 1, 100, "url_invalid"],
      ],
    );
    assert.equal(sum(await report("failures_by_code"), "images"), listed.flatMap(errorsOf).length);
    assert.equal(sum(await report("failures_by_host"), "images_failed"), listed.flatMap(errorsOf).length);

    const attempts = await report(`image_attempts?batchId=${name(0)}`);
    assert.deepEqual(attempts.map((row) => row["outcome"]).toSorted(), ["done", "done", "done", "give_up", "give_up", "retry"]);
    assert.deepEqual(
      attempts.filter((row) => row["ordinal"] === 5).map((row) => [row["attempt"], row["outcome"], row["code"]]),
      [
        [1, "retry", "server_error"],
        [2, "done", null],
      ],
    );
    assert.equal(attempts.length, sum(await report(`images?batchId=${name(0)}`), "attempts"));
  });

  test("count no byte twice in savings, and the same ones by the hour", async () => {
    const savings = (await report("savings")).toReversed();
    for (const [index, entry] of listed.entries()) {
      const row = savings[index] ?? {};
      const outputs = distinctOutputs(entry);
      const { input, output } = entry.batch.bytes;
      assert.deepEqual(
        [row["batch_id"], row["source_bytes"], row["output_bytes"], row["saved_bytes"], row["outputs"]],
        [name(index), input, output, input - output, outputs.length],
      );
      assert.equal(
        outputs.reduce((total, { bytes }) => total + bytes, 0),
        output,
      );
      assert.equal(
        row["first_output_bytes"],
        outputs.filter(({ name }) => name === (index < 2 ? "large" : "main")).reduce((total, { bytes }) => total + bytes, 0),
      );
      assert.equal(row["outputs_kept"], outputs.filter(({ isKept }) => isKept).length);
      assert.equal(row["saved_percent"], input === 0 ? null : Math.round((1_000 * (input - output)) / input) / 10);
      assert.deepEqual(
        [
          Number(row["made_source_bytes"]) + Number(row["reused_source_bytes"]),
          Number(row["made_output_bytes"]) + Number(row["reused_output_bytes"]),
        ],
        [input, output],
      );
    }
    // Of the second batch two images are those of the first, with both outputs of each.
    const reusedImages = (await report(`images?batchId=${name(1)}`)).filter((row) => row["is_reused"]);
    assert.deepEqual(
      [savings[1]?.["reused_source_bytes"], savings[1]?.["reused_output_bytes"], savings[0]?.["reused_source_bytes"]],
      [sum(reusedImages, "source_bytes"), sum(reusedImages, "output_bytes"), 0],
    );

    const hours = await report("throughput_hourly");
    const total = (of: (batch: Batch) => number | undefined) => listed.reduce((count, { batch }) => count + (of(batch) ?? 0), 0);
    assert.deepEqual(
      ["images_done", "images_failed", "images_reused", "source_bytes", "output_bytes", "images_repeated"].map((column) =>
        sum(hours, column),
      ),
      [
        total((b) => b.progress.completed),
        total((b) => b.progress.failed),
        total((b) => b.progress.reused),
        total((b) => b.bytes.input),
        total((b) => b.bytes.output),
        4,
      ],
    );
    assert.equal(sum(hours, "images_settled"), sum(hours, "images_done") + sum(hours, "images_failed"));
  });

  test("measure stages of what came so far, without repeats and reused", async () => {
    const stages = await report(`stage_seconds?batchId=${name(1)}`);
    assert.deepEqual(
      stages.map((row) => [row["stage"], row["images"]]),
      [
        ["wait", 3],
        ["fetch", 3],
        ["encode", 1],
        ["store", 1],
      ],
    );
    const images = await report(`images?batchId=${name(1)}`);
    for (const row of stages) {
      const seconds = images
        .map((image) => image[`${String(row["stage"])}_seconds`])
        .filter((value) => value !== null)
        .map(Number)
        .toSorted((a, b) => a - b);
      assert.deepEqual(
        [row["p50_seconds"], row["p95_seconds"], row["p99_seconds"], row["longest_seconds"]],
        [seconds[Math.ceil(seconds.length / 2) - 1], seconds.at(-1), seconds.at(-1), seconds.at(-1)],
        String(row["stage"]),
      );
    }
  });

  test("follow each delivery, and show of its endpoint the host alone", async () => {
    const [delivery, ...others] = (await report("deliveries")).filter((row) => row["batch_id"] === name(0));
    assert.deepEqual(
      [
        delivery?.["event_type"],
        delivery?.["state"],
        delivery?.["attempts"],
        delivery?.["last_http_status"],
        delivery?.["endpoint_host"],
        delivery?.["next_attempt_at"],
        others.length,
      ],
      ["batch.completed", "delivered", 2, 204, new URL(receiver.url).host, null, 0],
    );
    const attempts = await report(`delivery_attempts?batchId=${name(0)}`);
    assert.deepEqual(
      attempts.map((row) => [row["attempt"], row["is_delivered"], row["http_status"]]),
      [
        [1, false, 500],
        [2, true, 204],
      ],
    );
    assert.equal(receiver.deliveries.length, attempts.length);
  });

  test("show what is still to be done", async () => {
    const [row, ...others] = await report("backlog");
    assert.equal(others.length, 0);
    assert.deepEqual(
      [
        "batch_id",
        "is_paused",
        "images",
        "images_open",
        "images_unplanned",
        "images_queued",
        "images_repeated",
        "images_delayed",
        "images_host_paused",
        "hosts_paused",
        "images_held",
      ].map((column) => row?.[column]),
      [name(3), true, 3, 2, 0, 1, 1, 0, 0, 0, 0],
    );
  });

  test("show no secret in any view", async () => {
    const secrets = /t0ken|T0KEN|s3cr3t|passw0rd|h34d3r|s1gnatur3|whsec_/;
    const tokens = (await rowsOf("select token as secret from batch union all select secret from endpoint where secret is not null")).map(
      (row) => String(row["secret"]),
    );
    for (const view of REPORT_NAMES) {
      for (const format of ["json", "csv"]) {
        const text = await (await get(`${view}?format=${format}`)).text();
        assert.doesNotMatch(text, secrets, view);
        for (const token of tokens) assert.ok(!text.includes(token), view);
      }
    }
    const images = await report(`images?batchId=${name(0)}`);
    assert.deepEqual(
      [images[1]?.["url"], images[5]?.["final_url"], images[8]?.["url"]],
      [photo("a2"), photo("flaky"), "...@files.test/pot.jpg"],
    );
  });

  test("come as CSV that no spreadsheet takes for formulas, with numbers left as they are", async () => {
    const response = await get(`products?format=csv&batchId=${name(0)}`);
    assert.deepEqual(
      ["content-type", "content-disposition", "cache-control"].map((header) => response.headers.get(header)),
      ["text/csv; charset=utf-8", 'attachment; filename="products.csv"', "no-store"],
    );
    const [header = [], ...rows] = await rowsByFastCsv(await response.text());
    const json = await report(`products?batchId=${name(0)}`);
    assert.deepEqual(header, Object.keys(json[0] ?? {}));
    assert.deepEqual(
      rows.map((row) => row[header.indexOf("product_name")]),
      ['\'=HYPERLINK("https://evil.test")', "Cup, blue", "Pot", "Pan"],
    );
    const batches = await rowsByFastCsv(await (await get("batches?format=csv")).text());
    assert.equal(batches.at(-1)?.[batches[0]?.indexOf("file_name") ?? -1], "'=cmd.csv");
    assert.deepEqual(
      rows[1],
      Object.values(json[1] ?? {}).map((cell) => (cell === null ? "" : String(cell))),
    );
  });

  test("are bounded by batch, time and number, and by nothing else", async () => {
    const { createdAt } = listed[1]?.batch ?? { createdAt: "" };
    const ids = async (query: string) => (await report(`batches?${query}`)).map((row) => row["batch_id"]);
    assert.deepEqual(await ids("limit=2"), [name(3), name(2)]);
    // The API shows milliseconds of a time that has microseconds: the batch itself is on the later side.
    assert.deepEqual(await ids(`since=${createdAt}`), [name(3), name(2), name(1)]);
    assert.deepEqual(await ids(`until=${createdAt}`), [name(0)]);
    assert.deepEqual(await ids("until=2026-01-01"), []);
    assert.deepEqual(await ids(`since=2026-01-01T00:00%2B02:00&batchId=${name(2).toUpperCase()}`), [name(2)]);
    assert.equal((await get("batches?until=2026-01-01&format=csv").then((response) => response.text())).split("\r\n").length, 2);
  });

  test("say what was expected where a report cannot be had", async () => {
    const cases: [string, number, string, RegExp][] = [
      ["nothing", 404, "report_not_found", /batches, products, images/],
      ["version", 404, "report_not_found", /batches/],
      ["batches%20where%20true", 404, "report_not_found", /batches/],
      ["batches?format=xml", 400, "bad_request", /csv or json/],
      ["batches?limit=0", 400, "bad_request", /limit/],
      ["batches?limit=1000001", 400, "bad_request", /1000000/],
      ["batches?batch=1", 400, "bad_request", /additional propert/],
      ["batches?since=yesterday", 400, "bad_request", /since as 2026-11-24.+got "yesterday"/],
      ["batches?until=2026-02-30", 400, "bad_request", /until/],
      ["batches?until=2026-02-30T08:00Z", 400, "bad_request", /until/],
      ["batches?batchId=019abc12-3456-7def-8123-456789abcdef", 404, "batch_not_found", /batchId/],
      ["images?batchId=' or true--", 404, "batch_not_found", /batchId/],
      [`throughput_hourly?batchId=${name(0)}`, 400, "bad_request", /no batchId/],
    ];
    for (const [path, status, code, detail] of cases) {
      const [gotStatus, gotCode, gotDetail] = await refused(path);
      assert.deepEqual([gotStatus, gotCode], [status, code], path);
      assert.match(gotDetail, detail, path);
    }
    const head = await get("batches?format=csv", { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-type")], [200, "text/csv; charset=utf-8"]);
  });

  test("are streamed, four at once, and a client that goes leaves its place and its connection", async () => {
    const filler = "019abc12-3456-7def-8123-456789abcdef";
    await rowsOf(
      "insert into batch (batch_id, tenant_id, token, status, recipe, on_invalid, csv_bytes, csv_facts, products, images_total) values ($1, '00000000-0000-7000-8000-000000000000', 'filler', 'completed', '{}', 'skip', 1, '{}', 20000, 0)",
      filler,
    );
    await rowsOf(
      "insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record) select $1, n, 0, n, repeat('x', 1500), n, '{}', '' from generate_series(2, 20001) n",
      filler,
    );
    const openReports = () =>
      rowsOf("select 1 from pg_stat_activity where datname = current_database() and application_name = 'pressrun report'");
    // Nothing of the body is read: what the sockets do not hold stays in the database.
    const hold = () =>
      new Promise<IncomingMessage>(
        (resolve, reject) => void httpGet(`${service.url}/v1/reports/products?batchId=${filler}`, resolve).on("error", reject),
      );
    const held = await Promise.all(Array.from({ length: 4 }, hold));
    assert.deepEqual(
      held.map(({ statusCode }) => statusCode),
      [200, 200, 200, 200],
    );
    assert.equal((await openReports()).length, 4);
    const [status, code] = await refused("batches");
    assert.deepEqual([status, code], [503, "unavailable"]);
    for (const response of held) response.destroy();
    await eventually("the connections to be given back", async () => (await openReports()).length === 0);
    const rows = await report(`products?batchId=${filler}`);
    assert.deepEqual([rows.length, rows.at(-1)?.["line"]], [20_000, 20_001]);
    await eventually("the last one as well", async () => (await openReports()).length === 0);
    await rowsOf("delete from product where batch_id = $1", filler);
    await rowsOf("delete from batch where batch_id = $1", filler);
  });
});
