import { Effect, Fiber, Runtime, type Scope } from "effect"
import type { Settings } from "../Config.ts"
import type { Summary } from "../Domain/Summary.ts"
import type { TickEvent } from "../Engine/TickContext.ts"
import type { Access } from "./Access.ts"
import { parseAddress } from "./Address.ts"
import { repeatAll } from "./Job.ts"
import { type ListenError, listen } from "./Listener.ts"
import { measuring } from "./Measuring.ts"
import { prewarming } from "./Prewarming.ts"
import { probing } from "./Probing.ts"
import { makeSite, type Site } from "./Site.ts"
import { ticking, watching } from "./Ticking.ts"
import { monotonicMs, Vitals } from "./Vitals.ts"

/** What `serve` is asked to do. */
export interface Options {
  readonly settings: Pick<Settings, "interval" | "leaseMargin" | "listen" | "drain">
  readonly access: Access
  readonly observe: (event: TickEvent) => Effect.Effect<void>
  readonly onSummary: (summary: Summary) => Effect.Effect<void>
  /** Ends when it is time to stop. */
  readonly stopping: Effect.Effect<void>
}

/**
 * Ticks, wakes functions and answers HTTP until it is told to stop; then nothing new is started, and what is in flight is
 * waited for, as long as the settings say. Answers whether all of it ended in time.
 *
 * *Fails with* ListenError, before the first tick. *Guarantees*: a database that is away, a tick that fails and a request
 * that breaks change nothing about the rest.
 */
export const serving = ({ access, observe, onSummary, settings, stopping }: Options) =>
  Effect.scoped(
    Effect.gen(function* () {
      const vitals = new Vitals(yield* monotonicMs, settings.interval, settings.leaseMargin)
      yield* answering(settings.listen, yield* makeSite({ vitals, access }))
      const jobs = repeatAll([
        ticking({ vitals, intervalMs: settings.interval, observe, onSummary }),
        prewarming(),
        measuring,
        probing(),
        watching(vitals)
      ])
      const working = yield* Effect.forkDaemon(jobs)
      yield* Effect.raceFirst(stopping, Fiber.join(working))
      vitals.isDraining = true
      return yield* drain(working, vitals, settings.drain)
    })
  )

const answering = (address: string, site: Site): Effect.Effect<void, ListenError, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Runtime.runPromise(yield* Effect.runtime<never>())
    const url = yield* listen(parseAddress(address), (request) => run(site(request)))
    yield* Effect.logInfo(`Listening on ${url}`)
  })

/** Stops the jobs and waits for what is in flight. Answers whether it all ended. */
const drain = (
  working: Fiber.RuntimeFiber<void>,
  vitals: Vitals,
  withinMs: number
): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    yield* Fiber.interruptFork(working)
    const ended = yield* Effect.timeoutOption(Fiber.await(working), withinMs)
    if (ended._tag === "Some") return true
    yield* Effect.logWarning(
      `${vitals.inFlight} runs were still in flight when the time to stop was over. ` +
        "Their leases end by themselves, and another engine then decides about them; none is lost."
    )
    return false
  })
