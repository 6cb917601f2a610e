import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createDiskLoad, type Begun, type DiskLoad } from "../../../src/domain/load/disk-load.ts";

/** An input and one output. */
const FILES = 2;

const startLoad = (spareBytes: number) => {
  const load = createDiskLoad();
  load.onLook()(spareBytes);
  return load;
};
/** Since its size is learned of one image, and seen by a look. */
const startKnown = (spareBytes: number, bytes: number) => {
  const load = startLoad(spareBytes);
  const first = load.begin(FILES);
  first.onBody(bytes);
  first.onEnd();
  load.onLook()(spareBytes);
  return load;
};
const beginMany = (load: DiskLoad, count: number): Begun[] => Array.from({ length: count }, () => load.begin(FILES));

describe("what may be claimed beside the load of the disk", () => {
  test("is nothing before the first look, and where nothing is spare", () => {
    assert.equal(createDiskLoad().claimMax, 0);
    assert.deepEqual([startLoad(0).claimMax, startLoad(0).hasRoom], [0, false]);
    assert.equal(startKnown(-1, 100).claimMax, 0);
  });

  test("has no bound until a size is known, or where plenty is spare", () => {
    const load = startLoad(1);
    assert.equal(load.claimMax, Infinity);
    for (const begun of beginMany(load, 50)) begun.onEnd();
    assert.equal(load.claimMax, Infinity);
    assert.equal(startKnown(1e12, 100).claimMax, 5e9);
  });

  test("is what there is room for beside those promised, and those asked for of which no size is known", () => {
    const load = startKnown(2_000, 100);
    assert.equal(load.claimMax, 10);
    const [first, second] = beginMany(load, 3);
    assert.equal(load.claimMax, 7);
    first?.onBody(200);
    assert.equal(load.claimMax, Math.floor(1_600 / 225) - 2);
    second?.onBody(null);
    assert.equal(load.claimMax, Math.floor(1_600 / 225) - 2, "it may be as large as the others");
    second?.onEnd();
    assert.equal(load.claimMax, Math.floor(1_600 / 225) - 1);
  });

  test("is not lowered by those that could not even be alone on the disk", () => {
    const load = startKnown(2_000, 100);
    for (const begun of beginMany(load, 20)) {
      assert.equal(begun.onBody(1_001), false);
      begun.onEnd();
    }
    assert.equal(load.claimMax, 10);
    const [large] = beginMany(load, 1);
    assert.equal(large?.onBody(1_000), true);
    large?.onEnd();
    load.onLook()(2_000);
    assert.equal(load.claimMax, Math.floor(2_000 / (200 + 1_800 / 8)));
  });

  test("is a job where the average has no room, once a look has seen whole all that was in hand", () => {
    const load = startKnown(150, 100);
    assert.equal(load.claimMax, 1);
    assert.equal(load.hasRoom, false);
    const [begun] = beginMany(load, 1);
    assert.equal(load.claimMax, 0);
    begun?.onBody(10);
    begun?.onEnd();
    assert.equal(load.claimMax, 0);
    load.onLook()(130);
    assert.equal(load.claimMax, 1);
  });

  test("comes back after images that are much larger than the others", () => {
    const load = startKnown(1_900, 10);
    const [held, ...large] = beginMany(load, 11);
    assert.equal(held?.onBody(500), true);
    for (const begun of large) {
      assert.equal(begun.onBody(900), false, "it would have room alone");
      begun.onEnd();
    }
    assert.equal(load.claimMax, 0);
    held?.onEnd();
    load.onLook()(1_400);
    assert.equal(load.claimMax, 1);
    for (const begun of beginMany(load, 20)) {
      assert.equal(begun.onBody(10), true);
      begun.onEnd();
    }
    load.onLook()(1_000);
    assert.ok(load.claimMax >= 5 && load.hasRoom, `${load.claimMax}`);
  });

  test("learns from what is refused, and from what tells no size", () => {
    const load = startLoad(100);
    const [refused] = beginMany(load, 1);
    refused?.onBody(80);
    refused?.onEnd();
    assert.deepEqual([load.claimMax, load.hasRoom], [1, false]);

    const other = startLoad(1_000);
    const [untold] = beginMany(other, 1);
    untold?.onBody(NaN);
    untold?.onBytes(100);
    untold?.onEnd();
    other.onLook()(1_000);
    assert.equal(other.claimMax, 5);
  });
});

describe("an image that comes to a disk that is nearly full", () => {
  test("is refused at its head where there is no room for it and its outputs beside what others are promised", () => {
    const load = startLoad(1_000);
    const [first, second, third, fourth] = beginMany(load, 500);
    assert.equal(first?.onBody(300), true);
    assert.equal(second?.onBody(201), false);
    assert.equal(third?.onBody(200), true);
    assert.equal(fourth?.onBody(1), false);
    second?.onEnd();
    first?.onEnd();
    assert.equal(fourth?.onBody(1), false, "no look has seen what the first left");
  });

  test("is promised nothing where no body comes", () => {
    const load = startKnown(1_000, 100);
    for (const unchanged of beginMany(load, 20)) unchanged.onEnd();
    assert.equal(load.claimMax, 5);
  });

  test("counts after its end until a look that began later", () => {
    const load = startKnown(1_000, 100);
    const onFound = load.onLook();
    const [begun] = beginMany(load, 1);
    begun?.onBody(100);
    begun?.onEnd();
    onFound(1_000);
    assert.equal(load.claimMax, 4);
    load.onLook()(800);
    assert.equal(load.claimMax, 4);
    load.onLook()(1_000);
    assert.equal(load.claimMax, 5);
  });

  test("is refused as it grows where it told no size, once there is no room for as much again as has come", () => {
    const load = startLoad(1_000);
    const [untold, other] = beginMany(load, 2);
    assert.equal(untold?.onBody(null), true);
    assert.equal(untold?.onBytes(100), true);
    assert.equal(other?.onBody(300), true, "400 are promised to the first");
    assert.equal(other?.onBytes(300), true);
    assert.equal(untold?.onBytes(100), true);
    assert.equal(untold?.onBytes(1), false);
    // Asked for again, it begins anew.
    untold?.onBody(null);
    assert.equal(untold?.onBytes(200), true);
    assert.equal(startLoad(199).begin(FILES).onBytes(100), false);
    assert.equal(startLoad(200).begin(FILES).onBytes(100), true, "that is all that it needs, if no more comes");
  });
});

/** Written while it comes, and its outputs, as large as its input, before it ends. */
type Image = { begun: Begun; files: number; bytes: number; cameBytes: number; outputBytes: number; state: "asked" | "coming" | "refused" };

/** A disk of which so much is spare, and what images do to it. */
function startDisk(spare: number) {
  const load = startLoad(spare);
  const inHand: Image[] = [];
  const looks: (() => void)[] = [];
  let kept = 0;
  const written = () => inHand.reduce((sum, { cameBytes, outputBytes }) => sum + cameBytes + outputBytes, kept);
  const seen = { refused: 0, whole: 0 };
  const refuse = (image: Image) => {
    image.state = "refused";
    seen.refused += 1;
  };
  return {
    seen,
    written,
    image: (which: number) => inHand[which % Math.max(1, inHand.length)],
    begin(files: number) {
      if (inHand.length < 6) inHand.push({ begun: load.begin(files), files, bytes: 0, cameBytes: 0, outputBytes: 0, state: "asked" });
    },
    onHead(image: Image, bytes: number, isTold: boolean) {
      if (image.state !== "asked") return;
      Object.assign(image, { bytes, state: "coming" });
      if (!image.begun.onBody(isTold ? bytes : null)) refuse(image);
    },
    onPart(image: Image, part: number) {
      const count = Math.min(image.bytes - image.cameBytes, Math.ceil(part * image.bytes));
      if (image.state !== "coming" || count === 0) return;
      if (!image.begun.onBytes(count)) return refuse(image);
      image.cameBytes += count;
      if (image.cameBytes === image.bytes) seen.whole += 1;
    },
    writeOutputs(image: Image) {
      if (image.state === "coming" && image.cameBytes === image.bytes) image.outputBytes = (image.files - 1) * image.bytes;
    },
    end(image: Image, isKept: boolean) {
      image.begun.onEnd();
      if (isKept) kept += image.cameBytes + image.outputBytes;
      inHand.splice(inHand.indexOf(image), 1);
    },
    /** What it finds may be as of its begin or of its end, and another may overtake it. */
    beginLook(isLate: boolean) {
      const onFound = load.onLook();
      const then = spare - written();
      looks.push(() => onFound(isLate ? spare - written() : then));
    },
    endLook: (which: number) => looks.splice(which % Math.max(1, looks.length), 1)[0]?.(),
  };
}
type Disk = ReturnType<typeof startDisk>;

const anyWhich = fc.nat(99);
const onImage = (act: (disk: Disk, image: Image) => void, which: number) => (disk: Disk) => {
  const image = disk.image(which);
  if (image) act(disk, image);
};
/** Weighted so that many images come whole. */
const anyEvent: fc.Arbitrary<(disk: Disk) => void> = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }).map((files) => (disk: Disk) => disk.begin(files)) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(anyWhich, fc.integer({ min: 1, max: 1_000 }), fc.boolean())
      .map(([which, bytes, isTold]) => onImage((disk, image) => disk.onHead(image, bytes, isTold), which)),
  },
  {
    weight: 12,
    arbitrary: fc
      .tuple(anyWhich, fc.double({ min: 0.3, max: 1, noNaN: true }))
      .map(([which, part]) => onImage((disk, image) => disk.onPart(image, part), which)),
  },
  { weight: 4, arbitrary: anyWhich.map((which) => onImage((disk, image) => disk.writeOutputs(image), which)) },
  {
    weight: 2,
    arbitrary: fc.tuple(anyWhich, fc.boolean()).map(([which, isKept]) => onImage((disk, image) => disk.end(image, isKept), which)),
  },
  { weight: 1, arbitrary: fc.boolean().map((isLate) => (disk: Disk) => disk.beginLook(isLate)) },
  { weight: 1, arbitrary: anyWhich.map((which) => (disk: Disk) => disk.endLook(which)) },
);

test("whatever comes in whatever order, inputs and outputs are never more than there is", () => {
  const seen = { refused: 0, whole: 0 };
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.array(anyEvent, { maxLength: 400, size: "max" }), (spare, events) => {
      const disk = startDisk(spare);
      for (const act of events) {
        act(disk);
        assert.ok(disk.written() <= spare, `${disk.written()} of ${spare}`);
      }
      seen.refused += disk.seen.refused;
      seen.whole += disk.seen.whole;
    }),
    { numRuns: 1_000 },
  );
  assert.ok(seen.refused > 500 && seen.whole > 500, JSON.stringify(seen));
});
