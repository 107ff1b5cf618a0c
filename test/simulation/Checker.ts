import { format } from "../../src/Domain/Instant.ts"
import type { Invocation } from "../../src/Domain/Run.ts"
import { isLive, type RunRow, type Transition } from "../support/MemoryDatabase.ts"
import type { Arguments } from "../support/MemoryFunctions.ts"
import { TRANSITIONS } from "./Invariants.ts"
import type { EffectSeen, Oracle } from "./Oracle.ts"
import type { Universe } from "./Universe.ts"

/** The maximum time between an engine's first request to start a run and its invocation of the function, in ms. */
const SEND_WITHIN_MS = 20_000

/** The checker's record of a run. */
interface Shadow {
  status: string
  notBefore: number | null
  operatorRetries: number
  becameUnknownAt: number | null
  finished: string | null
}

/** Observes the database, the invocations and the effects, and checks the invariants. */
export class Checker {
  private readonly universe: Universe
  private readonly oracle: Oracle
  private readonly shadows = new Map<string, Shadow>()
  private readonly nextRunAt = new Map<string, number | null>()
  private readonly startAskedAt = new Map<string, number>()
  /** The Retry-After that an attempt received, in ms, by lease token. */
  private readonly retryAfterMs = new Map<string, number>()
  private transitionsSeen = 0

  constructor(universe: Universe, oracle: Oracle) {
    this.universe = universe
    this.oracle = oracle
    universe.afterCall = (name) => this.afterCall(name)
    oracle.onGranted = ({ invocation }) => this.atGrant(invocation)
    oracle.onEffect = (effect, { invocation }) => this.atEffect(effect, invocation)
  }

  private violate(invariant: number, message: string): void {
    this.universe.violate(invariant, message)
  }

  private shadowOf(run: RunRow): Shadow {
    const known = this.shadows.get(run.id)
    if (known !== undefined) return known
    const shadow: Shadow = {
      status: "null",
      notBefore: null,
      operatorRetries: 0,
      becameUnknownAt: null,
      finished: null
    }
    this.shadows.set(run.id, shadow)
    return shadow
  }

  /** Records that next_run_at was set by the application or an operator. From then on, next_run_at may only move forward. */
  noteEdit(): void {
    for (const row of this.universe.db.integrations.values()) {
      this.nextRunAt.set(row.id, row.next_run_at)
    }
    this.readTransitions()
  }

  private afterCall(name: string): void {
    for (const row of this.universe.db.integrations.values()) {
      const before = this.nextRunAt.get(row.id)
      if (before === row.next_run_at) continue
      const isForward =
        before === undefined ||
        before === null ||
        row.next_run_at === null ||
        row.next_run_at > before
      if (!isForward) {
        const [from, to] = [format(before ?? 0), format(row.next_run_at ?? 0)]
        this.violate(11, `${row.id}: ${name} moved next_run_at from ${from} back to ${to}`)
      }
      this.nextRunAt.set(row.id, row.next_run_at)
    }
    this.readTransitions()
  }

  private readTransitions(): void {
    const { transitions, runs } = this.universe.db
    while (this.transitionsSeen < transitions.length) {
      const transition = transitions[this.transitionsSeen++]
      const run = transition === undefined ? undefined : runs.get(transition.run_id)
      if (transition !== undefined && run !== undefined) this.atTransition(transition, run)
    }
  }

  private atTransition(transition: Transition, run: RunRow): void {
    const { universe, oracle } = this
    const { now } = universe.time
    const shadow = this.shadowOf(run)
    const { from, to, why } = transition
    universe.note("run", run.idempotency_key, `${from} > ${to} (${why}, attempt ${run.attempt})`)
    if (shadow.status !== String(from) || !TRANSITIONS.has(`${from}>${to}:${why}`)) {
      this.violate(6, `${run.idempotency_key}: ${shadow.status} > ${to} by ${why}`)
    }
    shadow.status = to
    if (isLive(run)) {
      const live = universe.db.runsOf(run.integration_id).filter(isLive)
      if (live.length > 1) this.violate(7, `${run.integration_id}: ${live.length} live runs`)
    }
    const effects = oracle.of(run.idempotency_key)
    switch (to) {
      case "running":
        if (why === "start") this.atStart(run, shadow)
        break
      case "pending":
        shadow.notBefore = run.not_before
        if (why === "settle:not_executed") this.checkRetryAfter(run)
        if (why === "operator_retry") shadow.operatorRetries += 1
        if (why === "on_unknown_retry" && this.holds(run)) {
          this.violate(3, `${run.idempotency_key} is retried although it is on hold`)
        }
        break
      case "unknown":
        shadow.becameUnknownAt = now
        if (run.status === "unknown" && !universe.db.isOpen("unknown", run.id)) {
          this.violate(10, `${run.idempotency_key} became unknown without an alert`)
        }
        break
      case "completed":
        if (effects.length === 0)
          this.violate(4, `${run.idempotency_key} completed without an effect`)
        break
      case "failed":
      case "skipped":
        this.checkNoEffect(run)
    }
    if (to === "completed" || to === "failed" || to === "skipped") {
      shadow.finished = fingerprint(run)
    }
  }

  private checkRetryAfter(run: RunRow): void {
    const ms = this.retryAfterMs.get(run.lease_token ?? "") ?? 0
    if ((run.not_before ?? 0) < this.universe.time.now + ms) {
      this.violate(
        13,
        `${run.idempotency_key} is retried before the requested ${ms} ms have passed`
      )
    }
  }

  private holds(run: RunRow): boolean {
    return this.universe.db.integrations.get(run.integration_id)?.on_unknown === "hold"
  }

  private isFenced(run: RunRow): boolean {
    return this.universe.db.integrations.get(run.integration_id)?.fenced ?? run.fenced
  }

  private checkNoEffect(run: RunRow): void {
    const effects = this.oracle.of(run.idempotency_key)
    // If an unfenced request is delivered twice, one delivery may fail and the other take effect.
    const counted = this.isFenced(run) ? effects : effects.filter(({ isDoubled }) => !isDoubled)
    if (counted.length > 0) {
      this.violate(5, `${run.idempotency_key} is ${run.status}, with ${effects.length} effects`)
    }
  }

  private atStart(run: RunRow, shadow: Shadow): void {
    const { now } = this.universe.time
    const token = run.lease_token ?? ""
    const key = run.idempotency_key
    if (this.universe.db.integrations.get(run.integration_id)?.enabled !== true) {
      this.violate(6, `${key} started while its integration is disabled`)
    }
    if (run.attempt > run.max_attempts) this.violate(13, `${key}: attempt ${run.attempt}`)
    if (shadow.notBefore !== null && now < shadow.notBefore) {
      this.violate(13, `${key} started before ${format(shadow.notBefore)}`)
    }
    this.oracle.attempts.set(token, {
      runId: run.id,
      attempt: run.attempt,
      startedAt: now,
      sentAt: null,
      grants: 0,
      isDoubled: false
    })
  }

  /** Records when an engine first requests the start of each attempt. */
  atCall(name: string, args: Arguments): void {
    if (name !== "start_sync_runs") return
    for (const { lease_token } of args.p_starts as ReadonlyArray<{ lease_token: string }>) {
      if (!this.startAskedAt.has(lease_token)) {
        this.startAskedAt.set(lease_token, this.universe.time.now)
      }
    }
  }

  /** Checks that the start is committed, the lease is valid, and SEND_WITHIN_MS has not passed. */
  atSend({ run }: Invocation, inFlight: number, concurrency: number): void {
    const { now } = this.universe.time
    const key = run.idempotency_key
    const row = this.universe.db.runs.get(run.run_id)
    const attempt = this.oracle.attempts.get(run.lease_token)
    const asked = this.startAskedAt.get(run.lease_token) ?? Number.NEGATIVE_INFINITY
    const isOwn =
      row?.status === "running" &&
      row.lease_token === run.lease_token &&
      (row.lease_until ?? 0) > now
    if (attempt === undefined || !isOwn) this.violate(9, `${key} is sent without a live lease`)
    else if (attempt.sentAt !== null) this.violate(9, `${key} is sent twice with one token`)
    else attempt.sentAt = now
    if (now - asked > SEND_WITHIN_MS) {
      this.violate(9, `${key} is sent ${now - asked} ms after the request for its start`)
    }
    if (inFlight > concurrency) this.violate(7, `${inFlight} invocations in flight`)
  }

  noteRetryAfter(token: string, ms: number): void {
    this.retryAfterMs.set(token, ms)
  }

  private atGrant({ run }: Invocation): void {
    const attempt = this.oracle.attempts.get(run.lease_token)
    const key = run.idempotency_key
    if (attempt === undefined) this.violate(9, `${key} began without a start`)
    else if (attempt.grants > 1) this.violate(3, `${key}: attempt ${attempt.attempt} began twice`)
  }

  private atEffect(effect: EffectSeen, { run }: Invocation): void {
    const { oracle, universe } = this
    const row = universe.db.runs.get(run.run_id)
    const { key, token } = effect
    if (row === undefined) {
      this.violate(9, `${key} took effect without a row`)
      return
    }
    const shadow = this.shadowOf(row)
    const attempt = oracle.attempts.get(token)
    const earlier = oracle.of(key).slice(0, -1)
    const isFenced = this.isFenced(row)
    if (isFenced) {
      if ((attempt?.grants ?? 0) === 0) this.violate(9, `${key} took effect without having begun`)
      if (earlier.some((other) => other.token === token)) {
        this.violate(3, `${key}: attempt ${effect.attempt} took effect twice`)
      }
      const last = oracle.lastGranted.get(key)
      if (last !== undefined && last !== token) {
        this.violate(3, `${key}: attempt ${effect.attempt} took effect after a later one began`)
      }
    }
    if (isFenced && this.holds(row) && earlier.length > shadow.operatorRetries) {
      this.violate(3, `${key} has on_unknown = 'hold', but took effect ${earlier.length + 1} times`)
    }
    if (earlier.some((other) => other.token !== token)) {
      const isRecorded = shadow.becameUnknownAt !== null || shadow.operatorRetries > 0
      const isDoubled = !isFenced && (effect.isDoubled || earlier.some((one) => one.isDoubled))
      if (!isRecorded && !isDoubled) {
        this.violate(3, `${key} took effect again without a recorded ambiguity`)
      }
    }
    if (row.status === "failed" || row.status === "skipped") this.checkNoEffect(row)
  }

  atEnd(): void {
    const { db } = this.universe
    this.readTransitions()
    const slots = new Set<string>()
    for (const run of db.runs.values()) {
      const key = `${run.integration_id}:${run.scheduled_for}`
      if (slots.has(key)) this.violate(1, `${run.idempotency_key} has two rows`)
      slots.add(key)
      const shadow = this.shadowOf(run)
      if (shadow.status !== run.status) {
        this.violate(6, `${run.idempotency_key} is ${run.status} without a call that changed it`)
      }
      if (isFinished(run) && shadow.finished !== fingerprint(run)) {
        this.violate(6, `${run.idempotency_key} is ${run.status} and was changed after its end`)
      }
      const effects = this.oracle.of(run.idempotency_key)
      if (run.status === "completed" && effects.length === 0) {
        this.violate(4, `${run.idempotency_key} is completed without an effect`)
      }
      if (run.status === "failed" || run.status === "skipped") this.checkNoEffect(run)
      const isAlerted = db.isOpen("unknown", run.id)
      const isOperators = run.released_at !== null && shadow.operatorRetries > 0
      if (run.status === "unknown" && run.released_at === null && !isAlerted) {
        this.violate(10, `${run.idempotency_key} is unknown without an alert`)
      }
      if (isFinished(run) && isAlerted && !isOperators) {
        this.violate(10, `${run.idempotency_key} is ${run.status}, but its alert is still open`)
      }
    }
  }
}

const isFinished = ({ status }: RunRow): boolean =>
  status === "completed" || status === "failed" || status === "skipped"

const fingerprint = (run: RunRow): string => JSON.stringify(run)
