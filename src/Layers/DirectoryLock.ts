import { Database } from "bun:sqlite"
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { Effect, type Scope } from "effect"
import { SupabaseError } from "../Domain/Errors.ts"

/**
 * Keeps a data directory to this process for as long as the scope lives: PGlite has no lock of its own, and two
 * processes in one directory lose rows silently.
 *
 * The lock is SQLite's reserved lock on `<directory>.lock`: the operating system gives it back when its holder dies,
 * however it dies, so there is no stale lock, no guess by process id, and containers that share a volume see each
 * other. *Fails with* SupabaseError (`Rejected`, `locked`), which names the holder.
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
    // Held from here on. The holder stays readable to whoever is turned away.
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
        ? `${directory} is in use by process ${error.message}; stop it, or use another directory`
        : `${directory} cannot be locked: ${error instanceof Error ? error.message : String(error)}`
  })
