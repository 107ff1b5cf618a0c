import { Effect, Schema } from "effect"
import { readAudit } from "../Database/HistoryRpc.ts"
import { retryFor } from "../Database/RetryPolicy.ts"
import {
  Audited,
  type AuditVerdict,
  audit,
  type Hole,
  type UnreadableHistory
} from "../Domain/AuditReport.ts"
import { SupabaseError } from "../Domain/Errors.ts"
import type { Scope } from "../Services/Ledger.ts"
import { Supabase } from "../Services/Supabase.ts"

/** The number of slots and ranges in one page. A page is about 300 KB and takes about 50 ms to read. */
const PAGE = 20_000
/** How long to keep retrying a failed page read before the audit fails, in milliseconds. */
const READ_WITHIN_MS = 10_000
const MAX_HOLES = 10_000

/** The window, in epoch milliseconds. `to` is exclusive and defaults to the current time. */
export interface AuditOptions {
  readonly from: number
  readonly to?: number | undefined
  readonly scope?: Scope
  readonly observe?: (integrations: number) => void
}

/** The result of auditing [from, to). `from` is never before `kept_from`, because older rows might have been deleted. */
export interface AuditReport extends AuditVerdict {
  readonly now: number
  readonly kept_from: number
  readonly from: number
  readonly to: number
  readonly integrations: number
  readonly holes_truncated: boolean
}

/** The fields that every page repeats. */
export type AuditFrame = Pick<AuditReport, "now" | "kept_from" | "from" | "to">

const decodeAudited = Schema.decodeUnknown(Audited)

/** Passes the records of a window's slots to `onPart`, one integration at a time, possibly in several parts. Writes nothing. */
export const readRecord = (
  { from, scope = {}, to }: AuditOptions,
  onPart: (part: Audited) => void
): Effect.Effect<AuditFrame, SupabaseError, Supabase> =>
  Effect.gen(function* () {
    const supabase = yield* Supabase
    let frame: AuditFrame | undefined
    let cursor: string | null = null
    do {
      const at: string | null = cursor
      const page: typeof readAudit.result.Type = yield* supabase
        .call(readAudit, {
          p_from: frame?.from ?? from,
          p_to: frame?.to ?? to,
          p_cursor: at ?? undefined,
          p_limit: PAGE,
          p_org_id: scope.orgId,
          p_integration_ids: scope.integrationIds
        })
        .pipe(retryFor(READ_WITHIN_MS))
      frame ??= page
      for (const row of page.integrations) {
        onPart(yield* Effect.mapError(decodeAudited(row), (error) => malformed(error.message)))
      }
      if (page.cursor !== null && page.cursor === at) {
        return yield* Effect.fail(malformed("the cursor does not advance"))
      }
      cursor = page.cursor
    } while (cursor !== null)
    return frame
  }).pipe(Effect.withSpan("Engine.readRecord"))

const malformed = (detail: string) =>
  new SupabaseError({
    operation: readAudit.name,
    reason: "Malformed",
    code: "unexpected_answer",
    detail: detail.slice(0, 500)
  })

/**
 * Recomputes a window's slots from the history of every schedule. Reports the slots that have neither a row nor a skipped range.
 * Includes deleted integrations. Writes nothing. *Fails with* SupabaseError if any record cannot be read.
 */
export const auditRecord = (
  options: AuditOptions
): Effect.Effect<AuditReport, SupabaseError, Supabase> =>
  Effect.gen(function* () {
    const tally = { slots: 0, recorded: 0, skipped_slots: 0, open: 0, missing: 0 }
    const holes: Array<Hole> = []
    const unreadable: Array<UnreadableHistory> = []
    let integrations = 0
    let found = 0
    let last = ""
    const frame = yield* readRecord(options, (part) => {
      if (part.integration_id !== last) integrations += 1
      last = part.integration_id
      const verdict = audit(part)
      tally.slots += verdict.slots
      tally.recorded += verdict.recorded
      tally.skipped_slots += verdict.skipped_slots
      tally.open += verdict.open
      tally.missing += verdict.missing
      found += verdict.holes.length
      holes.push(...verdict.holes.slice(0, MAX_HOLES - holes.length))
      for (const one of verdict.unreadable) join(unreadable, one)
      options.observe?.(integrations)
    })
    holes.sort((a, b) => a.from - b.from)
    return {
      now: frame.now,
      kept_from: frame.kept_from,
      from: frame.from,
      to: frame.to,
      integrations,
      ...tally,
      holes,
      holes_truncated: found > holes.length,
      unreadable
    }
  }).pipe(Effect.withSpan("Engine.audit"))

/** Appends a period, or extends the last period if the new period continues it. */
const join = (list: Array<UnreadableHistory>, one: UnreadableHistory): void => {
  const before = list.at(-1)
  if (before?.integration_id === one.integration_id && before.to === one.from) {
    list[list.length - 1] = { ...before, to: one.to }
  } else if (list.length < MAX_HOLES) list.push(one)
}
