import { Database } from "bun:sqlite"
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { Effect, type Scope } from "effect"
import { SupabaseError } from "../Domain/Errors.ts"

/**
 * Reserves a data directory for this process until the scope closes. PGlite has no lock of its own, and two processes in the same
 * directory would silently lose rows.
 *
 * The lock is SQLite's reserved lock on the file `<directory>.lock`. The operating system releases the lock when the process
 * dies. Containers that share a volume see each other's lock.
 * *Fails with* SupabaseError (`Rejected`, `locked`) if another process holds the lock. The error contains the id of that process.
 */
export const lockDirectory = (directory: string): Effect.Effect<void, SupabaseError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: () => take(directory), catch: (error) => refusal(directory, error) }),
    (lock) => Effect.sync(() => lock.close())
  )

class Held extends Error {}

const take = (directory: string): Database => {
  mkdirSync(dirname(directory), { recursive: true })
  const lock = new Database(`${directory}.lock`, { create: true })
  try {
    lock.run("create table if not exists holder (pid integer not null)")
    lock.run("begin immediate")
    lock.run("delete from holder")
    lock.run("insert into holder values (?)", [process.pid])
    lock.run("commit")
    // Takes the lock. Other processes can still read this process's id from the file.
    lock.run("begin immediate")
    return lock
  } catch (error) {
    const isHeld = error instanceof Error && "code" in error && error.code === "SQLITE_BUSY"
    const reason = isHeld ? new Held(String(readHolder(lock))) : error
    lock.close()
    throw reason
  }
}

const readHolder = (lock: Database): unknown =>
  lock.query<{ pid: number }, []>("select pid from holder").get()?.pid ?? "unknown"

const refusal = (directory: string, error: unknown): SupabaseError =>
  new SupabaseError({
    operation: "open",
    reason: "Rejected",
    code: error instanceof Held ? "locked" : "configuration",
    detail:
      error instanceof Held
        ? `Another sync-scheduler (process ${error.message}) is using this demo directory: ${directory}`
        : `The demo directory ${directory} could not be locked: ${error instanceof Error ? error.message : String(error)}`
  })
