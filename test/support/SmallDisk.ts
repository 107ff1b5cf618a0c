import { spawnSync } from "node:child_process"
import { chownSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findAccount } from "./PostgresBinaries.ts"
import type { PostgresServer } from "./PostgresServer.ts"

export interface SmallDisk {
  /** Moves a database without sessions to this disk. The write-ahead log stays on the server's disk. */
  readonly take: (server: PostgresServer, database: string) => Promise<void>
  /** PostgreSQL then raises 53100 when a table has to grow. */
  readonly fill: () => void
  readonly free: () => void
  readonly remove: () => void
}

const MEGABYTES = 96

/** Returns undefined if mounting is impossible. Mounting requires Linux and root, and some containers forbid it. */
export const mountSmallDisk = (): SmallDisk | undefined => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined
  const place = mkdtempSync(join(tmpdir(), "sync-scheduler-disk-"))
  const options = `size=${MEGABYTES}m,mode=0755`
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", place])
  if (mounted.status !== 0) {
    rmSync(place, { recursive: true })
    return undefined
  }
  const { gid, uid } = findAccount()
  const directory = join(place, "data")
  mkdirSync(directory, { mode: 0o700 })
  if (uid !== undefined && gid !== undefined) chownSync(directory, uid, gid)
  const ballast = join(place, "ballast")
  return {
    take: async ({ admin }, database) => {
      await admin.unsafe(`create tablespace small location '${directory}'`)
      await admin.unsafe(`alter database ${database} set tablespace small`)
    },
    fill: () => {
      const file = openSync(ballast, "w")
      for (const size of [1 << 20, 1 << 12]) writeUntilFull(file, new Uint8Array(size))
      closeSync(file)
    },
    free: () => rmSync(ballast, { force: true }),
    remove: () => {
      spawnSync("umount", ["-l", place])
      rmSync(place, { recursive: true, force: true })
    }
  }
}

const writeUntilFull = (file: number, block: Uint8Array): void => {
  try {
    for (;;) writeSync(file, block)
  } catch {
    // The expected error is ENOSPC.
  }
}
