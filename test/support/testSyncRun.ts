import { judge } from "../../src/Domain/Outcome.ts"
import { runVerdictOf } from "../../src/Domain/RunVerdict.ts"
import {
  type Json,
  type SyncHandler,
  type SyncRunOptions,
  withSyncRun
} from "../../supabase/functions/_shared/syncRun.ts"
import { makeManualClock } from "./ManualClock.ts"

export interface SyncRunTest {
  readonly config?: Readonly<Record<string, unknown>>
  readonly integrationType?: string
  /** 1 by default. From attempt 2 on, an earlier attempt might have done the work. */
  readonly attempt?: number
  readonly maxAttempts?: number
  readonly trigger?: string
  /** The slot's time; by default a minute before `now`. */
  readonly scheduledFor?: Date
  /** The initial time; by default the real time. Only `advance` moves the clock. */
  readonly now?: Date
  /** How long the scheduler waits for the response, in ms; 155 s by default. */
  readonly deadlineMs?: number
  readonly onUnknown?: "retry" | "hold"
  /** The reason with which the database refuses the run, such as `already_begun`. If set, the handler must not run. */
  readonly refused?: string
  /** The `background` option and the intervals of `withSyncRun`. */
  readonly options?: Omit<SyncRunOptions, "keys" | "supabase">
  readonly during?: (run: RunningSyncRun) => Promise<void> | void
}

/** Controls for a run while its handler is running. */
export interface RunningSyncRun {
  /** Advances the clock, which can send heartbeats and brings the deadline closer. */
  readonly advance: (ms: number) => Promise<void>
  /** Lets another attempt take over the run: the next heartbeat reports that the run is lost. */
  readonly loseRun: () => void
  readonly setDatabase: (state: "up" | "down") => void
  /** Simulates the platform shutting down the isolate. */
  readonly shutDown: () => void
}

export interface SyncRunResult {
  readonly status: "completed" | "failed" | "unknown" | "pending" | "running"
  /** Whether the scheduler retries the run automatically. */
  readonly isRetried: boolean
  /** A sentence that states the status and whether the run is retried. */
  readonly sentence: string
  readonly answer: { readonly status: number; readonly body: unknown }
  /** The engine's verdict on the response alone. */
  readonly judged: {
    readonly outcome: string
    readonly code: string | null
    readonly message: string | null
  }
  readonly ran: boolean
  /** Null if the function reported neither an error nor a result to the database. */
  readonly error: { readonly code: string; readonly message: string } | null
  readonly result: Json
  readonly heartbeats: number
}

const KEY = "sb_secret_test"

/** Runs a handler once, behind the real fence, without a database or network: `await testSyncRun(handler, { config })`. */
export const testSyncRun = async (
  handler: SyncHandler,
  test: SyncRunTest = {}
): Promise<SyncRunResult> => {
  const clock = makeManualClock((test.now ?? new Date()).getTime())
  const ledger = makeLedger(test.refused)
  const shutdown = new Set<() => void>()
  let work: Promise<void> = Promise.resolve()
  let ran = false
  const observed: SyncHandler = (context) => {
    ran = true
    return handler(context)
  }
  const serve = withSyncRun(
    observed,
    { ...test.options, supabase: { url: "http://ledger.test", key: KEY } },
    {
      now: clock.now,
      after: clock.after,
      fetch: ledger.fetch,
      keepAlive: (promise) => {
        work = promise
      },
      onShutdown: (callback) => {
        shutdown.add(callback)
        return () => shutdown.delete(callback)
      }
    }
  )
  const answering = serve(requestOf(test, clock.now()))
  await test.during?.({
    advance: clock.advance,
    loseRun: ledger.lose,
    setDatabase: ledger.set,
    shutDown: () => {
      for (const callback of shutdown) callback()
    }
  })
  // The fence retries its report while the database is unavailable. The retries end only when the clock reaches a time limit.
  let isAnswered = false
  const answered = answering.finally(() => {
    isAnswered = true
  })
  while (!isAnswered && ledger.isDown()) await clock.advance(1_000)
  const response = await answered
  const body = await response.text()
  await work
  const { began, heartbeats, reported } = ledger.state()
  const outcome = judge(
    { status: response.status, headers: response.headers, body, truncated: false },
    clock.now()
  )
  const verdict = runVerdictOf(outcome, {
    began,
    reported: reported?.status ?? null,
    onUnknown: test.onUnknown ?? "retry",
    attempt: test.attempt ?? 1,
    maxAttempts: test.maxAttempts ?? 3
  })
  return {
    ...verdict,
    // If the background work of a run has ended without a report, the run becomes unknown when its lease ends.
    ...(verdict.status === "running" ? { status: "unknown" as const } : {}),
    answer: { status: response.status, body: JSON.parse(body) },
    judged: {
      outcome: outcome._tag,
      code: "code" in outcome ? outcome.code : null,
      message: "message" in outcome ? outcome.message : null
    },
    ran,
    error: reported?.error ?? null,
    result: reported?.response ?? null,
    heartbeats
  }
}

const requestOf = (test: SyncRunTest, nowMs: number): Request => {
  const integrationId = crypto.randomUUID()
  const slot = (test.scheduledFor ?? new Date(nowMs - 60_000)).toISOString()
  return new Request("http://function.test/", {
    method: "POST",
    headers: { apikey: KEY, "content-type": "application/json" },
    body: JSON.stringify({
      run_id: crypto.randomUUID(),
      org_id: crypto.randomUUID(),
      integration_id: integrationId,
      integration_type: test.integrationType ?? "test",
      scheduled_for: slot,
      attempt: test.attempt ?? 1,
      idempotency_key: `${integrationId}:${slot}`,
      trigger: test.trigger ?? "schedule",
      lease_token: crypto.randomUUID(),
      deadline: new Date(nowMs + (test.deadlineMs ?? 155_000)).toISOString(),
      config: test.config ?? {}
    })
  })
}

interface Reported {
  readonly status: "completed" | "failed"
  readonly error: { readonly code: string; readonly message: string } | null
  readonly response: Json
}

const makeLedger = (refused: string | undefined) => {
  let began = false
  let isLost = false
  let isDown = false
  let heartbeats = 0
  let reported: Reported | undefined
  const answer = (name: string, args: Record<string, unknown>) => {
    switch (name) {
      case "begin_sync_run":
        if (refused !== undefined) return { granted: false, reason: refused }
        began = true
        return { granted: true }
      case "heartbeat_sync_run":
        heartbeats++
        return { accepted: !isLost }
      default:
        if (!isLost) reported = reportOf(args)
        return { accepted: !isLost }
    }
  }
  return {
    isDown: () => isDown,
    state: () => ({ began, heartbeats, reported }),
    lose: () => {
      isLost = true
    },
    set: (state: "up" | "down") => {
      isDown = state === "down"
    },
    fetch: (url: string, init: RequestInit): Promise<Response> => {
      if (isDown) return Promise.reject(new TypeError("the database does not answer"))
      const args: Record<string, unknown> = JSON.parse(String(init.body))
      return Promise.resolve(Response.json(answer(url.split("/").at(-1) ?? "", args)))
    }
  }
}

const reportOf = (args: Record<string, unknown>): Reported => {
  const { p_error: error, p_response: response = null, p_status: status } = args
  const { code, message } = Object(error)
  return {
    status: status === "completed" ? "completed" : "failed",
    error: status === "completed" ? null : { code: String(code), message: String(message) },
    response: JSON.parse(JSON.stringify(response))
  }
}
