import type { Encoding } from "../../src/domain/batch/catalogue-facts.ts";

/** What must be found in a file of test/fixtures/dialects. */
export type DialectFixture = {
  file: string;
  dialect: string | null;
  encoding: Encoding;
  delimiter: string;
  headerLine: number;
  rows: number;
  rowsWithoutImage: number;
  images: number;
  /** Headers of the columns that a result may differ in. */
  imageColumns: string[];
  /** Some products: line, id, name, URLs. */
  products: [line: number, id: string, name: string, urls: string[]][];
  baseUrl?: string;
  /** `reject` where it is missing; `skip` for a file with a cell that is no URL. */
  onInvalid?: "skip";
};

const SHOPIFY = "https://cdn.shopify.example/s/files/1/0533/2089/files/";
const WOO = "https://laden.example/wp-content/uploads/2024/05/";
const GOOGLE = "https://img.feinkost.example/";
const AMAZON = "https://m.media.example/images/I/";
const ETSY = "https://i.etsystatic.example/1234567/r/il/";
const BIG = "https://cdn11.bigcommerce.example/s-abc123/product_images/";
const PRESTA = "http://boutique.example/img/p/";
const SQUARE = "https://images.squarespace-cdn.example/content/v1/5e9/1587/";
const TOOLS = "https://werkzeug.example/media/";
const MARKET = "[marketplace_id=ATVPDKIKX0DER]#1.media_location";

const plain = { encoding: "utf-8", delimiter: ",", headerLine: 1 } as const;

const WOO_PRODUCTS: DialectFixture["products"] = [
  [
    2,
    "woo-vneck-tee",
    '=Hoodie & "friends"',
    [`${WOO}vneck-tee-2.jpg`, `${WOO}vnech-tee-green-1\\,c_fill.jpg`, `${WOO}vnech-tee-blue-1.jpg`],
  ],
  [4, "72", "Hoodie - Blue", []],
  [5, "-album", "Café “Zürich” (Album)", [`${WOO}album-1.jpg`]],
];
const woocommerce = (file: string, imageColumn: string): DialectFixture => ({
  ...plain,
  file,
  dialect: "woocommerce",
  rows: 4,
  rowsWithoutImage: 1,
  images: 5,
  imageColumns: [imageColumn],
  products: WOO_PRODUCTS,
});

const GOOGLE_PRODUCTS: DialectFixture["products"] = [
  [
    2,
    "OEL-1",
    "Olivenöl „Kalamata“, 0,75 l",
    [`${GOOGLE}w_800%2Ch_800/oel-1.jpg`, `${GOOGLE}w_800%2Ch_800/oel-1b.jpg`, `${GOOGLE}oel-1c.jpg`],
  ],
  [3, "ESSIG-2", "Weißweinessig", [`${GOOGLE}essig.jpg`]],
  [4, "SET-3", "Geschenkset", []],
];
const google = { dialect: "google-merchant", headerLine: 1, rows: 3, rowsWithoutImage: 1, images: 4, products: GOOGLE_PRODUCTS };

export const DIALECT_FIXTURES: DialectFixture[] = [
  {
    ...plain,
    file: "seed.csv",
    dialect: "seed",
    rows: 3,
    rowsWithoutImage: 1,
    images: 5,
    imageColumns: ["Input Image Urls"],
    products: [[3, "2", "SKU2", ["https://cdn.public.example/w_200,h_100/d.jpg", "https://cdn.public.example/e.png?v=1,2"]]],
  },
  {
    file: "seed-excel.csv",
    dialect: "seed",
    encoding: "windows-1252",
    delimiter: ";",
    headerLine: 2,
    rows: 2,
    rowsWithoutImage: 0,
    images: 3,
    imageColumns: ["Input Image Urls"],
    products: [
      [3, "1", 'Kaffeebecher "Frühling"; groß', ["https://bilder.example/becher 1.jpg", "https://bilder.example/becher 2.jpg"]],
      [4, "2", "Müslischale", ["https://bilder.example/müsli.jpg"]],
    ],
  },
  {
    ...plain,
    file: "shopify-old.csv",
    dialect: "shopify-old",
    rows: 6,
    rowsWithoutImage: 2,
    images: 5,
    imageColumns: ["Image Src", "Variant Image"],
    products: [
      [
        2,
        "linen-shirt",
        'Linen shirt, "Aosta"',
        [`${SHOPIFY}linen-shirt-front.jpg?v=1702564345`, `${SHOPIFY}linen-shirt-s.jpg?v=1702564349`],
      ],
      [8, "linen-shirt", 'Linen shirt, "Aosta"', [`${SHOPIFY}linen-shirt-detail.png?v=1702564347`]],
      [10, "gift-card", "Gift card", []],
      [11, "kaffee-tasse-blau", "Kaffeetasse – blau", [`${SHOPIFY}tasse,blau.jpg?v=1&width=2048`]],
    ],
  },
  {
    ...plain,
    file: "shopify.csv",
    dialect: "shopify",
    rows: 4,
    rowsWithoutImage: 1,
    images: 5,
    imageColumns: ["Product image URL", "Variant image URL"],
    products: [
      [4, "storm-jacket", "Storm jacket", [`${SHOPIFY}storm-moss.webp?v=1742`, `${SHOPIFY}storm-moss.webp?v=1742`]],
      [5, "storm-jacket", "Storm jacket", []],
    ],
  },
  {
    ...plain,
    file: "shopify-handle.csv",
    dialect: "shopify",
    rows: 1,
    rowsWithoutImage: 0,
    images: 1,
    imageColumns: ["Product image URL", "Variant image URL"],
    products: [[2, "wool-socks", "Wool socks", [`${SHOPIFY}socks.jpg?v=1743`]]],
  },
  woocommerce("woocommerce.csv", "Images"),
  woocommerce("woocommerce-de.csv", "Bilder"),
  woocommerce("woocommerce-fr.csv", "Images"),
  woocommerce("woocommerce-es.csv", "Imágenes"),
  woocommerce("woocommerce-it.csv", "Immagine"),
  woocommerce("woocommerce-nl.csv", "Afbeeldingen"),
  woocommerce("woocommerce-pt-br.csv", "Imagens"),
  woocommerce("woocommerce-pl.csv", "Obrazki"),
  woocommerce("woocommerce-sv.csv", "Bilder"),
  {
    ...google,
    file: "google-merchant-utf16.txt",
    encoding: "utf-16le",
    delimiter: "\t",
    imageColumns: ["image_link", "additional_image_link"],
  },
  {
    ...google,
    file: "google-merchant-1252.txt",
    encoding: "windows-1252",
    delimiter: "\t",
    imageColumns: ["image link", "additional image link"],
  },
  {
    ...google,
    file: "google-merchant-g.csv",
    encoding: "utf-8",
    delimiter: ",",
    imageColumns: ["g:image_link", "g:additional_image_link"],
  },
  {
    ...plain,
    file: "magento.csv",
    dialect: "magento",
    baseUrl: "https://shop.example/media/catalog/product",
    rows: 4,
    rowsWithoutImage: 2,
    images: 8,
    imageColumns: ["base_image", "small_image", "thumbnail_image", "swatch_image", "additional_images"],
    products: [
      [
        2,
        "24-MB01",
        "Joust Duffle Bag",
        ["/m/b/mb01-blue-0.jpg", "/m/b/mb01-blue-0.jpg", "/m/b/mb01-blue-0.jpg", "/m/b/mb01-blue-0.jpg", "/m/b/mb01 blue 1.jpg"],
      ],
      [6, "24-MB01", "Joust Duffle Bag", []],
      [
        7,
        "MH01",
        "Chaz Kangeroo Hoodie",
        ["/m/h/mh01-gray_main_1.jpg", "/m/h/mh01-gray_main_1.jpg", "https://cdn.media.example/mh01-thumb.jpg"],
      ],
      [8, "MH01-XS-Black", "Chaz Kangeroo Hoodie-XS-Black", []],
    ],
  },
  {
    ...plain,
    file: "magento-1.csv",
    dialect: "magento",
    baseUrl: "https://shop.example/media/catalog/product",
    rows: 3,
    rowsWithoutImage: 1,
    images: 5,
    imageColumns: ["image", "small_image", "thumbnail", "_media_image"],
    products: [
      [4, "4", "", ["/m/s/msj000a_1.jpg"]],
      [5, "ace000", "Aviator Sunglasses", []],
    ],
  },
  {
    file: "amazon.txt",
    dialect: "amazon",
    encoding: "utf-8",
    delimiter: "\t",
    headerLine: 3,
    rows: 3,
    rowsWithoutImage: 1,
    images: 7,
    imageColumns: ["main_image_url", ...[1, 2, 3, 4, 5, 6, 7, 8].map((number) => `other_image_url${number}`), "swatch_image_url"],
    products: [
      [4, "PAN-24", "Cast iron pan, 24 cm", [`${AMAZON}71pan+main.jpg`, `${AMAZON}71pan-1.jpg`]],
      [
        5,
        "PAN-24-R",
        'Cast iron pan, 9.5" (24 cm), red',
        [
          `${AMAZON}71pan-red.jpg`,
          `${AMAZON}71pan-red-1.jpg`,
          `${AMAZON}71pan-red-2.jpg`,
          `${AMAZON}71pan-red-8.jpg`,
          `${AMAZON}71pan-red-sw.jpg`,
        ],
      ],
      [6, "LID-24", "Lid, 24 cm", []],
    ],
  },
  {
    file: "amazon-listings.txt",
    dialect: "amazon",
    encoding: "utf-16le",
    delimiter: "\t",
    headerLine: 6,
    rows: 4,
    rowsWithoutImage: 1,
    images: 7,
    imageColumns: [
      `main_product_image_locator${MARKET}`,
      ...[1, 2, 3, 4, 5, 6, 7, 8].map((number) => `other_product_image_locator_${number}${MARKET}`),
      `swatch_product_image_locator${MARKET}`,
      `main_offer_image_locator${MARKET}`,
    ],
    products: [
      [
        8,
        "KH-01",
        'Kopfhörer „Klang“, 6.35 mm (¼")',
        [`${AMAZON}81kh-main.jpg`, `${AMAZON}81kh-1.jpg`, `${AMAZON}81kh-2.jpg`, `${AMAZON}81kh-sw.jpg`],
      ],
      [11, "KH-03", "Used headphones", [`${AMAZON}81kh-main.jpg`, `${AMAZON}used.jpg`]],
    ],
  },
  {
    ...plain,
    file: "etsy.csv",
    dialect: "etsy",
    rows: 3,
    rowsWithoutImage: 1,
    images: 4,
    imageColumns: Array.from({ length: 10 }, (_, index) => `IMAGE${index + 1}`),
    products: [
      [
        2,
        "LUNA-J,LUNA-L,LUNA-N",
        "Silver ring, hammered &quot;Luna&quot;",
        [`${ETSY}a1/111/il_fullxfull.111_aa.jpg`, `${ETSY}a2/112/il_fullxfull.112_bb.jpg`, `${ETSY}a3/113/il_fullxfull.113_cc.jpg`],
      ],
      [6, "6", "Fern print", [`${ETSY}b1/211/il_fullxfull.211_dd.jpg`]],
    ],
  },
  {
    ...plain,
    file: "bigcommerce.csv",
    dialect: "bigcommerce",
    rows: 4,
    rowsWithoutImage: 1,
    images: 4,
    imageColumns: ["Product Image URL - 1", "Product Image URL - 2"],
    products: [
      [2, "SLCTBS", "Fog linen chambray towel - beige", [`${BIG}p/123/foglinen_01.jpg`, `${BIG}p/124/foglinen_02.jpg?c=2`]],
      [5, "SLCTBS-A9615979", "[S]Size=Small,[S]Colour=Beige", [`${BIG}r/99/foglinen_small.jpg`]],
      [6, "80", "Orbit terrarium - large", [`${BIG}t/1/roundterrarium.jpg`]],
    ],
  },
  {
    ...plain,
    file: "bigcommerce-files.csv",
    dialect: "bigcommerce",
    baseUrl: "https://lampen.example/product_images",
    rows: 2,
    rowsWithoutImage: 1,
    images: 2,
    imageColumns: ["Product Image File - 1", "Product Image File - 2"],
    products: [[2, "LAMP-5", "Old lamp", ["q/931/lamp__41.jpg", "https://img.lampen.example/lamp side.jpg"]]],
  },
  {
    ...plain,
    file: "bigcommerce-modern.csv",
    dialect: "bigcommerce",
    rows: 5,
    rowsWithoutImage: 2,
    images: 3,
    imageColumns: ["Variant Image URL", "Internal Image URL (Export)", "Image URL (Import)"],
    products: [
      [2, "GTR-1", "Strat guitar", []],
      [4, "GTR-1-RED", "", [`${BIG}attribute/311/red.jpg`]],
      [6, "6", "", ["https://musik.example/strat back.jpg"]],
    ],
  },
  {
    file: "prestashop.csv",
    dialect: "prestashop",
    encoding: "utf-8",
    delimiter: ";",
    headerLine: 1,
    rows: 3,
    rowsWithoutImage: 1,
    images: 3,
    imageColumns: ["Image URLs (x,y,z...)"],
    products: [
      [2, "1", "T-shirt imprimé colibri", [`${PRESTA}1/1.jpg`, `${PRESTA}2/2.jpg`]],
      [5, "3", "Affiche", []],
    ],
  },
  {
    file: "prestashop-combinations.csv",
    dialect: "prestashop",
    encoding: "utf-8",
    delimiter: ";",
    headerLine: 1,
    rows: 2,
    rowsWithoutImage: 1,
    images: 2,
    imageColumns: ["Image URLs (x,y,z...)"],
    products: [[2, "1", "demo_1", [`${PRESTA}1/1.jpg`, `${PRESTA}5/5.jpg`]]],
  },
  {
    ...plain,
    file: "wix.csv",
    dialect: "wix",
    rows: 3,
    rowsWithoutImage: 1,
    images: 4,
    imageColumns: ["productImageUrl"],
    products: [
      [2, "product_2d6bc1c1-3a5b", 'Candle "Harbour"', ["11062b_0a1b2c3d~mv2.jpg", "11062b_4e5f6a7b~mv2_d_3000_2000_s_2.png"]],
      [4, "product_2d6bc1c1-3a5b", 'Candle "Harbour"', []],
      [5, "product_77aa", "Soap", ["https://seife.example/soap,1.jpg", "https://seife.example/soap 2.jpg"]],
    ],
  },
  {
    ...plain,
    file: "wix-catalog-3.csv",
    dialect: "wix",
    rows: 3,
    rowsWithoutImage: 1,
    images: 2,
    imageColumns: ["media"],
    products: [[3, "linen-apron", "Linen apron", ["https://static.wix.example/media/apron-2~mv2.jpg"]]],
  },
  {
    ...plain,
    file: "squarespace.csv",
    dialect: "squarespace",
    rows: 3,
    rowsWithoutImage: 1,
    images: 4,
    imageColumns: ["Hosted Image URLs"],
    products: [
      [2, "SQ0001", "Olive bowl", [`${SQUARE}olive+bowl+1.jpg`, `${SQUARE}olive%2C2.jpg`]],
      [3, "SQ0002", "", []],
      [4, "5e9f0c1a2b4d", "Spoon, cherry", [`${SQUARE}spoon-1.jpg`, `${SQUARE}spoon-2.jpg`]],
    ],
  },
  {
    file: "unknown.csv",
    dialect: null,
    encoding: "windows-1252",
    delimiter: ";",
    headerLine: 1,
    rows: 6,
    rowsWithoutImage: 0,
    images: 8,
    imageColumns: ["Ansicht vorne", "Ansicht hinten"],
    onInvalid: "skip",
    products: [
      [2, "A-100", 'Schraubendreher, "Kreuz"', [`${TOOLS}a-100-v.jpg`, `${TOOLS}a-100-h.jpg`]],
      [6, "A-104", "Säge", ["folgt"]],
    ],
  },
  {
    file: "unknown-prestashop-list.csv",
    dialect: null,
    encoding: "utf-8",
    delimiter: ";",
    headerLine: 1,
    rows: 2,
    rowsWithoutImage: 0,
    images: 2,
    imageColumns: ["Image"],
    products: [[3, "6", "Mug", ["http://boutique.example/6-small_default/mug.jpg"]]],
  },
];
