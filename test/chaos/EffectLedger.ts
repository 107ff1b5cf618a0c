import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { serveHttp } from "../support/HttpServer.ts"

/** A repeated effect gets a second entry, because the ledger does not deduplicate by key. */
export interface Effect {
  readonly key: string
  readonly run_id: string
  readonly attempt: number
}

/** A stage of a function's work: `called`, `begun` or `worked`. */
export interface Gate {
  readonly name: string
  readonly runId: string
}

/** The functions' record of effects: an append-only file behind HTTP, independent of the scheduler. */
export interface EffectLedger {
  readonly url: string
  readonly read: () => ReadonlyArray<Effect>
  readonly close: () => Promise<void>
}

/** Starts the ledger. If `hold` returns a promise, the function waits for it at the gate. */
export const startEffectLedger = async (
  hold: (gate: Gate) => Promise<unknown> | undefined
): Promise<EffectLedger> => {
  const directory = mkdtempSync(join(tmpdir(), "sync-scheduler-effects-"))
  const file = join(directory, "effects.jsonl")
  const server = await serveHttp(async (request) => {
    const { pathname } = new URL(request.url)
    const text = await request.text()
    if (pathname === "/effects") appendFileSync(file, `${text}\n`)
    if (pathname.startsWith("/gates/")) {
      await hold({ name: pathname.slice(7), runId: String(JSON.parse(text).run_id) })
    }
    return new Response("noted")
  })
  return {
    url: server.url,
    read: () => readLines(file).map(toEffect),
    close: async () => {
      await server.close()
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

const readLines = (file: string): ReadonlyArray<string> => {
  appendFileSync(file, "")
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
}

const toEffect = (line: string): Effect => {
  const { key, run_id, attempt } = JSON.parse(line)
  return { key: String(key), run_id: String(run_id), attempt: Number(attempt) }
}
