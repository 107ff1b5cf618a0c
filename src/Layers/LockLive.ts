import { Effect, Layer, Schema } from "effect"
import { EngineConfig } from "../Config.ts"
import { readRows } from "../Database/ReadRows.ts"
import { retryFor } from "../Database/RetryPolicy.ts"
import * as Rpc from "../Database/Rpc.ts"
import { IdGenerator } from "../Domain/IdGenerator.ts"
import { Run } from "../Domain/Run.ts"
import { traced } from "../Domain/Tracing.ts"
import { Lock } from "../Services/Lock.ts"
import { Supabase } from "../Services/Supabase.ts"

/** The time limit for retries of an unconfirmed claim, in milliseconds. Retries use the same token. */
const CLAIM_WITHIN_MS = 20_000

const decodeRun = Schema.decodeUnknownEither(Run)

/** Calls `claim_sync_runs`, which takes the advisory lock, inserts the run and advances the schedule in one transaction. */
export const layer: Layer.Layer<Lock, never, Supabase | EngineConfig> = Layer.effect(
  Lock,
  Effect.gen(function* () {
    const supabase = yield* Supabase
    const { engineId } = yield* EngineConfig
    return Lock.of({
      claim: Effect.fnUntraced(function* (slots) {
        const token = (yield* IdGenerator).next()
        const answer = yield* supabase
          .call(Rpc.claimRuns, { p_engine_id: engineId, p_claim_token: token, p_slots: slots })
          .pipe(retryFor(CLAIM_WITHIN_MS))
        const orgOf = new Map(slots.map((slot) => [slot.integration_id, slot.org_id]))
        // A claimed run whose row cannot be decoded stays pending.
        const { readable, unreadable } = readRows(answer.claimed, decodeRun)
        const skipped = [
          ...unreadable.map(({ id }) => ({
            integration_id: id,
            scheduled_for: null,
            reason: "unreadable"
          })),
          ...answer.skipped
        ]
        return {
          claimed: readable.toSorted((a, b) => a.scheduled_for - b.scheduled_for),
          skipped: skipped.map((skip) => ({
            org_id: orgOf.get(skip.integration_id) ?? "",
            ...skip
          }))
        }
      }, traced("Lock.claim"))
    })
  })
)
