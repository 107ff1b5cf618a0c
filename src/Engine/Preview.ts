import { Effect } from "effect"
import { EngineConfig } from "../Config.ts"
import { decide } from "../Domain/CatchUp.ts"
import type { PassedOver } from "../Domain/Integration.ts"
import type { Trigger } from "../Domain/Run.ts"
import type { TickError } from "../Domain/Summary.ts"
import { unreadableError } from "../Domain/Tally.ts"
import { type DuePage, Ledger, type Scope } from "../Services/Ledger.ts"
import { checkSchema, schemaError } from "./SchemaCheck.ts"

/** A slot that a tick would claim now, or a run that waits and would be started. */
export interface PlannedRun {
  readonly org_id: string
  readonly integration_id: string
  readonly integration_type: string
  readonly scheduled_for: number
  readonly trigger: Trigger
  readonly passed_over: PassedOver | null
  /** The attempts so far of a run that waits; null for a slot that has no run yet. */
  readonly attempt: number | null
}

/** What a tick would do now, by the database clock; at most `limit` slots. */
export interface Plan {
  readonly now: number
  readonly due: ReadonlyArray<PlannedRun>
  readonly errors: ReadonlyArray<TickError>
}

/** What `run --dry-run` shows: the decisions of a tick, read but not carried out. Writes nothing, never fails. */
export const preview = (options: {
  readonly scope?: Scope
  readonly limit?: number | undefined
}): Effect.Effect<Plan, never, Ledger | EngineConfig> =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const settings = yield* EngineConfig
    const limit = options.limit ?? Number.POSITIVE_INFINITY
    const due: Array<PlannedRun> = []
    const errors: Array<TickError> = []
    yield* checkSchema((yield* ledger.readSchema).version)
    for (const run of yield* ledger.readPending(options.scope ?? {}, [])) {
      if (due.length < limit) due.push({ ...run, passed_over: null })
    }
    let now = 0
    let cursor: string | null = null
    do {
      const page: DuePage = yield* ledger.readDue(cursor, options.scope ?? {}, 100)
      errors.push(...page.unreadable.map(unreadableError))
      for (const integration of page.due) {
        const slot = decide(integration, page.now, settings)
        if (slot.schedule_error !== null) {
          errors.push({
            code: "SCHEDULE_INVALID",
            message: `Integration ${slot.integration_id}: ${slot.schedule_error}`,
            hint: "Correct sync_schedule or timezone of this row."
          })
        } else if (slot.scheduled_for !== null && due.length < limit) {
          due.push({
            org_id: slot.org_id,
            integration_id: slot.integration_id,
            integration_type: integration.integration_type,
            scheduled_for: slot.scheduled_for,
            trigger: slot.trigger,
            passed_over: slot.passed_over,
            attempt: null
          })
        }
      }
      now = page.now
      cursor = page.cursor
    } while (cursor !== null && due.length < limit)
    return { now, due, errors }
  }).pipe(
    Effect.catchAll((error) => Effect.succeed({ now: 0, due: [], errors: [schemaError(error)] }))
  )
