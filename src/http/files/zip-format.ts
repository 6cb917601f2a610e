/**
 * The parts of a ZIP, as APPNOTE.TXT 6.3.10 (PKWARE) lays them out: entries that are stored as they are, whose sizes and checksums are known
 * before their bytes, so that those who read it as it comes, Java's ZipInputStream among them, need no data descriptor behind them
 * (docs/adr/0014-own-zip-writer.md).
 */
type ZipEntry = {
  name: Buffer;
  /** Below 4 GiB. */
  bytes: number;
  crc32: number;
  modifiedAt: DosTime;
  /** Where it begins in the archive. */
  offset: number;
};

/** Seconds in steps of two, in the machine's own zone: ZIP knows none. Year and day in the upper half (APPNOTE 4.4.6). */
export type DosTime = number;

const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
/** From these on a field says that the real number is in one of Zip64 (APPNOTE 4.4.1.4). */
const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;
const ZIP64_VERSION = 45;
const PLAIN_VERSION = 20;
/** The name is UTF-8 (APPNOTE, appendix D). */
const UTF_8 = 1 << 11;
/** Made on Unix: a regular file that its owner may write and everybody read. */
const MADE_BY = (3 << 8) | ZIP64_VERSION;
const ATTRIBUTES = (0o100644 << 16) >>> 0;

export function toDosTime(at: Date): DosTime {
  const year = Math.min(Math.max(at.getFullYear() - 1980, 0), 127);
  const day = (year << 9) | ((at.getMonth() + 1) << 5) | at.getDate();
  const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1);
  return ((day << 16) | time) >>> 0;
}

/** Stands before the entry's bytes. */
export function localHeader(entry: ZipEntry): Buffer {
  const header = Buffer.alloc(LOCAL_BYTES + entry.name.length);
  header.writeUInt32LE(0x04034b50, 0);
  writeCommon(header, 4, entry, PLAIN_VERSION);
  entry.name.copy(header, LOCAL_BYTES);
  return header;
}

/** The entry in the directory behind all entries. */
export function directoryRecord(entry: ZipEntry): Buffer {
  const isFar = entry.offset >= MAX_32;
  const extra = isFar ? zip64Offset(entry.offset) : Buffer.alloc(0);
  const record = Buffer.alloc(CENTRAL_BYTES);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(MADE_BY, 4);
  writeCommon(record, 6, entry, isFar ? ZIP64_VERSION : PLAIN_VERSION);
  record.writeUInt16LE(extra.length, 30);
  record.writeUInt32LE(ATTRIBUTES, 38);
  record.writeUInt32LE(Math.min(entry.offset, MAX_32), 42);
  return Buffer.concat([record, entry.name, extra]);
}

/** What a local header and a record of the directory have alike, from the version that is needed up to the length of the extra field. */
function writeCommon(target: Buffer, at: number, { name, bytes, crc32, modifiedAt }: ZipEntry, version: number): void {
  target.writeUInt16LE(version, at);
  target.writeUInt16LE(UTF_8, at + 2);
  target.writeUInt32LE(modifiedAt, at + 6);
  target.writeUInt32LE(crc32, at + 10);
  target.writeUInt32LE(bytes, at + 14);
  target.writeUInt32LE(bytes, at + 18);
  target.writeUInt16LE(name.length, at + 22);
}

function zip64Offset(offset: number): Buffer {
  const extra = Buffer.alloc(12);
  extra.writeUInt16LE(0x0001, 0);
  extra.writeUInt16LE(8, 2);
  extra.writeBigUInt64LE(BigInt(offset), 4);
  return extra;
}

/** Where the directory lies, and how many records it has. */
type Directory = { entries: number; start: number; bytes: number };

/** The end of the archive, in the words of Zip64 as well where a number does not fit into the plain one: from 65,535 entries on. */
export function endOfArchive(directory: Directory): Buffer {
  const { entries, start, bytes } = directory;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(entries, MAX_16), 8);
  end.writeUInt16LE(Math.min(entries, MAX_16), 10);
  end.writeUInt32LE(Math.min(bytes, MAX_32), 12);
  end.writeUInt32LE(Math.min(start, MAX_32), 16);
  const fits = entries < MAX_16 && bytes < MAX_32 && start < MAX_32;
  return fits ? end : Buffer.concat([zip64End(directory), end]);
}

function zip64End({ entries, start, bytes }: Directory): Buffer {
  const end = Buffer.alloc(56 + 20);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(MADE_BY, 12);
  end.writeUInt16LE(ZIP64_VERSION, 14);
  end.writeBigUInt64LE(BigInt(entries), 24);
  end.writeBigUInt64LE(BigInt(entries), 32);
  end.writeBigUInt64LE(BigInt(bytes), 40);
  end.writeBigUInt64LE(BigInt(start), 48);
  // Its locator: where it begins, and that the archive is on one disk.
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(start + bytes), 64);
  end.writeUInt32LE(1, 72);
  return end;
}
