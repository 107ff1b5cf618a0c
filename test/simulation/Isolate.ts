import { Effect } from "effect"
import type { FunctionStyle, Plan, Reply, Request, Witness } from "./Function.ts"
import type { CallEnd } from "./Network.ts"
import type { Universe } from "./Universe.ts"

const ANSWER_WITHIN_MS = 145_000
const BACKGROUND_MS = 380_000
const BEGIN_WITHIN_MS = 20_000
const RPC_TIMEOUT_MS = 8_000
const HEARTBEAT_MS = 20_000
const MAX_SILENCE_MS = 300_000

type Verdict =
  | { readonly kind: "completed" | "failed" | "unknown" }
  | { readonly kind: "declined"; readonly retryAfter: number | null }

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Reply => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body)
})

/** Handles one request. Reproduces each step of `withSyncRun` in virtual time. */
export class Isolate {
  private isAnswered = false
  private isStopped = false
  private isLost = false
  private isEnded = false
  private lastSign = 0
  private readonly universe: Universe
  private readonly request: Request
  private readonly plan: Plan
  private readonly witness: Witness
  private readonly send: (reply: Reply) => void
  private readonly call: (
    name: string,
    args: Readonly<Record<string, unknown>>,
    timeoutMs: number
  ) => Effect.Effect<CallEnd>

  constructor(
    universe: Universe,
    request: Request,
    plan: Plan,
    witness: Witness,
    send: (reply: Reply) => void,
    call: Isolate["call"]
  ) {
    this.universe = universe
    this.request = request
    this.plan = plan
    this.witness = witness
    this.send = send
    this.call = call
  }

  private get now(): number {
    return this.universe.time.now
  }

  private get owner() {
    const { run_id, lease_token } = this.request.invocation.run
    return { p_run_id: run_id, p_lease_token: lease_token }
  }

  private answer(reply: Reply): void {
    if (this.isAnswered) return
    this.isAnswered = true
    this.send(reply)
  }

  /** Repeats an idempotent call until a response arrives. Returns null at the time limit. */
  private repeatWhileLost(
    withinMs: number,
    name: string,
    args: Readonly<Record<string, unknown>>
  ): Effect.Effect<Record<string, unknown> | null> {
    const until = this.now + withinMs
    const attempt = (pauseMs: number): Effect.Effect<Record<string, unknown> | null> =>
      Effect.suspend(() => {
        const leftMs = until - this.now
        if (leftMs <= 0) return Effect.succeed(null)
        return this.call(name, { ...this.owner, ...args }, Math.min(RPC_TIMEOUT_MS, leftMs)).pipe(
          Effect.flatMap((end) => {
            if (end._tag === "Answered") return Effect.succeed(JSON.parse(end.text))
            if (end._tag === "Rejected") return Effect.succeed({ rejected: true })
            return Effect.zipRight(
              Effect.sleep(Math.min(pauseMs, Math.max(0, until - this.now))),
              attempt(Math.min(pauseMs * 2, 5_000))
            )
          })
        )
      })
    return attempt(100)
  }

  fenced(style: FunctionStyle): Effect.Effect<void> {
    const self = this
    return Effect.gen(function* () {
      const arrived = self.now
      const { deadline } = self.request.invocation
      const answerAt = Math.min(deadline, arrived + ANSWER_WITHIN_MS)
      const refuse = (reason: string) => self.answer(json(409, { executed: false, reason }))
      if (answerAt <= self.now) return refuse("deadline_passed")
      const asked = self.now
      const nonce = self.universe.random.uuid()
      const begun = yield* self.repeatWhileLost(
        Math.min(BEGIN_WITHIN_MS, answerAt - self.now),
        "begin_sync_run",
        { p_nonce: nonce }
      )
      if (begun?.granted !== true) return refuse(String(begun?.reason ?? "begin_unconfirmed"))
      self.witness.granted(self.request)
      if (self.now >= answerAt) return refuse("deadline_passed")

      self.lastSign = asked
      const timer = (instant: number, ring: () => void) =>
        Effect.forkDaemon(Effect.zipRight(Effect.sleep(instant - self.now), Effect.sync(ring)))
      if (style.isDeferred) {
        self.answer(json(202, { accepted: true }))
        yield* timer(arrived + BACKGROUND_MS, () => self.stop("time is up"))
      } else {
        const stopAt = answerAt - Math.min(5_000, (answerAt - arrived) / 10)
        yield* timer(stopAt, () => self.stop("time is up"))
        yield* timer(answerAt, () => self.answer(json(504, { outcome: "unknown" })))
      }
      yield* Effect.forkDaemon(self.heartbeats)
      const verdict = self.withoutAnswer(yield* self.handler)
      const isReported = yield* self.report(verdict, self.isAnswered ? 120_000 : 10_000)
      self.isEnded = true
      self.answer(toReply(verdict, isReported))
    })
  }

  /** Runs an unfenced function, which executes every request. */
  unfenced(style: FunctionStyle): Effect.Effect<void> {
    const self = this
    return Effect.gen(function* () {
      self.lastSign = self.now
      if (style.isDeferred) {
        self.answer(json(202, { accepted: true }))
        yield* Effect.forkDaemon(self.heartbeats)
      }
      const verdict = self.withoutAnswer(yield* self.handler)
      if (style.isDeferred) yield* self.report(verdict, 120_000)
      self.isEnded = true
      self.answer(toReply(verdict, false))
    })
  }

  private stop(why: string): void {
    if (this.isStopped || this.isEnded) return
    this.isStopped = true
    this.universe.note("stopped", this.request.invocation.run.idempotency_key, why)
  }

  private readonly heartbeat = Effect.suspend(() => {
    const sentAt = this.now
    return Effect.map(this.call("heartbeat_sync_run", this.owner, RPC_TIMEOUT_MS), (end) =>
      this.hear(end, sentAt)
    )
  })

  private hear(end: CallEnd, sentAt: number): void {
    if (end._tag !== "Answered") return
    const answer: { accepted?: boolean } = JSON.parse(end.text)
    if (answer.accepted === true) {
      this.lastSign = Math.max(this.lastSign, sentAt)
    } else {
      this.isLost = true
      this.stop("lost")
    }
  }

  private readonly heartbeats = Effect.suspend(() =>
    Effect.sleep(HEARTBEAT_MS).pipe(
      Effect.zipRight(Effect.suspend(() => (this.isEnded ? Effect.void : this.heartbeat))),
      Effect.tap(() => {
        if (this.now - this.lastSign > MAX_SILENCE_MS) this.stop("silence")
      }),
      Effect.repeat({ until: () => this.isEnded || this.isLost })
    )
  )

  /** Runs the handler. Its only effect happens at a single instant. */
  private readonly handler: Effect.Effect<Verdict> = Effect.suspend(() => {
    const { plan, request, universe } = this
    const isObedient = plan.fault !== "stubborn"
    const stopped: Verdict = { kind: "unknown" }
    const failed: Verdict = { kind: "failed" }
    const completed: Verdict = { kind: "completed" }
    const declined: Verdict = { kind: "declined", retryAfter: plan.retryAfter }
    const self = this
    return Effect.gen(function* () {
      if (plan.fault === "declines") return declined
      yield* Effect.sleep(plan.effectAfterMs)
      if (plan.fault === "fails") return failed
      if (plan.asksBeforeEffect && self.lastSign > 0) yield* self.heartbeat
      if (self.isStopped && isObedient) return stopped
      if (plan.fault === "loses" && universe.random.chance(0.5)) return stopped
      self.witness.effect(request)
      if (plan.fault === "loses") return stopped
      yield* Effect.sleep(plan.restMs)
      return self.isStopped && universe.random.chance(0.5) ? stopped : completed
    })
  })

  /** After the response has been sent, a handler can no longer decline, so the run fails. */
  private withoutAnswer(verdict: Verdict): Verdict {
    return verdict.kind === "declined" && this.isAnswered ? { kind: "failed" } : verdict
  }

  private report(verdict: Verdict, withinMs: number): Effect.Effect<boolean> {
    if (verdict.kind !== "completed" && verdict.kind !== "failed") return Effect.succeed(false)
    const args =
      verdict.kind === "completed"
        ? { p_status: "completed", p_response: { ok: true } }
        : { p_status: "failed", p_error: { code: "SIMULATED", message: "no effect" } }
    return Effect.map(
      this.repeatWhileLost(withinMs, "complete_sync_run", args),
      (answer) => answer?.accepted === true
    )
  }
}

const toReply = (verdict: Verdict, isReported: boolean): Reply => {
  switch (verdict.kind) {
    case "completed":
      return json(200, { success: true, reported: isReported })
    case "failed":
      return json(500, { success: false, error: { code: "SIMULATED", message: "no effect" } })
    case "declined":
      return verdict.retryAfter === null
        ? json(409, { executed: false })
        : json(429, { executed: false }, { "retry-after": String(verdict.retryAfter) })
    case "unknown":
      return json(504, { outcome: "unknown" })
  }
}
