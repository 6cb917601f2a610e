import { AMAZON } from "./amazon.ts";
import { BIGCOMMERCE } from "./bigcommerce.ts";
import type { Dialect } from "./dialect.ts";
import { ETSY } from "./etsy.ts";
import { GOOGLE_MERCHANT } from "./google-merchant.ts";
import { MAGENTO } from "./magento.ts";
import { PRESTASHOP } from "./prestashop.ts";
import { SEED } from "./seed.ts";
import { SHOPIFY_OLD } from "./shopify-old.ts";
import { SHOPIFY } from "./shopify.ts";
import { SQUARESPACE } from "./squarespace.ts";
import { WIX } from "./wix.ts";
import { WOOCOMMERCE } from "./woocommerce.ts";

/** Where two fit a header equally well, the one that stands first here is taken. */
export const DIALECTS: readonly Dialect[] = [
  SEED,
  SHOPIFY,
  SHOPIFY_OLD,
  WOOCOMMERCE,
  GOOGLE_MERCHANT,
  MAGENTO,
  AMAZON,
  ETSY,
  BIGCOMMERCE,
  PRESTASHOP,
  WIX,
  SQUARESPACE,
];
