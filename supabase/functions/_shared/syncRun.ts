import { type Heartbeat, type Ledger, openLedger } from "./ledger.ts"
import { isRecord, type Json, judgeError, judgeValue, type Verdict } from "./outcome.ts"
import { alarm, holdRun, type Ownership } from "./ownership.ts"
import { type ProjectOptions, readProject } from "./project.ts"
import { carriesKey, type Invocation, readInvocation } from "./request.ts"
import { toVendorField, type VendorReport } from "./vendor.ts"

export { fetchWithTimeout } from "./fetchWithTimeout.ts"
export { type Json, SyncFailed, SyncNotExecuted, SyncOutcomeUnknown } from "./outcome.ts"
export type { VendorReport } from "./vendor.ts"

/** What a handler gets: one attempt at one slot, which the database has granted to it alone. */
export interface SyncContext {
  readonly run: {
    readonly id: string
    readonly orgId: string
    readonly integrationId: string
    readonly integrationType: string
    /** 1 for the first attempt. From 2 on, an earlier attempt may have done the work: the key tells. */
    readonly attempt: number
    readonly trigger: string
  }
  /** The same for every attempt at this slot: pass it to the API you write to, or look for it there first. */
  readonly idempotencyKey: string
  /** The slot: the instant the export is for, however late it runs. */
  readonly scheduledFor: Date
  /** When an answer is no longer waited for. Moves to the background's limit after `defer`. */
  readonly deadline: Date
  /** The integration's own settings. */
  readonly config: Readonly<Record<string, unknown>>
  /** Aborts when the work has to stop: shortly before the deadline, or when the run is no longer ours. */
  readonly signal: AbortSignal
  /** Asks the database, now, whether the run is still ours. Worth a call right before what cannot be undone. */
  readonly heartbeat: () => Promise<Heartbeat>
  /** Answers 202 now; the handler works on in the background and is reported when it ends. */
  readonly defer: () => void
  /**
   * Tells the scheduler what the accounting API answered: whether it throttles, for how long, what is left of its quota. Of several
   * reports the last counts. A `Response` is not consumed; hand over what was read of its body. Optional.
   */
  readonly vendor: (answer: Response | VendorReport, body?: Json) => void
}

/** Does the sync. What it returns (JSON, up to 32 KiB) is recorded as the result; what it throws says how it ended. */
export type SyncHandler = (context: SyncContext) => Promise<Json | undefined> | Promise<void>

export interface SyncRunOptions extends ProjectOptions {
  /** Answer 202 at once, always, as `defer` does. Default false. */
  readonly background?: boolean
  /** Between two heartbeats. Default 20 s. */
  readonly heartbeatEveryMs?: number
  /** The longest a caller waits for an answer, counted from the request. Default 145 s: the platform ends it at 150 s. */
  readonly answerWithinMs?: number
  /** The longest a deferred run works, counted from the request. Default 380 s: hosted functions live 400 s (150 s free). */
  readonly backgroundForMs?: number
  /** One call of the database. Default 8 s, the API's own statement timeout. */
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
 * The fence: makes a handler that runs at most once per granted attempt, whoever calls and however often.
 *
 * Checks the caller's key and the body, asks the database whether this attempt may begin (else answers 409
 * `{"executed": false}` and the handler never runs), keeps the run alive with heartbeats, reports the outcome by the
 * lease token, and answers the scheduler. `OPTIONS` is the scheduler's warm-up and touches nothing.
 *
 * Use: `Deno.serve(withSyncRun(async ({ idempotencyKey, signal }) => { ... }))`.
 * Answers: see `supabase/functions/README.md`.
 */
export const withSyncRun = (handler: SyncHandler, options: SyncRunOptions = {}) => {
  const settings = settingsFrom(options)
  return async (request: Request): Promise<Response> => {
    const contact = noteContact()
    const response =
      request.method === "OPTIONS"
        ? Response.json({ ready: true, ...contact })
        : await admit(request, handler, options, settings)
    response.headers.set("x-sync-cold", contact.cold ? "1" : "0")
    response.headers.set("x-sync-boot-ms", String(contact.boot_ms))
    return response
  }
}

const bootedAtMs = performance.now()
let firstContactMs: number | undefined

/** Whether this is the isolate's first request, and how long after its start the first one came. */
const noteContact = () => {
  const cold = firstContactMs === undefined
  firstContactMs ??= Math.round(performance.now() - bootedAtMs)
  return { cold, boot_ms: firstContactMs }
}

/** Everything before the handler: nothing has been done yet when one of these refusals is answered. */
const admit = async (
  request: Request,
  handler: SyncHandler,
  options: ProjectOptions,
  settings: Settings
): Promise<Response> => {
  const arrivedAtMs = Date.now()
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
  const leftMs = answerAtMs - Date.now()
  if (leftMs <= 0) return notExecuted("deadline_passed")
  const ledger = openLedger(project, invocation, settings.rpcTimeoutMs)
  const askedAtMs = Date.now()
  const begin = await ledger.begin(Math.min(beginWithinMs, leftMs))
  if (begin.kind === "unconfirmed") return notExecuted(`begin_unconfirmed: ${begin.reason}`)
  if (begin.kind === "refused") return notExecuted(begin.reason)
  // A grant that came too late is left unused: nothing was done, so saying so is still true.
  if (Date.now() >= answerAtMs) return notExecuted("deadline_passed")

  const owner = holdRun(ledger, {
    everyMs: settings.heartbeatEveryMs,
    grantedAtMs: askedAtMs,
    stopAtMs: answerAtMs - Math.min(5_000, (answerAtMs - arrivedAtMs) / 10)
  })
  return work(handler, invocation, ledger, owner, {
    answerAtMs,
    deferredUntilMs: arrivedAtMs + settings.backgroundForMs,
    deferred: settings.background
  })
}

/** Runs the handler, reports how it ended, and answers: when it ended, when it was deferred, or when time is up. */
const work = (
  handler: SyncHandler,
  invocation: Invocation,
  ledger: Ledger,
  owner: Ownership,
  times: { answerAtMs: number; deferredUntilMs: number; deferred: boolean }
): Promise<Response> => {
  const answered = Promise.withResolvers<Response>()
  let isAnswered = false
  let verdict: Verdict | undefined
  let reported: Json | undefined
  let deadlineMs = times.answerAtMs
  const answer = (response: Response) => {
    isAnswered = true
    timeUp.clear()
    answered.resolve(response)
  }
  const timeUp = alarm(() => {
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
  keepAlive(run())
  return answered.promise
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

/** Once the caller has its answer, "not executed" can no longer be told: it is then a certain failure. */
const withoutAnswer = (verdict: Verdict): Verdict =>
  verdict.kind === "notExecuted"
    ? { kind: "failed", error: { code: "NOT_EXECUTED", message: verdict.reason } }
    : verdict

/** Reports what is certain, and only that. */
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

/** The answer, in the words the scheduler judges by (DESIGN.md, section 5, "The answer"). */
const toResponse = (
  invocation: Invocation,
  verdict: Verdict,
  isReported: boolean,
  vendor: Json | undefined
): Response => {
  const told: Record<string, Json> = vendor === undefined ? {} : { vendor }
  const ids = { run_id: invocation.runId, idempotency_key: invocation.idempotencyKey, ...told }
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
      // Neither `success`, `status` nor `error`: any of them would make it a definite failure.
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

/** Keeps a hosted isolate alive until the work has ended, also when the caller has gone. */
const keepAlive = (work: Promise<void>): void => {
  const runtime: unknown = Reflect.get(globalThis, "EdgeRuntime")
  if (isRecord(runtime) && typeof runtime.waitUntil === "function") runtime.waitUntil(work)
}

/** The one case that nobody else would hear of: it ended after its answer, and the database was not told. */
const logUnreported = (invocation: Invocation, verdict: Verdict): void =>
  console.error(
    JSON.stringify({
      message: "sync run ended unreported: it will be recorded as unknown",
      run_id: invocation.runId,
      outcome: verdict.kind
    })
  )
