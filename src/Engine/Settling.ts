import { Effect, Random } from "effect"
import { signOf } from "../Domain/HealthSign.ts"
import type { Outcome } from "../Domain/Outcome.ts"
import { retryDelay } from "../Domain/Retry.ts"
import { outcomeName, type Settlement } from "../Domain/Rpc.ts"
import type { StartedRun } from "../Domain/Run.ts"
import { storable, storableText } from "../Domain/Storable.ts"
import type { TickContext } from "./TickContext.ts"

/** Too late to be sent: nothing happened, and the run is started again at once. */
export const frozen: Outcome = {
  _tag: "NotExecuted",
  httpStatus: null,
  code: "ENGINE_FROZEN",
  message: "Too much time passed after the start, so the invocation was not sent.",
  retryAfterMs: 0
}

/** An outcome as the database is told it, with what it says about the accounting API. */
export const settlementOf = (
  run: StartedRun,
  outcome: Outcome,
  { clock, settings }: TickContext
): Effect.Effect<Settlement> =>
  Effect.map(outcome._tag === "NotExecuted" ? Random.next : Effect.succeed(0), (random) => {
    const health = signOf(run, outcome, clock.unsafeCurrentTimeMillis())
    return {
      run_id: run.run_id,
      lease_token: run.lease_token,
      outcome: outcomeName[outcome._tag],
      http_status: outcome.httpStatus,
      error_code: "code" in outcome ? storableText(outcome.code, 200) : null,
      error_message: "message" in outcome ? storableText(outcome.message, 2048) : null,
      response: "response" in outcome ? storable(outcome.response) : null,
      retry_in_ms:
        outcome._tag !== "NotExecuted"
          ? null
          : outcome === frozen
            ? 0
            : retryDelay({
                attempt: run.attempt,
                retryAfterMs: outcome.retryAfterMs,
                random,
                baseMs: settings.retryBaseMs,
                capMs: settings.retryCapMs
              }),
      lease_seconds: outcome._tag === "Accepted" ? settings.runningGuardMs / 1000 : null,
      ...(health === null ? {} : { health })
    }
  })
