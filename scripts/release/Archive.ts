import { type Zippable, zipSync } from "fflate"

/** The first entry of an archive is the program. */
export interface ArchiveFile {
  readonly name: string
  readonly path: string
  readonly executable: boolean
}

/** From 1 (fast) to 9 (small). */
export type CompressionLevel = 1 | 6 | 9

/** A fixed timestamp, so that two builds produce identical bytes. */
const DATE = new Date(Date.UTC(2000, 0, 1))

const TAR_HEADER = 512

const octal = (value: number, length: number): string =>
  `${value.toString(8).padStart(length - 1, "0")}\0`

/** Returns a ustar header (POSIX.1-1988). Names can be at most 100 bytes long. */
const header = (name: string, size: number, mode: number): Uint8Array<ArrayBuffer> => {
  const text = [
    name.padEnd(100, "\0"),
    ...[octal(mode, 8), octal(0, 8), octal(0, 8), octal(size, 12)],
    octal(DATE.getTime() / 1000, 12),
    ...["        ", "0", "\0".repeat(100), "ustar\0", "00"],
    ...["\0".repeat(32), "\0".repeat(32), octal(0, 8), octal(0, 8), "\0".repeat(167)]
  ].join("")
  const bytes = new TextEncoder().encode(text)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148)
  return bytes
}

/** Returns a reproducible gzipped tar. Bun.Archive cannot mark a file as executable. */
export const tarGz = async (
  files: ReadonlyArray<ArchiveFile>,
  level: CompressionLevel
): Promise<Uint8Array> => {
  const parts: Array<Uint8Array<ArrayBuffer>> = []
  for (const { executable, name, path } of files) {
    const content = await Bun.file(path).bytes()
    const padding = (TAR_HEADER - (content.length % TAR_HEADER)) % TAR_HEADER
    parts.push(header(name, content.length, executable ? 0o755 : 0o644), content)
    parts.push(new Uint8Array(padding))
  }
  parts.push(new Uint8Array(2 * TAR_HEADER))
  return Bun.gzipSync(new Uint8Array(await new Blob(parts).arrayBuffer()), { level })
}

/** Returns a reproducible zip. */
export const zip = async (files: ReadonlyArray<ArchiveFile>): Promise<Uint8Array> => {
  const entries: Zippable = {}
  for (const { executable, name, path } of files) {
    entries[name] = [
      await Bun.file(path).bytes(),
      { level: 6, mtime: DATE, os: 3, attrs: (executable ? 0o100755 : 0o100644) << 16 }
    ]
  }
  return zipSync(entries)
}
