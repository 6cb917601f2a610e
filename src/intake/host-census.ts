import { createHashSet, hash32, hash53 } from "../domain/hash-set.ts";
import { createReservoir, type Reservoir } from "../domain/batch/reservoir.ts";

export type HostCount = { host: string; images: number; imagesDistinct: number };
export type CensusResult = {
  /** The one with most images first. */
  hosts: HostCount[];
  hostCount: number;
  imagesDistinct: number;
  /** The images at hosts that are not counted on their own. */
  elsewhere: { images: number; imagesDistinct: number };
  /** Different URLs: up to half of them go round the hosts, the others are drawn from all alike. */
  sample: string[];
};

/**
 * The first thousand hosts of a file are counted on their own, the others together, so that a million hosts, which an attacker may
 * write into a file, take no more memory. A shop's images lie at one to three.
 */
const HOSTS_MAX = 1_000;
/** How many URLs of each host are kept for the sample, so that a host with few images is tried as well. 1,000 x 3 of 8 kB are 24 MB. */
const SPREAD_PER_HOST = 3;

type Host = HostCount & { spread: Reservoir<string> };

/** Counts images by host in bounded memory and draws a sample on the way; 16 to 32 bytes for each distinct URL. */
export function createHostCensus(options: { sampleSize: number; random: () => number }): {
  count(href: string): void;
  result(): CensusResult;
} {
  const { sampleSize, random } = options;
  const urls = createHashSet({ isWide: true });
  const names = createHashSet();
  const hosts = new Map<string, Host>();
  const elsewhere = { images: 0, imagesDistinct: 0 };
  const everywhere = createReservoir<string>(sampleSize, random);

  const placeOf = (name: string): Host | null => {
    const known = hosts.get(name);
    if (known) return known;
    names.add(hash32(name));
    if (hosts.size >= HOSTS_MAX) return null;
    const host = {
      host: name,
      images: 0,
      imagesDistinct: 0,
      spread: createReservoir<string>(Math.min(SPREAD_PER_HOST, sampleSize), random),
    };
    hosts.set(name, host);
    return host;
  };
  return {
    count(href) {
      const place = placeOf(hostOf(href));
      const counts = place ?? elsewhere;
      counts.images += 1;
      if (!urls.add(hash53(href))) return;
      counts.imagesDistinct += 1;
      everywhere.offer(href);
      place?.spread.offer(href);
    },
    result() {
      const ranked = [...hosts.values()].toSorted((a, b) => b.images - a.images);
      const sample = drawSample(ranked, everywhere, sampleSize);
      return {
        hosts: ranked.map(({ spread: _, ...counts }) => counts),
        hostCount: names.size,
        imagesDistinct: urls.size,
        elsewhere,
        sample,
      };
    },
  };
}

/** Half of the sample goes round the hosts, so that none speaks for all; the other half falls where most images are. */
function drawSample(hosts: readonly Host[], everywhere: Reservoir<string>, size: number): string[] {
  const drawn = hosts.map(({ spread }) => spread.draw());
  const rounds = Array.from({ length: SPREAD_PER_HOST }, (_, round) => drawn.flatMap((urls) => urls.slice(round, round + 1)));
  const spread = rounds.flat().slice(0, Math.ceil(size / 2));
  return [...new Set([...spread, ...everywhere.draw()])].slice(0, size);
}

/** The host, and its port if it has one, of an address as the URL parser writes it. */
export function hostOf(href: string): string {
  const start = href.indexOf("//") + 2;
  return href.slice(start).split(/[/?]/, 1)[0] ?? "";
}
