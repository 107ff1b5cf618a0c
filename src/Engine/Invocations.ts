import { Array as Arr, Cause, Effect, Either } from "effect"
import { EngineConfig } from "../Config.ts"
import type { InvokeError } from "../Domain/Errors.ts"
import { type Outcome, ofError } from "../Domain/Outcome.ts"
import { type StartedRun, timeoutOf } from "../Domain/Run.ts"
import { Invoker } from "../Services/Invoker.ts"
import { elapsedMs, type Instants, now } from "./ClockReading.ts"
import type { AnsweredRun, ReadyRun } from "./QueueState.ts"
import { RunQueue } from "./RunQueue.ts"
import { runSpan } from "./RunSpans.ts"
import { TickFrame } from "./TickFrame.ts"
import { Functions } from "./WarmUp.ts"

/** The maximum time from a start to its invocation, in milliseconds. An engine that was frozen for longer sends nothing. */
const SEND_WITHIN_MS = 20_000

/** The outcome of a run that was started too long ago to be invoked. The run is started again immediately. */
export const staleStart: Outcome = {
  _tag: "NotExecuted",
  httpStatus: null,
  code: "ENGINE_FROZEN",
  message: "Too much time passed after the start, so the invocation was not sent.",
  retryAfterMs: 0
}

/** Runs `concurrency` workers. Each worker invokes one run after another. */
export const runInvokeLoop = Effect.gen(function* () {
  const { concurrency } = yield* EngineConfig
  yield* Effect.forEach(Arr.range(1, concurrency), () => worker, { concurrency, discard: true })
}).pipe(Effect.ensuring(Effect.flatMap(RunQueue, (queue) => queue.endInvoking)))

const worker = Effect.gen(function* () {
  const queue = yield* RunQueue
  const functions = yield* Functions
  const invoker = yield* Invoker
  const { skewMs } = yield* TickFrame
  const { invokeTimeoutMs } = yield* EngineConfig
  const invoke = (run: StartedRun, sent: Instants) => {
    const timeoutMs = timeoutOf(run, invokeTimeoutMs)
    // The function compares the deadline with its own clock, so the deadline uses the database's clock, not this machine's.
    const deadline = Math.round(sent.wall - skewMs + timeoutMs)
    return Effect.suspend(() =>
      invoker.invoke({ run, functionName: run.function_name, deadline, timeoutMs })
    )
  }
  for (;;) {
    const [ready] = yield* queue.takeInvocable
    if (ready === undefined) return
    const sent = yield* now
    if (elapsedMs(ready.requested, sent) > SEND_WITHIN_MS) {
      yield* queue.answer(yield* notSent(ready))
      continue
    }
    const { run } = ready
    const span = yield* runSpan(run)
    const outcome = yield* span.inside(Effect.catchAllCause(invoke(run, sent), ofCause))
    functions.observe(run.function_name, outcome)
    yield* queue.answer({ ...ready, outcome, sent, answered: yield* now, span })
  }
})

/** Converts errors and defects to outcomes. */
const ofCause = (cause: Cause.Cause<InvokeError>) =>
  Effect.succeed(
    Either.match(Cause.failureOrCause(cause), {
      onLeft: ofError,
      onRight: (defect): Outcome => ({
        _tag: "Unknown",
        httpStatus: null,
        code: "ENGINE_DEFECT",
        message: `The invocation failed because of a bug in the engine: ${defect}`
      })
    })
  )

/** Returns the answer for a started run that was not invoked. */
export const notSent = (ready: ReadyRun) =>
  Effect.gen(function* () {
    const at = yield* now
    const span = yield* runSpan(ready.run)
    return { ...ready, outcome: staleStart, sent: at, answered: at, span } satisfies AnsweredRun
  })
