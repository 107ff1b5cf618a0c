import { Effect } from "effect"
import { EngineConfig } from "../Config.ts"
import { decideCatchUp } from "../Domain/CatchUp.ts"
import type { SkippedRange } from "../Domain/Integration.ts"
import type { Trigger } from "../Domain/Run.ts"
import type { TickError } from "../Domain/Summary.ts"
import { type DuePage, Ledger, type Scope } from "../Services/Ledger.ts"
import { checkSchema, openError } from "./SchemaCheck.ts"
import { invalidSchedule, unreadableError } from "./SummaryBuilder.ts"

/** A slot that a tick would claim, or a waiting run that a tick would start. */
export interface PlannedRun {
  readonly org_id: string
  readonly integration_id: string
  readonly integration_type: string
  readonly scheduled_for: number
  readonly trigger: Trigger
  readonly skipped_range: SkippedRange | null
  /** The number of attempts so far; null for a slot without a run. */
  readonly attempt: number | null
}

/** The runs that a tick would start at `now`, the database's current time. At most `limit` runs are listed. */
export interface DryRun {
  readonly now: number
  readonly due: ReadonlyArray<PlannedRun>
  readonly errors: ReadonlyArray<TickError>
}

/** Makes a tick's decisions without acting on them. Writes nothing and never fails. */
export const dryRun = (options: {
  readonly scope?: Scope
  readonly limit?: number | undefined
}): Effect.Effect<DryRun, never, Ledger | EngineConfig> =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const settings = yield* EngineConfig
    const limit = options.limit ?? Number.POSITIVE_INFINITY
    const due: Array<PlannedRun> = []
    const errors: Array<TickError> = []
    yield* checkSchema((yield* ledger.readSchema).version)
    for (const run of yield* ledger.readPending(options.scope ?? {})) {
      if (due.length < limit) due.push({ ...run, skipped_range: null })
    }
    let now = 0
    let cursor: string | null = null
    do {
      const page: DuePage = yield* ledger.readDue(cursor, options.scope ?? {})
      errors.push(...page.unreadable.map(unreadableError))
      for (const integration of page.due) {
        const slot = decideCatchUp(integration, page.now, settings)
        if (slot.schedule_error !== null) {
          errors.push(invalidSchedule(slot.integration_id, slot.schedule_error))
        } else if (slot.scheduled_for !== null && due.length < limit) {
          due.push({
            org_id: slot.org_id,
            integration_id: slot.integration_id,
            integration_type: integration.integration_type,
            scheduled_for: slot.scheduled_for,
            trigger: slot.trigger,
            skipped_range: slot.skipped_range,
            attempt: null
          })
        }
      }
      now = page.now
      cursor = page.cursor
    } while (cursor !== null && due.length < limit)
    return { now, due, errors }
  }).pipe(
    Effect.catchAll((error) =>
      Effect.map(openError(error), (shown) => ({ now: 0, due: [], errors: [shown] }))
    )
  )
