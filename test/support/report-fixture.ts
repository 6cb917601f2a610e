import type { Database } from "../../src/db/connection/connect.ts";

type Shot = {
  product: string;
  url: string;
  host?: string;
  code?: string;
  detail?: string;
  sameAs?: number;
  isReused?: boolean;
  isOpen?: boolean;
  attempts?: number;
  kilobytes?: number;
  ms?: [wait: number, fetch: number, encode: number, store: number];
  at: string;
};
type Upload = {
  id: string;
  file: string;
  at: string;
  endedAt: string | null;
  shots: Shot[];
  unplanned?: number;
  pauseReason?: string;
  outputs?: number;
};

const SUPPLIERS = { north: "img.north.example", east: "cdn.east.example" };
const ID = (digit: number) => `019aa000-0000-7000-8000-00000000000${digit}`;
const done = (product: string, number: number, kilobytes: number, ms: Shot["ms"], at: string, more: Partial<Shot> = {}): Shot => ({
  product,
  url: `https://${more.host ?? SUPPLIERS.north}/${product.toLowerCase()}-${number}.jpg?key=secret`,
  kilobytes,
  at,
  attempts: 1,
  ...(ms ? { ms } : {}),
  ...more,
});
const failed = (product: string, number: number, code: string, detail: string, at: string, more: Partial<Shot> = {}): Shot => ({
  product,
  url: `https://${more.host ?? SUPPLIERS.north}/${product.toLowerCase()}-${number}.jpg?key=secret`,
  code,
  detail,
  at,
  attempts: 1,
  ms: [40, 90, 0, 0],
  ...more,
});
const NOT_FOUND = "The server answered with status 404.";
const TIMED_OUT = "The server did not deliver the image in time.";

/** Fills the tables as the service leaves them after an autumn of batches, at fixed times: docs/reporting.md shows reports of it. */
const UPLOADS: Upload[] = [
  {
    id: ID(1),
    file: "autumn.csv",
    at: "2026-11-20 08:00:00+00",
    endedAt: "2026-11-20 08:01:30+00",
    outputs: 2,
    shots: [
      done("MUG", 1, 900, [12, 140, 210, 4], "2026-11-20 08:00:20+00"),
      done("MUG", 2, 700, [20, 120, 180, 3], "2026-11-20 08:00:21+00"),
      done("CUP", 1, 800, [35, 160, 190, 3], "2026-11-20 08:00:30+00"),
      {
        ...done("CUP", 2, 0, undefined, "2026-11-20 08:00:20+00"),
        url: `https://${SUPPLIERS.north}/mug-1.jpg?key=secret`,
        sameAs: 0,
        attempts: 0,
      },
      failed("POT", 1, "not_found", NOT_FOUND, "2026-11-20 08:00:40+00"),
      {
        ...failed("LID", 1, "not_found", NOT_FOUND, "2026-11-20 08:00:40+00"),
        url: `https://${SUPPLIERS.north}/pot-1.jpg?key=secret`,
        sameAs: 4,
        attempts: 0,
      },
      done("LID", 2, 600, [50, 480, 240, 5], "2026-11-20 08:01:30+00", { host: SUPPLIERS.east, attempts: 2 }),
    ],
  },
  {
    id: ID(2),
    file: "autumn.csv",
    at: "2026-11-21 08:00:00+00",
    endedAt: "2026-11-21 08:00:15+00",
    outputs: 2,
    shots: [
      ...[
        ["MUG", 1, 900],
        ["MUG", 2, 700],
        ["CUP", 1, 800],
      ].map(([product, number, kilobytes]) =>
        done(String(product), Number(number), Number(kilobytes), [5, 30, 0, 0], "2026-11-21 08:00:05+00", { isReused: true }),
      ),
      done("POT", 1, 500, [8, 130, 170, 3], "2026-11-21 08:00:15+00"),
    ],
  },
  {
    id: ID(3),
    file: "winter.csv",
    at: "2026-11-23 22:58:00+00",
    endedAt: "2026-11-23 23:03:00+00",
    shots: [
      done("PAN", 1, 1200, [90, 210, 330, 6], "2026-11-23 22:59:00+00"),
      failed("PAN", 2, "timed_out", TIMED_OUT, "2026-11-23 23:03:00+00", { host: SUPPLIERS.east, attempts: 5 }),
      done("WOK", 1, 1100, [120, 190, 300, 5], "2026-11-23 22:59:30+00"),
      failed("WOK", 2, "timed_out", TIMED_OUT, "2026-11-23 23:02:50+00", { host: SUPPLIERS.east, attempts: 5 }),
      done("POT", 1, 500, [150, 170, 160, 4], "2026-11-23 23:00:10+00"),
      failed("TRAY", 1, "html_page", "The URL leads to a web page, not to an image.", "2026-11-23 23:01:00+00", { host: SUPPLIERS.east }),
      {
        product: "TRAY",
        url: "tray-2.jpg",
        host: "",
        code: "url_invalid",
        detail: 'Expected an absolute http or https URL, got "tray-2.jpg".',
        attempts: 0,
        at: "2026-11-23 22:58:00+00",
      },
    ],
  },
  {
    id: ID(4),
    file: "spring.csv",
    at: "2026-11-24 09:00:00+00",
    endedAt: null,
    unplanned: 2,
    pauseReason: "Paused by hand.",
    shots: [
      done("BOWL", 1, 400, [10, 110, 150, 3], "2026-11-24 09:00:10+00"),
      { ...done("BOWL", 2, 0, undefined, ""), isOpen: true, attempts: 0 },
      {
        ...done("BOWL", 3, 0, undefined, ""),
        url: `https://${SUPPLIERS.north}/bowl-2.jpg?key=secret`,
        sameAs: 1,
        isOpen: true,
        attempts: 0,
      },
    ],
  },
];

export async function fillReportFixture({ transaction }: Pick<Database, "transaction">): Promise<void> {
  await transaction(async ({ executor }) => {
    for (const upload of UPLOADS) {
      for (const { text, values } of statementsOf(upload)) await executor.executeSql(text, values);
    }
    for (const text of DELIVERIES) await executor.executeSql(text);
  });
}

function statementsOf({
  id,
  file,
  at,
  endedAt,
  shots,
  unplanned = 0,
  pauseReason,
  outputs = 1,
}: Upload): { text: string; values: unknown[] }[] {
  const products = [...new Set(shots.map(({ product }) => product))].map((product, index) => ({
    product,
    line: index + 2,
    urls: shots.filter((shot) => shot.product === product).map(({ url }) => url),
  }));
  const lines = new Map(products.map(({ product, line }) => [product, line]));
  const recipe =
    outputs === 1
      ? { format: "jpeg", quality: 80 }
      : { format: "jpeg", quality: 80, outputs: [{ name: "large" }, { name: "thumb", width: 200 }] };
  const planned = products.length + 1;
  return [
    {
      text: `insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_file_name, csv_bytes, csv_facts, products, images_total, planned_line, is_planned, has_repeats, created_at, started_at, finished_at, paused_at, pause_reason)
        values ($1::uuid, '00000000-0000-7000-8000-000000000000', 'token-' || $1::uuid::text, $2, 'skip', $3, 2000, '{"dialect":"shopify"}', $4, $5, $6, $7, $8, $9, $9::timestamptz + interval '1 s', $10, case when $11::text is null then null else $9::timestamptz + interval '1 min' end, $11)`,
      values: [
        id,
        recipe,
        file,
        products.length + (unplanned > 0 ? 1 : 0),
        shots.length + unplanned,
        planned,
        unplanned === 0,
        shots.some(({ sameAs }) => sameAs !== undefined),
        at,
        endedAt,
        pauseReason ?? null,
      ],
    },
    ...[
      ...products,
      ...(unplanned > 0
        ? [
            {
              product: "DISH",
              line: planned + 1,
              urls: Array.from({ length: unplanned }, (_, index) => `https://${SUPPLIERS.north}/dish-${index}.jpg`),
            },
          ]
        : []),
    ].map(({ product, line, urls }) => ({
      text: "insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record) values ($1, $2, $3, $4::text, initcap($4::text), $4::text, $5, 'a row, as it came')",
      values: [id, line, product === "DISH" ? shots.length : shots.findIndex((shot) => shot.product === product), product, urls],
    })),
    ...shots.flatMap((shot, ordinal) =>
      imageStatements(
        id,
        at,
        shot,
        ordinal,
        lines.get(shot.product) ?? 0,
        shots.slice(0, ordinal).filter(({ product }) => product === shot.product).length + 1,
        outputs,
      ),
    ),
    {
      text: `update batch b set images_done = c.done, images_failed = c.failed, images_reused = c.reused, images_queued = c.open, input_bytes = c.source, output_bytes = c.made,
          status = case when finished_at is null then 'processing' when c.done = 0 then 'failed' else 'completed' end, outcome = case when finished_at is null then null when c.done = 0 then 'none' when c.failed = 0 then 'all' else 'some' end
        from (select count(*) filter (where state = 'done') as done, count(*) filter (where state = 'failed') as failed, count(*) filter (where is_reused) as reused, count(*) filter (where state = 'planned' and same_as is null) as open,
            coalesce(sum(source_bytes) filter (where state = 'done'), 0) as source, coalesce((select sum(bytes) from output o where o.batch_id = $1), 0) as made from image where batch_id = $1) c
        where b.batch_id = $1`,
      values: [id],
    },
  ];
}

function imageStatements(
  id: string,
  queuedAt: string,
  shot: Shot,
  ordinal: number,
  line: number,
  position: number,
  outputs: number,
): { text: string; values: unknown[] }[] {
  const {
    url,
    host = SUPPLIERS.north,
    code = null,
    detail = null,
    sameAs = null,
    isReused = false,
    isOpen = false,
    attempts = 1,
    kilobytes = 0,
    ms,
    at,
  } = shot;
  const state = isOpen ? "planned" : code === null ? "done" : "failed";
  const isMade = state === "done" && sameAs === null;
  const [wait = null, fetch = null, encode = null, store = null] = (ms ?? []).map((value, index) =>
    index > 1 && value === 0 ? null : value,
  );
  const names = outputs === 1 ? ["main"] : ["large", "thumb"];
  return [
    {
      text: `insert into image (batch_id, ordinal, line, position, stem, url, host, state, same_as, is_reused, attempts, code, detail, queued_at, started_at, finished_at, wait_ms, fetch_ms, encode_ms, store_ms, http_status, source_type, source_bytes, sha256)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::timestamptz - interval '1 s', $15, $16, $17, $18, $19, $20, $21, $22, $23)`,
      values: [
        id,
        ordinal,
        line,
        position,
        `${shot.product}-${position}`,
        url,
        host,
        state,
        sameAs,
        isReused,
        attempts,
        code,
        detail,
        queuedAt,
        at === "" ? null : at,
        wait,
        fetch,
        encode,
        store,
        isMade ? 200 : null,
        isMade ? "image/jpeg" : null,
        isMade ? kilobytes * 1_000 : null,
        isMade ? "5f".repeat(32) : null,
      ],
    },
    ...Array.from({ length: Math.max(0, attempts - 1) }, (_, index) => ({
      text: `insert into image_attempt (batch_id, ordinal, attempt, code, detail, started_at, finished_at) values ($1, $2, $3::int, 'timed_out', '${TIMED_OUT}', $4::timestamptz - (60 - $3::int * 10) * interval '1 s', $4::timestamptz - (50 - $3::int * 10) * interval '1 s')`,
      values: [id, ordinal, index + 1, at],
    })),
    ...(isMade
      ? names.map((name, index) => ({
          text: "insert into output (batch_id, ordinal, name, file_name, format, width, height, bytes, quality, encode_ms) values ($1, $2, $3, $4, 'jpeg', 1200, 900, $5, 80, $6)",
          values: [
            id,
            ordinal,
            name,
            `${shot.product}-${position}-${name}.jpg`,
            kilobytes * (index === 0 ? 250 : 20),
            isReused ? null : 100,
          ],
        }))
      : []),
  ];
}

const EVENT = (digit: number) => `019aa000-0000-7000-9000-00000000000${digit}`;
const ENDPOINT = (digit: number) => `019aa000-0000-7000-a000-00000000000${digit}`;
const DELIVERIES = [
  ...[1, 3].map(
    (digit) =>
      `insert into endpoint (endpoint_id, tenant_id, batch_id, url, secret) values ('${ENDPOINT(digit)}', '00000000-0000-7000-8000-000000000000', '${ID(digit)}', 'https://hooks.shop.example/services/T0KEN', 'whsec_hidden')`,
  ),
  ...[
    [1, "2026-11-20 08:01:30+00"],
    [3, "2026-11-23 23:03:00+00"],
  ].map(
    ([digit, at]) =>
      `insert into event (event_id, batch_id, run, type, sequence, body, created_at) values ('${EVENT(Number(digit))}', '${ID(Number(digit))}', 1, 'batch.completed', 1, '{}', '${at}')`,
  ),
  `insert into delivery (event_id, endpoint_id, state, attempts, next_at, settled_at) values ('${EVENT(1)}', '${ENDPOINT(1)}', 'delivered', 2, '2026-11-20 08:01:36+00', '2026-11-20 08:01:36.2+00'), ('${EVENT(3)}', '${ENDPOINT(3)}', 'gone', 1, '2026-11-23 23:03:01+00', '2026-11-23 23:03:01+00')`,
  `insert into delivery_attempt (event_id, endpoint_id, attempt, attempted_at, http_status, detail, duration_ms) values
    ('${EVENT(1)}', '${ENDPOINT(1)}', 1, '2026-11-20 08:01:31+00', 503, 'The receiver answered with status 503.', 120), ('${EVENT(1)}', '${ENDPOINT(1)}', 2, '2026-11-20 08:01:36.2+00', 200, 'The receiver answered with status 200.', 80),
    ('${EVENT(3)}', '${ENDPOINT(3)}', 1, '2026-11-23 23:03:01+00', 410, 'The receiver answered with status 410.', 60)`,
];
