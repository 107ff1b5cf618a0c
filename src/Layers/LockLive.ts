import { Effect, Either, Layer, Option, Schema } from "effect"
import { EngineConfig } from "../Config.ts"
import { retryFor } from "../Database/RetryPolicy.ts"
import * as Rpc from "../Database/Rpc.ts"
import { IdGenerator } from "../Domain/IdGenerator.ts"
import { Run } from "../Domain/Run.ts"
import { traced } from "../Domain/Tracing.ts"
import { Lock, type Skip } from "../Services/Lock.ts"
import { Supabase } from "../Services/Supabase.ts"

/** The time limit for retries of an unconfirmed claim, in milliseconds. Retries use the same token. */
const CLAIM_WITHIN_MS = 20_000

const decodeRun = Schema.decodeUnknownEither(Run)
const decodeId = Schema.decodeUnknownOption(Schema.Struct({ integration_id: Schema.String }))

const identify = (row: unknown, orgOf: ReadonlyMap<string, string>) => {
  const id = Option.match(decodeId(row), { onNone: () => "", onSome: (r) => r.integration_id })
  return { integration_id: id, org_id: orgOf.get(id) ?? "", scheduled_for: null }
}

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
        const claimed: Array<Run> = []
        const unreadable: Array<Skip> = []
        for (const row of answer.claimed) {
          // A claimed run whose row cannot be decoded stays pending.
          Either.match(decodeRun(row), {
            onLeft: () => unreadable.push({ ...identify(row, orgOf), reason: "unreadable" }),
            onRight: (run) => claimed.push(run)
          })
        }
        claimed.sort((a, b) => a.scheduled_for - b.scheduled_for)
        return {
          claimed,
          skipped: [
            ...unreadable,
            ...answer.skipped.map((skip) => ({
              org_id: orgOf.get(skip.integration_id) ?? "",
              ...skip
            }))
          ]
        }
      }, traced("Lock.claim"))
    })
  })
)
