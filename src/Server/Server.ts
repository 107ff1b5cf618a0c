import { Effect, Fiber, Runtime, type Scope } from "effect"
import { type Settings, table } from "../Config.ts"
import type { Summary } from "../Domain/Summary.ts"
import type { TickEvent } from "../Engine/TickFrame.ts"
import type { Access } from "./Http/Access.ts"
import { parseAddress } from "./Http/Address.ts"
import { functionLogs } from "./Http/FunctionLogs.ts"
import { type HttpApp, makeHttpApp } from "./Http/HttpApp.ts"
import { type ListenError, listen } from "./Http/Listener.ts"
import { healthCheckJob, metricsJob } from "./MonitoringJobs.ts"
import { prewarmJob } from "./PrewarmJob.ts"
import { runAllForever } from "./RecurringJob.ts"
import { tickJob, watchdogJob } from "./TickJob.ts"
import { monotonicMs, Watchdog } from "./Watchdog.ts"

export interface Options {
  readonly settings: Pick<
    Settings,
    "interval" | "leaseMargin" | "listen" | "drain" | "supabaseUrl" | "functionName"
  >
  readonly access: Access
  readonly observe: (event: TickEvent) => Effect.Effect<void>
  readonly onSummary: (summary: Summary) => Effect.Effect<void>
  /** In a demo, adds `--demo` to the commands in a message, so that users can paste them. */
  readonly pasteable: (text: string) => string
  /** Completes when the server should stop. */
  readonly stopping: Effect.Effect<void>
}

/**
 * Ticks, warms up functions and serves HTTP until `stopping` completes. Then waits for the runs in progress, for at most the
 * shutdown timeout. Returns whether all runs ended in time.
 *
 * *Fails with* ListenError before the first tick. *Guarantees*: a failed tick, a failed request or an unreachable database does
 * not stop the server.
 */
export const serve = ({ access, observe, onSummary, pasteable, settings, stopping }: Options) =>
  Effect.scoped(
    Effect.gen(function* () {
      const watchdog = new Watchdog(yield* monotonicMs, settings.interval, settings.leaseMargin)
      const url = yield* answering(
        settings.listen,
        yield* makeHttpApp({ watchdog, access, logs: functionLogs(settings), pasteable })
      )
      yield* Effect.logInfo(startMessage(url, access))
      const jobs = runAllForever([
        tickJob({ watchdog, intervalMs: settings.interval, observe, onSummary }),
        prewarmJob(),
        metricsJob,
        healthCheckJob(),
        watchdogJob(watchdog)
      ])
      const working = yield* Effect.forkDaemon(jobs)
      yield* Effect.raceFirst(stopping, Fiber.join(working))
      watchdog.isDraining = true
      return yield* drain(working, watchdog, settings.drain)
    })
  )

const answering = (
  address: string,
  site: HttpApp
): Effect.Effect<string, ListenError, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Runtime.runPromise(yield* Effect.runtime<never>())
    const url = yield* listen(parseAddress(address), (request) => run(site(request)))
    yield* Effect.logInfo(`Listening on ${url}`)
    return url
  })

const startMessage = (url: string, { allowActions, isPublic, sessions }: Access): string => {
  const token = table.adminToken.key
  const signIn = `${url}/sign-in with the value of ${token}`
  if (sessions !== null && allowActions)
    return `Open ${url}. To perform actions, sign in at ${signIn}`
  const missing = [
    ...(allowActions ? [] : ["--allow-actions"]),
    ...(sessions === null ? [`${token}=$(openssl rand -hex 32)`] : [])
  ]
  return `${isPublic ? `Sign in at ${signIn}` : `Open ${url}`}. To perform actions, start serve with ${missing.join(" and ")}`
}

const drain = (
  working: Fiber.RuntimeFiber<void>,
  watchdog: Watchdog,
  withinMs: number
): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    yield* Fiber.interruptFork(working)
    const ended = yield* Effect.timeoutOption(Fiber.await(working), withinMs)
    if (ended._tag === "Some") return true
    yield* Effect.logWarning(
      `${watchdog.inFlight} runs were still in progress when the shutdown timeout passed. ` +
        "No run is lost: another engine takes over the runs when their leases end."
    )
    return false
  })
