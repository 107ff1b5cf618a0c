import { isRecord, type Json, messageOf } from "./outcome.ts"
import type { Project } from "./project.ts"
import { parseJson, readText } from "./request.ts"
import type { Runtime } from "./runtime.ts"

/** The database calls of one run, each guarded by the run's lease token. */
export interface Ledger {
  /**
   * Asks the database for permission to begin, which is granted once per lease token. If the response is lost, repeats the call
   * with the same nonce. `unconfirmed`: no response within `withinMs`.
   */
  readonly begin: (withinMs: number) => Promise<Begin>
  readonly heartbeat: () => Promise<Heartbeat>
  /** Records the outcome, repeating the call until a response arrives. Resolves to whether the database accepted it. */
  readonly complete: (report: Report, withinMs: number) => Promise<boolean>
}

export type Begin =
  | { readonly kind: "granted" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "unconfirmed"; readonly reason: string }

/** `lost`: the run no longer belongs to this attempt. `unconfirmed`: the database did not respond. */
export type Heartbeat = "owned" | "lost" | "unconfirmed"

export type Report =
  | { readonly status: "completed"; readonly response: Json }
  | {
      readonly status: "failed"
      readonly error: { readonly code: string; readonly message: string }
    }

/** A `lost` call might have been executed; a `rejected` call was not. */
type Answer =
  | { readonly kind: "answered"; readonly value: Record<string, unknown> }
  | { readonly kind: "rejected"; readonly detail: string }
  | { readonly kind: "lost"; readonly detail: string }

const maxAnswerBytes = 64 * 1024

/**
 * Opens the ledger of one run over PostgREST. Redirects are not followed, because a redirect would send the secret key elsewhere.
 */
export const openLedger = (
  project: Project,
  run: { readonly runId: string; readonly leaseToken: string },
  rpcTimeoutMs: number,
  runtime: Runtime
): Ledger => {
  const owner = { p_run_id: run.runId, p_lease_token: run.leaseToken }
  const call = (name: string, args: Record<string, unknown>, timeoutMs = rpcTimeoutMs) =>
    callRpc(runtime, project, name, { ...owner, ...args }, timeoutMs)
  return {
    begin: async (withinMs) => {
      const nonce = crypto.randomUUID()
      const answer = await repeatWhileLost(runtime, withinMs, rpcTimeoutMs, async (timeoutMs) => {
        const answer = await call("begin_sync_run", { p_nonce: nonce }, timeoutMs)
        return expecting(answer, "granted")
      })
      if (answer.kind !== "answered") {
        return { kind: answer.kind === "lost" ? "unconfirmed" : "refused", reason: answer.detail }
      }
      if (answer.value.granted === true) return { kind: "granted" }
      const { reason } = answer.value
      return { kind: "refused", reason: typeof reason === "string" ? reason : "not granted" }
    },
    heartbeat: async () => {
      const answer = expecting(await call("heartbeat_sync_run", {}), "accepted")
      if (answer.kind !== "answered") return "unconfirmed"
      return answer.value.accepted === true ? "owned" : "lost"
    },
    complete: async (report, withinMs) => {
      const args =
        report.status === "completed" ? { p_response: report.response } : { p_error: report.error }
      const answer = await repeatWhileLost(runtime, withinMs, rpcTimeoutMs, async (timeoutMs) => {
        const all = { p_status: report.status, ...args }
        return expecting(await call("complete_sync_run", all, timeoutMs), "accepted")
      })
      return answer.kind === "answered" && answer.value.accepted === true
    }
  }
}

/** Treats a response without a boolean `field` as lost. */
const expecting = (answer: Answer, field: string): Answer =>
  answer.kind === "answered" && typeof answer.value[field] !== "boolean"
    ? { kind: "lost", detail: `the response has no ${field}` }
    : answer

/** Repeats an idempotent call, with increasing delays, until a response arrives or the time is up. */
const repeatWhileLost = async (
  runtime: Runtime,
  withinMs: number,
  rpcTimeoutMs: number,
  call: (timeoutMs: number) => Promise<Answer>
): Promise<Answer> => {
  const end = runtime.now() + withinMs
  let pauseMs = 100
  let answer: Answer = { kind: "lost", detail: "no time left for the call" }
  for (;;) {
    const leftMs = end - runtime.now()
    if (leftMs <= 0) return answer
    answer = await call(Math.min(rpcTimeoutMs, leftMs))
    if (answer.kind !== "lost") return answer
    const waitMs = Math.min(pauseMs * (0.5 + Math.random()), Math.max(0, end - runtime.now()))
    await new Promise<void>((resolve) => runtime.after(waitMs, resolve))
    pauseMs = Math.min(pauseMs * 2, 5_000)
  }
}

const callRpc = async (
  runtime: Runtime,
  project: Project,
  name: string,
  args: Record<string, unknown>,
  timeoutMs: number
): Promise<Answer> => {
  try {
    const response = await runtime.fetch(`${project.url}/rest/v1/rpc/${name}`, {
      method: "POST",
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
      headers: headersFor(project.key),
      body: JSON.stringify(args)
    })
    const text = await readText(response.body, maxAnswerBytes)
    const value = parseJson(text ?? "")
    if (response.ok) {
      return isRecord(value)
        ? { kind: "answered", value }
        : { kind: "lost", detail: `${name}: unreadable answer (${response.status})` }
    }
    const code = isRecord(value) && typeof value.code === "string" ? ` ${value.code}` : ""
    const detail = `${name}: HTTP ${response.status}${code}`
    return { kind: mayPass(response.status) ? "lost" : "rejected", detail }
  } catch (error) {
    return { kind: "lost", detail: `${name}: ${messageOf(error)}` }
  }
}

/** Whether the same request can succeed later: the database was busy, or a gateway responded instead. */
const mayPass = (status: number): boolean => status >= 500 || [408, 425, 429].includes(status)

/** A legacy JWT key is also sent as the bearer token, because the token determines the database role. */
const headersFor = (key: string): Record<string, string> => ({
  "content-type": "application/json",
  accept: "application/json",
  "user-agent": "sync-scheduler-function",
  apikey: key,
  ...(key.startsWith("eyJ") ? { authorization: `Bearer ${key}` } : {})
})
