import { type Heartbeat, type Ledger, openLedger } from "./ledger.ts"
import { type Json, judgeError, judgeValue, type Verdict } from "./outcome.ts"
import { alarm, holdRun, type Ownership } from "./ownership.ts"
import { type ProjectOptions, readProject } from "./project.ts"
import { carriesKey, type Invocation, readInvocation } from "./request.ts"
import { platform, type Runtime } from "./runtime.ts"
import { allowsTrials, isTrial, trialLedger } from "./trial.ts"
import { toVendorField, type VendorReport } from "./vendor.ts"

export { fetchWithTimeout } from "./fetchWithTimeout.ts"
export {
  isRecord,
  type Json,
  SyncFailed,
  SyncNotExecuted,
  SyncOutcomeUnknown
} from "./outcome.ts"
export { readProject } from "./project.ts"
export { carriesKey } from "./request.ts"
export { type Runtime, readVariable } from "./runtime.ts"
export type { VendorReport } from "./vendor.ts"

/** One attempt at one slot, granted to this call only. */
export interface SyncContext {
  readonly run: {
    readonly id: string
    readonly orgId: string
    readonly integrationId: string
    readonly integrationType: string
    /** Starts at 1. In later attempts, look up the idempotency key: an earlier attempt might have done the work. */
    readonly attempt: number
    readonly trigger: string
  }
  /** The key that all attempts at this slot share. Pass it to the API that you write to, or look it up there first. */
  readonly idempotencyKey: string
  /** The slot's due time, even if the run starts late. */
  readonly scheduledFor: Date
  /** When the caller stops waiting or, after `defer`, when background work must end. */
  readonly deadline: Date
  /** The integration's own settings. */
  readonly config: Readonly<Record<string, unknown>>
  /** Aborts when the work must stop: shortly before the deadline, or when this attempt no longer owns the run. */
  readonly signal: AbortSignal
  /** Returns whether this attempt still owns the run. Call it immediately before an irreversible step. */
  readonly heartbeat: () => Promise<Heartbeat>
  /** Responds with 202 now. The handler continues in the background and reports its outcome at the end. */
  readonly defer: () => void
  /**
   * Reports the accounting API's response, from which the scheduler detects throttling and quotas. The last report counts. The
   * body of a `Response` is not read: pass what you have read as `body`.
   */
  readonly vendor: (answer: Response | VendorReport, body?: Json) => void
}

/** Performs the sync. The return value, up to 32 KiB of JSON, is recorded. A thrown error determines the outcome. */
export type SyncHandler = (context: SyncContext) => Promise<Json | undefined> | Promise<void>

export interface SyncRunOptions extends ProjectOptions {
  /** Whether to `defer` every request immediately. Default false. */
  readonly background?: boolean
  /** The interval between heartbeats. Default 20 s. */
  readonly heartbeatEveryMs?: number
  /** The time limit for a response. Default 145 s, because the platform ends a request after 150 s. */
  readonly answerWithinMs?: number
  /**
   * The time limit for a deferred run, measured from its request. Default 380 s, because hosted functions live for 400 s. On the
   * free plan, functions live for 150 s.
   */
  readonly backgroundForMs?: number
  /** The time limit for a database call. Default 8 s, which is also the statement timeout of the API. */
  readonly rpcTimeoutMs?: number
}

type Settings = Required<Omit<SyncRunOptions, keyof ProjectOptions>>

const settingsFrom = (options: SyncRunOptions): Settings => ({
  background: options.background ?? false,
  heartbeatEveryMs: options.heartbeatEveryMs ?? 20_000,
  answerWithinMs: options.answerWithinMs ?? 145_000,
  backgroundForMs: options.backgroundForMs ?? 380_000,
  rpcTimeoutMs: options.rpcTimeoutMs ?? 8_000
})

const beginWithinMs = 20_000
const reportWithinMs = 10_000
const reportLateWithinMs = 120_000

/**
 * The fence: runs a handler at most once per attempt, regardless of how often the function is called.
 *
 * The wrapper checks the caller's key and the body, and asks the database whether this attempt can begin. If not, it responds
 * with 409 `{"executed": false}` and never runs the handler. Otherwise, it sends heartbeats while the handler runs, records the
 * outcome with the lease token, and responds. `OPTIONS` is the scheduler's warm-up.
 *
 * Usage: `Deno.serve(withSyncRun(async ({ idempotencyKey, signal }) => { ... }))`. Responses: see `supabase/functions/README.md`.
 */
export const withSyncRun = (
  handler: SyncHandler,
  options: SyncRunOptions = {},
  runtime: Runtime = platform
): ((request: Request) => Promise<Response>) => {
  const settings = settingsFrom(options)
  return async (request: Request): Promise<Response> => {
    const contact = noteContact()
    const response =
      request.method === "OPTIONS"
        ? Response.json({ ready: true, ...contact })
        : await admit(request, handler, options, settings, runtime)
    response.headers.set("x-sync-cold", contact.cold ? "1" : "0")
    response.headers.set("x-sync-boot-ms", String(contact.boot_ms))
    return response
  }
}

const bootedAtMs = performance.now()
let firstContactMs: number | undefined

/** Returns whether this is the isolate's first request, and the time from its start to its first request. */
const noteContact = () => {
  const cold = firstContactMs === undefined
  firstContactMs ??= Math.round(performance.now() - bootedAtMs)
  return { cold, boot_ms: firstContactMs }
}

/** Checks a request before the handler runs. A refusal means that no work was done. */
const admit = async (
  request: Request,
  handler: SyncHandler,
  options: ProjectOptions,
  settings: Settings,
  runtime: Runtime
): Promise<Response> => {
  const arrivedAtMs = runtime.now()
  if (request.method !== "POST") {
    return refuse(405, "METHOD_NOT_ALLOWED", "Use POST", { allow: "POST, OPTIONS" })
  }
  const project = readProject(options)
  if (typeof project === "string") return refuse(500, "NOT_CONFIGURED", project)
  if (!(await carriesKey(request, project.callerKeys))) {
    return refuse(401, "WRONG_KEY", "Send a secret key of this project in the apikey header")
  }
  const invocation = await readInvocation(request)
  if ("status" in invocation) return refuse(invocation.status, invocation.code, invocation.message)

  const answerAtMs = Math.min(invocation.deadline.getTime(), arrivedAtMs + settings.answerWithinMs)
  const leftMs = answerAtMs - runtime.now()
  if (leftMs <= 0) return notExecuted("deadline_passed")
  if (isTrial(invocation) && !allowsTrials(project)) return notExecuted("trials_are_local")
  const ledger = isTrial(invocation)
    ? trialLedger
    : openLedger(project, invocation, settings.rpcTimeoutMs, runtime)
  const askedAtMs = runtime.now()
  const begin = await ledger.begin(Math.min(beginWithinMs, leftMs))
  if (begin.kind === "unconfirmed") return notExecuted(`begin_unconfirmed: ${begin.reason}`)
  if (begin.kind === "refused") return notExecuted(begin.reason)
  // If the permission arrives after `answerAtMs`, the handler must not run, because the response is "not executed".
  if (runtime.now() >= answerAtMs) return notExecuted("deadline_passed")

  const owner = holdRun(ledger, runtime, {
    everyMs: settings.heartbeatEveryMs,
    grantedAtMs: askedAtMs,
    stopAtMs: answerAtMs - Math.min(5_000, (answerAtMs - arrivedAtMs) / 10)
  })
  return work(handler, invocation, ledger, owner, runtime, {
    answerAtMs,
    deferredUntilMs: arrivedAtMs + settings.backgroundForMs,
    deferred: settings.background
  })
}

/** Responds when the handler ends or calls `defer`, or when the time is up. */
const work = (
  handler: SyncHandler,
  invocation: Invocation,
  ledger: Ledger,
  owner: Ownership,
  runtime: Runtime,
  times: { answerAtMs: number; deferredUntilMs: number; deferred: boolean }
): Promise<Response> => {
  const answered = deferred<Response>()
  let isAnswered = false
  let verdict: Verdict | undefined
  let reported: Json | undefined
  let deadlineMs = times.answerAtMs
  const answer = (response: Response) => {
    isAnswered = true
    timeUp.clear()
    answered.resolve(response)
  }
  const timeUp = alarm(runtime, () => {
    const late: Verdict = { kind: "unknown", reason: "The handler did not end before the deadline" }
    answer(toResponse(invocation, verdict ?? late, false, reported))
  })
  const defer = () => {
    if (isAnswered || verdict !== undefined) return
    deadlineMs = times.deferredUntilMs
    owner.stopAt(deadlineMs)
    answer(Response.json({ accepted: true, run_id: invocation.runId }, { status: 202 }))
  }
  const context: SyncContext = {
    ...makeContext(invocation, owner, defer),
    get deadline() {
      return new Date(deadlineMs)
    },
    vendor: (said, body) => {
      reported = toVendorField(said, body)
    }
  }
  const run = async () => {
    const said = await execute(handler, context)
    verdict = isAnswered ? withoutAnswer(said) : said
    const withinMs = isAnswered ? reportLateWithinMs : reportWithinMs
    const isReported = await report(ledger, verdict, withinMs)
    await owner.end()
    if (!isReported && isAnswered) logUnreported(invocation, verdict)
    answer(toResponse(invocation, verdict, isReported, reported))
  }

  timeUp.set(times.answerAtMs)
  if (times.deferred) defer()
  runtime.keepAlive(run())
  return answered.promise
}

/** A substitute for `Promise.withResolvers`, which Node.js lacks before version 22. */
const deferred = <A>() => {
  let resolve: (value: A) => void = () => undefined
  const promise = new Promise<A>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

const makeContext = (
  invocation: Invocation,
  owner: Ownership,
  defer: () => void
): Omit<SyncContext, "deadline" | "vendor"> => ({
  run: {
    id: invocation.runId,
    orgId: invocation.orgId,
    integrationId: invocation.integrationId,
    integrationType: invocation.integrationType,
    attempt: invocation.attempt,
    trigger: invocation.trigger
  },
  idempotencyKey: invocation.idempotencyKey,
  scheduledFor: invocation.scheduledFor,
  config: invocation.config,
  signal: owner.signal,
  heartbeat: owner.heartbeat,
  defer
})

const execute = async (handler: SyncHandler, context: SyncContext): Promise<Verdict> => {
  try {
    return judgeValue(await handler(context))
  } catch (error) {
    return judgeError(error, context.signal.aborted)
  }
}

/** After the response, "not executed" can no longer be reported, so the run fails. */
const withoutAnswer = (verdict: Verdict): Verdict =>
  verdict.kind === "notExecuted"
    ? { kind: "failed", error: { code: "NOT_EXECUTED", message: verdict.reason } }
    : verdict

const report = async (ledger: Ledger, verdict: Verdict, withinMs: number): Promise<boolean> => {
  switch (verdict.kind) {
    case "completed":
      return ledger.complete({ status: "completed", response: verdict.result }, withinMs)
    case "failed":
      return ledger.complete({ status: "failed", error: verdict.error }, withinMs)
    default:
      return false
  }
}

const toResponse = (
  invocation: Invocation,
  verdict: Verdict,
  isReported: boolean,
  vendor: Json | undefined
): Response => {
  const told: Record<string, Json> = vendor === undefined ? {} : { vendor }
  const trial = isTrial(invocation) ? { trial: true } : {}
  const ids = {
    run_id: invocation.runId,
    idempotency_key: invocation.idempotencyKey,
    ...trial,
    ...told
  }
  switch (verdict.kind) {
    case "completed":
      return Response.json({ success: true, ...ids, reported: isReported, result: verdict.result })
    case "failed": {
      const body = { success: false, ...ids, reported: isReported, error: verdict.error }
      return Response.json(body, { status: 500 })
    }
    case "notExecuted":
      return notExecuted(verdict.reason, verdict.retryAfterSeconds, told)
    case "unknown":
      // The scheduler could read a field named `success`, `status` or `error` as a definite failure.
      return Response.json({ outcome: "unknown", ...ids, reason: verdict.reason }, { status: 504 })
  }
}

const notExecuted = (
  reason: string,
  retryAfterSeconds?: number,
  told: Record<string, Json> = {}
): Response =>
  retryAfterSeconds === undefined
    ? Response.json({ executed: false, reason, ...told }, { status: 409 })
    : Response.json(
        { executed: false, reason, ...told },
        {
          status: 429,
          headers: { "retry-after": String(Math.max(0, Math.ceil(retryAfterSeconds))) }
        }
      )

const refuse = (
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {}
): Response => Response.json({ executed: false, error: { code, message } }, { status, headers })

/** The response was already sent, and the database did not record the outcome. */
const logUnreported = (invocation: Invocation, verdict: Verdict): void =>
  console.error(
    JSON.stringify({
      message: "The outcome was not reported, so the sync run will be recorded as unknown",
      run_id: invocation.runId,
      outcome: verdict.kind
    })
  )
