import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { DIALECTS } from "../../src/csv/dialects/all.ts";
import { matchesHeader, reduceHeader, type Dialect } from "../../src/csv/dialects/dialect.ts";
import type { CatalogueFacts } from "../../src/domain/batch/catalogue-facts.ts";
import type { CatalogueProduct } from "../../src/csv/read-product.ts";
import { RESULT_COLUMNS, type ResultShape } from "../../src/csv/write-result.ts";
import { readCsv, rowsByFastCsv, writeResult, type CsvReading } from "../support/csv.ts";
import { DIALECT_FIXTURES, type DialectFixture } from "../support/dialect-fixtures.ts";

const FOLDER = new URL("../fixtures/dialects/", import.meta.url);

type Found = { facts: CatalogueFacts; products: CatalogueProduct[]; reading: CsvReading };

/** In pieces, so that cells and characters are cut in two. */
const PIECES = [1_001];

async function read(
  bytes: string | Buffer,
  { baseUrl = null, onInvalid = "reject" }: { baseUrl?: string | null; onInvalid?: "reject" | "skip" } = {},
): Promise<Found> {
  const reading = await readCsv(bytes, { baseUrl, onInvalid, chunks: PIECES });
  assert.ok(reading.ok, `refused: ${JSON.stringify(reading)}`);
  return { facts: reading.facts, products: reading.found, reading };
}

const bytesOf = ({ file }: Pick<DialectFixture, "file">) => readFileSync(new URL(file, FOLDER));
const textOf = (bytes: Buffer, encoding: string) => new TextDecoder(encoding).decode(bytes);

/** An address for each image that occurs nowhere else in the result. */
const outputOf = (product: CatalogueProduct, position: number) => `https://out.example/o/t0k3n/${product.line}-${position + 1}.webp`;

function write({ reading }: Found, shape: ResultShape, isDelivered: (position: number) => boolean): Buffer {
  return writeResult(reading, shape, (product) => ({
    outputs: product.urls.map((_, position) => (isDelivered(position) ? outputOf(product, position) : null)),
    status: "completed",
  }));
}

/** Where the header stands among the parsed rows, which blank lines and lines within cells do not count in. */
function headerAt(rows: readonly string[][], facts: CatalogueFacts): number {
  const at = rows.findIndex((row) => row.join("\0") === facts.header.join("\0"));
  assert.notEqual(at, -1, "an independent parser finds another header");
  return at;
}

for (const fixture of DIALECT_FIXTURES) {
  describe(fixture.file, () => {
    const original = bytesOf(fixture);
    let reading: Promise<Found> | undefined;
    // Not before a test waits for it: a promise that fails before that takes all of them with it.
    const readOnce = () => (reading ??= read(original, fixture));

    test("is accepted as it is", async () => {
      const { facts, products } = await readOnce();
      const { dialect, encoding, delimiter, headerLine, rows, rowsWithoutImage, images } = facts;
      const expected = {
        dialect: fixture.dialect,
        encoding: fixture.encoding,
        delimiter: fixture.delimiter,
        headerLine: fixture.headerLine,
        rows: fixture.rows,
        rowsWithoutImage: fixture.rowsWithoutImage,
        images: fixture.images,
      };
      assert.deepEqual({ dialect, encoding, delimiter, headerLine, rows, rowsWithoutImage, images }, expected);
      assert.deepEqual(
        facts.columns.images.map(({ index }) => facts.header[index]),
        fixture.imageColumns,
      );
      assert.equal(products.length, fixture.rows);
      for (const [line, id, name, urls] of fixture.products) {
        const product = products.find((one) => one.line === line);
        assert.deepEqual([product?.serial, product?.name, product?.urls], [id, name, urls], `line ${line}`);
      }
    });

    test("comes back byte for byte where nothing was delivered", async () => {
      assert.ok(write(await readOnce(), "import", () => false).equals(original));
    });

    test("comes back with nothing but image cells changed where everything was delivered", async () => {
      const found = await readOnce();
      const before = await rowsByFastCsv(textOf(original, fixture.encoding), fixture.delimiter);
      const after = await rowsByFastCsv(
        textOf(
          write(found, "import", () => true),
          fixture.encoding,
        ),
        fixture.delimiter,
      );
      const top = headerAt(before, found.facts);
      assert.deepEqual(after.slice(0, top + 1), before.slice(0, top + 1));
      assert.deepEqual(
        after.slice(top + 1),
        before.slice(top + 1).map((row, at) => replaceImages(row, found, fixture, at)),
      );
      assert.equal(
        found.products.reduce((sum, { urls }) => sum + urls.length, 0),
        fixture.images,
      );
    });

    test("comes back with every other byte the same where the first image of each row was delivered", async () => {
      const found = await readOnce();
      let text = textOf(
        write(found, "import", (position) => position === 0),
        fixture.encoding,
      );
      for (const product of found.products.filter(({ urls }) => urls.length > 0)) {
        assert.equal(text.split(outputOf(product, 0)).length, 2, `line ${product.line}`);
        text = text.replace(outputOf(product, 0), () => product.urls[0] ?? "");
      }
      assert.equal(text, textOf(original, fixture.encoding));
    });

    test("keeps its own columns where ours are added", async () => {
      const found = await readOnce();
      const before = await rowsByFastCsv(textOf(original, fixture.encoding), fixture.delimiter);
      const after = await rowsByFastCsv(
        textOf(
          write(found, "append", () => true),
          fixture.encoding,
        ),
        fixture.delimiter,
      );
      const top = headerAt(before, found.facts);
      const width = found.facts.header.length;
      assert.deepEqual(
        after.map((row, at) => (at < top ? row : row.slice(0, width))),
        before,
      );
      assert.deepEqual(
        after[top]?.slice(width),
        RESULT_COLUMNS.map((name) =>
          found.facts.header.some((header) => reduceHeader(header) === reduceHeader(name)) ? `${name} 2` : name,
        ),
      );
      assert.deepEqual(
        after.slice(top + 1).map((row) => row.slice(width)),
        found.products.map((product) => [product.urls.map((_, position) => outputOf(product, position)).join(","), "completed", ""]),
      );
    });

    test("is read the same with its columns in another order", async () => {
      const found = await readOnce();
      const rows = await rowsByFastCsv(textOf(original, fixture.encoding), fixture.delimiter);
      const top = headerAt(rows, found.facts);
      const order = found.facts.header.map((_, index) => index).toSorted((a, b) => ((a * 7 + 3) % 11) - ((b * 7 + 3) % 11) || b - a);
      const shuffled = rows.map((row, at) => (at < top ? row : order.map((index) => row[index] ?? "")));
      const csv = shuffled.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(fixture.delimiter)).join("\n");
      const again = await read(csv, fixture);
      assert.equal(again.facts.dialect, fixture.dialect);
      assert.deepEqual(again.products.map(essence), found.products.map(essence));
    });

    test("fits no other dialect", async () => {
      const headers = (await readOnce()).facts.header.map(reduceHeader);
      assert.deepEqual(
        DIALECTS.filter((dialect) => fits(dialect, headers)).map(({ name }) => name),
        fixture.dialect === null ? [] : [fixture.dialect],
      );
    });
  });
}

/** Done here by searching for the URLs, which the code under test does not. */
function replaceImages(row: readonly string[], { facts, products }: Found, { imageColumns }: DialectFixture, at: number): string[] {
  const product = products[at];
  assert.ok(product);
  let position = 0;
  return row.map((cell, index) => {
    if (!imageColumns.includes(facts.header[index] ?? "")) return cell;
    let done = "";
    let rest = cell;
    for (let url = product.urls[position]; url !== undefined && rest.includes(url); url = product.urls[position]) {
      done += rest.slice(0, rest.indexOf(url)) + outputOf(product, position);
      rest = rest.slice(rest.indexOf(url) + url.length);
      position += 1;
    }
    return done + rest;
  });
}

/** Without what another order of the columns changes: lines, where no id is, and the order of the images. */
function essence({ line, serial, name, urls }: CatalogueProduct): [string | null, string, string[]] {
  return [serial === String(line) ? null : serial, name, urls.toSorted()];
}

function fits({ required, excluding }: Dialect, headers: readonly string[]): boolean {
  const has = (name: Dialect["id"][number]) => headers.some((header) => matchesHeader(header, name));
  return required.every((synonyms) => synonyms.some(has)) && !excluding.some(has);
}

describe("the dialects", () => {
  test("have a file each, and no file is without a test", () => {
    assert.deepEqual(
      [...new Set(DIALECT_FIXTURES.flatMap(({ dialect }) => dialect ?? []))].toSorted(),
      DIALECTS.map(({ name }) => name).toSorted(),
    );
    assert.deepEqual(DIALECT_FIXTURES.map(({ file }) => file).toSorted(), readdirSync(FOLDER).toSorted());
  });

  test("name headers as they are compared, and only patterns that a search keeps no state in", () => {
    for (const dialect of DIALECTS) {
      const images = dialect.images.flatMap(({ header, unless }) => (unless === undefined ? [header] : [header, unless]));
      for (const name of [dialect.required, dialect.strong, dialect.excluding, dialect.id, dialect.productName, images].flat(2)) {
        if (typeof name === "string") assert.equal(reduceHeader(name), name, dialect.name);
        else assert.equal(name.flags, "", dialect.name);
      }
    }
  });

  test("say what surprises, a sentence each", () => {
    for (const { name, traps } of DIALECTS) {
      assert.notEqual(traps.length, 0, name);
      for (const trap of traps) assert.match(trap, /^\S.*\.$/, name);
    }
  });

  const URL_A = "https://shop.example/a.jpg";
  const headers: Record<string, string[]> = {
    seed: [
      "S. No,Product Name,Input Image Urls",
      "S. No.,Product Name,Input Image Urls",
      '"Serial Number",PRODUCT_NAME, input image  URLs ',
      "Sr. No,Product,Image URL",
      "Sl No,Name,Images",
      "#No,Product Names,Input URLs",
      "Serial No.,Name,Image_Urls",
      "Number,product name,Input Images",
    ],
    woocommerce: [
      "ID,Nome,Imagens",
      "REF,Nome,Imagens",
      "SKU,Nome,Immagini",
      "UGS,Nom,Images",
      "SKU,Nombre,Imagenes",
      "Varenummer,Navn,Billeder",
      "SKU,Nazwa,Zdje\u0328cia",
    ],
    shopify: ["URL handle,Title,Product image URL", "Handle,Title,Product image URL"],
    wix: ["handle,name,productImageUrl,fieldType", "handleId,name,media,fieldType"],
    "google-merchant": ["ID,Title,Image link", "sku_id,title,image_link", "g:id,g:title,g:image_link", "id,title,image link"],
    amazon: [
      "contribution_sku#1.value,item_name[marketplace_id=A1PA6795UKMFR9][language_tag=de_DE]#1.value,main_product_image_locator[marketplace_id=A1PA6795UKMFR9]#1.media_location",
    ],
    prestashop: ["ID;Nom *;URL des images (x,y,z...)", "Product ID;Name*;Image URLs (x,y,z…)"],
  };
  for (const [dialect, lines] of Object.entries(headers)) {
    for (const line of lines) {
      test(`${dialect} is known by ${line}`, async () => {
        const delimiter = line.includes(";") ? ";" : ",";
        const { facts, products } = await read(`${line}\n7${delimiter}Mug${delimiter}${URL_A}\n`);
        assert.equal(facts.dialect, dialect);
        assert.deepEqual(
          DIALECTS.filter((one) => fits(one, facts.header.map(reduceHeader))).map(({ name }) => name),
          [dialect],
        );
        assert.deepEqual(
          products.map(({ serial, name, urls }) => [serial, name, urls]),
          [["7", "Mug", [URL_A]]],
        );
      });
    }
  }

  test("paths need a base, and the refusal says so", async () => {
    const catalogue = await readCsv(bytesOf({ file: "magento.csv" }));
    assert.ok(!catalogue.ok);
    // One of the eight is a whole URL.
    assert.equal(catalogue.problemCount, 7);
    assert.match(catalogue.problems[0]?.message ?? "", /baseUrl/);
  });

  test("a cell that says there is no image stays as it is, and the next ones keep their positions", async () => {
    const found = await read("sku,name,base_image,small_image,thumbnail_image\n1,Bag,no_selection,/a.jpg, no_selection \n", {
      baseUrl: "https://shop.example",
    });
    assert.deepEqual(found.products[0]?.urls, ["/a.jpg"]);
    assert.equal(
      write(found, "import", () => true).toString(),
      "sku,name,base_image,small_image,thumbnail_image\n1,Bag,no_selection,https://out.example/o/t0k3n/2-1.webp, no_selection \n",
    );
  });

  test("a column that the caller names is read as the dialect has it", async () => {
    const csv = "sku,name,base_image,small_image\n1,Bag,no_selection,/a.jpg\n2,Cap,/w_1, h_2.jpg,/b.jpg\n".replace(
      "/w_1, h_2.jpg",
      '"/w_1, h_2.jpg"',
    );
    const reading = await readCsv(csv, { baseUrl: "https://shop.example", wishes: { images: ["base_image"], name: null, id: null } });
    assert.ok(reading.ok, JSON.stringify(reading));
    assert.deepEqual(
      reading.found.map(({ urls }) => urls),
      [[], ["/w_1, h_2.jpg"]],
    );
  });

  test("a cell for one image can hold several whole addresses", async () => {
    const cells = [
      `"${URL_A}, https://shop.example/b,c.jpg"`,
      `${URL_A};https://shop.example/d.jpg`,
      '"https://shop.example/my mug, red.jpg"',
    ];
    const found = await read(`Handle,Title,Image Src\n${cells.map((cell, index) => `${index},Mug,${cell}\n`).join("")}`);
    assert.deepEqual(
      found.products.map(({ urls }) => urls),
      [[URL_A, "https://shop.example/b,c.jpg"], [URL_A, "https://shop.example/d.jpg"], ["https://shop.example/my mug, red.jpg"]],
    );
    const delivered = write(found, "import", (position) => position === 1)
      .toString()
      .split("\n");
    assert.deepEqual(delivered.slice(1, 3), [
      `0,Mug,"${URL_A}, https://out.example/o/t0k3n/2-2.webp"`,
      `1,Mug,${URL_A};https://out.example/o/t0k3n/3-2.webp`,
    ]);
  });

  test("WooCommerce's escaped comma does not divide, even before another address", async () => {
    const { products } = await read(`ID,Name,Images\n1,Mug,"https://proxy.example/w_10\\,https://shop.example/a.jpg, ${URL_A}"\n`);
    assert.deepEqual(products[0]?.urls, ["https://proxy.example/w_10\\,https://shop.example/a.jpg", URL_A]);
  });

  test("a column that stands twice is no fault where a better one is read", async () => {
    const { facts } = await read(bytesOf({ file: "bigcommerce.csv" }));
    assert.equal(facts.header.filter((header) => header === "Product Image File - 1").length, 2);
  });

  test("labels above the header of a template do not pass for it", async () => {
    const labels = "Seller SKU\tProduct Name\tMain Image URL\tOther Image Url1";
    const { facts } = await read(
      `TemplateType=fptcustom\tVersion=2021\t\t\n${labels}\nitem_sku\titem_name\tmain_image_url\tother_image_url1\nP1\tPan\t${URL_A}\t\n`,
    );
    assert.equal(facts.headerLine, 3);
    assert.equal(facts.rows, 1);
  });

  test("a header is found in the tenth line and not below it", async () => {
    const header = "item_sku\titem_name\tmain_image_url";
    const file = (lines: number) => `${"A line above\t\t\n".repeat(lines)}${header}\nP1\tPan\t${URL_A}\n`;
    assert.equal((await read(file(9))).facts.headerLine, 10);
    assert.equal((await read(file(10), { onInvalid: "skip" }).catch(() => null))?.facts.dialect ?? null, null);
  });
});
