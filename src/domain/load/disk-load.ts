import { createAverage, type Average } from "./average.ts";

/** What the images in hand may put on the disk, and what there is beside its reserve. */
export type DiskLoad = {
  /** An image of so many files, its input and its outputs, is being asked for. */
  begin(files: number): Begun;
  /** How many more may be claimed. */
  readonly claimMax: number;
  /** By the last look there is room for one that is as large as those before it. */
  readonly hasRoom: boolean;
  /** Called just before a look at the disk, and what it returns with what was free besides the reserve. */
  onLook(): (spareBytes: number) => void;
};

/** What an image that is asked for tells of itself. */
export type Begun = {
  /** Its file begins to come, of so many bytes where that is known. False where there is no room for it: nothing more of it may come. */
  onBody(bytes: number | null): boolean;
  /** So much of it has come. False as above. */
  onBytes(count: number): boolean;
  /** All of its files are written, or gone. */
  onEnd(): void;
};

/** Weight of a new image in the average: ten photos after many thumbnails are believed, and one that is very large is soon forgotten. */
const NEW_WEIGHT = 1 / 8;

/**
 * An image is promised room for its input once its head has told how large that is, and for as much again for each output, since what
 * cannot be made smaller is kept as it is. Where there is no room for that besides what others have been promised, it is refused. The
 * promise counts whole until a look at the disk has seen all that came of it. So what is on the disk already is in part counted twice,
 * which errs on the side of the reserve, and matters to nobody while there is room.
 *
 * As long as an image's size is not known, it is expected to be as large as those before it. That bounds what is claimed, and keeps no
 * room from those whose size is known: it may never come.
 */
export function createDiskLoad(): DiskLoad {
  const average = createAverage(NEW_WEIGHT);
  const promises = createPromises();
  return {
    begin: (files) => begin(files, average, promises),
    get claimMax() {
      const { spare, left, unsized, isAtRest } = promises;
      if (spare <= 0) return 0;
      if (average.value === 0) return Infinity;
      const more = Math.floor(left / average.value) - unsized;
      // Something is always tried: it may be smaller than those before it, one of which may have been very large.
      return Math.max(more, isAtRest ? 1 : 0);
    },
    get hasRoom() {
      return promises.spare > 0 && promises.spare >= average.value;
    },
    onLook: promises.onLook,
  };
}

function begin(files: number, average: Average, promises: Promises): Begun {
  let [promised, cameBytes, isSized] = [0, 0, false];
  promises.begin();
  const promise = (bytes: number): boolean => {
    const more = files * bytes - promised;
    if (more > promises.left) return false;
    promises.add(more);
    promised += more;
    return true;
  };
  return {
    onBody(bytes) {
      cameBytes = 0;
      // What is no number would stay in the average for ever.
      if (bytes === null || !Number.isFinite(bytes)) return true;
      if (!isSized) promises.onSized();
      isSized = true;
      // One that could not even be alone on the disk says nothing of those that could: many of them would leave those no claims.
      if (average.count === 0 || files * bytes <= promises.spare) average.add(files * bytes);
      return promise(bytes);
    },
    onBytes(count) {
      cameBytes += count;
      // Where the size is not known, as much again as has come is awaited, if there is room for it.
      return files * cameBytes <= promised || promise(2 * cameBytes) || promise(cameBytes);
    },
    onEnd() {
      if (!isSized && cameBytes > 0) average.add(files * cameBytes);
      if (!isSized) promises.onSized();
      promises.end(promised);
    },
  };
}

type Promises = ReturnType<typeof createPromises>;

function createPromises() {
  /** Nothing is claimed before the first look. */
  let spare = 0;
  let promised = 0;
  /** How many are in hand, and of how many of those the size is not known. */
  let [inHand, unsized] = [0, 0];
  /** Promised to those that have ended, in all, and of that what the last look has seen. */
  let [ended, seen] = [0, 0];
  return {
    get spare() {
      return spare;
    },
    get left() {
      return spare - promised - (ended - seen);
    },
    get unsized() {
      return unsized;
    },
    /** There is nothing that the last look has not seen whole. */
    get isAtRest() {
      return inHand === 0 && ended === seen;
    },
    begin() {
      inHand += 1;
      unsized += 1;
    },
    onSized: () => void (unsized -= 1),
    add: (bytes: number) => void (promised += bytes),
    end(bytes: number) {
      inHand -= 1;
      promised -= bytes;
      ended += bytes;
    },
    onLook() {
      const seenThen = ended;
      return (spareBytes: number) => {
        seen = seenThen;
        spare = spareBytes;
      };
    },
  };
}
