import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A wall clock for processes that have `variables` in their environment. Their monotonic clock stays correct. */
export interface FakeClock {
  readonly variables: Readonly<Record<string, string>>
  /** Sets the clock to the true time plus `seconds`, including in running processes. */
  readonly set: (seconds: number) => void
  readonly remove: () => void
}

/** The multithreaded variant of the library in Debian's `faketime` package. */
const LIBRARY = ["x86_64", "aarch64"]
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find(existsSync)

export const makeFakeClock = (): FakeClock | undefined => {
  if (LIBRARY === undefined) return undefined
  const place = mkdtempSync(join(tmpdir(), "sync-scheduler-clock-"))
  const file = join(place, "offset")
  const set = (seconds: number) => {
    // The file is replaced atomically, so a reader never sees a partial number.
    writeFileSync(`${file}.new`, `${seconds < 0 ? "" : "+"}${seconds}\n`, { mode: 0o644 })
    renameSync(`${file}.new`, file)
  }
  set(0)
  return {
    variables: {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DISABLE_SHM: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1"
    },
    set,
    remove: () => rmSync(place, { recursive: true, force: true })
  }
}
