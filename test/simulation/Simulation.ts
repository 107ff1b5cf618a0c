import { defaultEngineSettings, type EngineSettings } from "../../src/Config.ts"
import { format } from "../../src/Domain/Instant.ts"
import { type IntegrationRow, isLive } from "../support/MemoryDatabase.ts"
import { Checker } from "./Checker.ts"
import { ConcurrentEdits } from "./ConcurrentEdits.ts"
import { Coverage } from "./Coverage.ts"
import { EngineHost } from "./EngineHost.ts"
import { DISTURBANCES, type Disturbance, type FaultMix } from "./Faults.ts"
import { FunctionHost, type FunctionStyle } from "./Function.ts"
import { Network } from "./Network.ts"
import { Oracle } from "./Oracle.ts"
import { Reservations } from "./Reservations.ts"
import { SCHEDULES, STARTS } from "./Slots.ts"
import { StaleWrites } from "./StaleWrites.ts"
import { BOUND_MS, MISBEHAVIOURS, playTenants, WAITING_BOUND } from "./Tenants.ts"
import { Universe, type Violation } from "./Universe.ts"

const MINUTE = 60_000
/** The duration of faults, in minutes. Short worlds need less computing time, so only every twentieth world is long. */
const SHORT = [4, 5, 6, 8, 10] as const
const LONG = [45, 60, 90] as const
const LONG_EVERY = 20
/** Intervals short enough for an attempt to be lost, abandoned and retried in a short world. */
const QUICK = {
  invokeTimeoutMs: 30_000,
  leaseMarginMs: 30_000,
  runningGuardMs: 120_000,
  quiescenceMs: 100_000
}
/** The final period, in ms. Its slots need not be settled at the end. */
const RECENT_MS = 3 * MINUTE
/** Only an endless loop would cause this many events. */
const MAX_EVENTS = 1_500_000

export interface Result {
  readonly seed: number
  readonly violation: Violation | null
  readonly traceHash: string
  readonly trace: ReadonlyArray<string>
  readonly level: FaultMix["level"]
  readonly slots: number
  readonly runs: number
  readonly effects: number
  readonly ticks: number
  readonly events: number
  /** The number of transitions, by `from > to: why`. */
  readonly transitions: ReadonlyMap<string, number>
}

/** `minutes` is the duration of faults; by default, the seed decides. */
export interface Options {
  readonly trace?: boolean
  readonly minutes?: number | undefined
}

/** Runs one seed's world. Equal seeds give identical worlds, to the millisecond. */
export const simulate = (seed: number, options: Options = {}): Result => {
  const result = new Simulation(seed, options.trace ?? false).run(options.minutes)
  return result.violation === null && seed % TENANTS_EVERY === TENANTS_AT
    ? { ...result, violation: checkTenants(seed) }
    : result
}

/** Every n-th seed also checks how long a misbehaving organisation delays the other organisations. */
const TENANTS_EVERY = 100
const TENANTS_AT = 7

const checkTenants = (seed: number): Violation | null => {
  const index = Math.floor(seed / TENANTS_EVERY) % MISBEHAVIOURS.length
  const misbehaviour = MISBEHAVIOURS[index]
  if (misbehaviour === undefined) return null
  const { delays, mostWaiting } = playTenants(seed, misbehaviour)
  const longest = delays.at(-1) ?? 0
  const isFair = longest <= (misbehaviour.boundMs ?? BOUND_MS) && mostWaiting <= WAITING_BOUND
  return isFair
    ? null
    : {
        invariant: 19,
        message: `${misbehaviour.name}: another organisation waited ${longest} ms, ${mostWaiting} claimed runs waited`,
        at: "in 20 minutes"
      }
}

class Simulation {
  private readonly seed: number
  private readonly universe: Universe
  private readonly oracle: Oracle
  private readonly checker: Checker
  private readonly coverage: Coverage
  private readonly concurrentEdits: ConcurrentEdits
  private readonly stale: StaleWrites
  private readonly network: Network
  private readonly hosts: Array<EngineHost> = []
  private readonly settings: Omit<EngineSettings, "engineId">
  private readonly styles = new Map<string, FunctionStyle>()
  private readonly start: number
  private outageUntil = 0

  constructor(seed: number, trace: boolean) {
    this.seed = seed
    const start = STARTS[seed % STARTS.length] ?? STARTS[0]
    const universe = new Universe(seed, start, { trace })
    const { random } = universe
    this.start = start
    this.universe = universe
    this.oracle = new Oracle(universe)
    this.checker = new Checker(universe, this.oracle)
    new Reservations(universe)
    this.coverage = new Coverage(universe, start)
    const isQuick = random.chance(0.5)
    this.settings = {
      ...defaultEngineSettings,
      concurrency: random.pick([1, 2, 3, 5]),
      invokeTimeoutMs: random.pick([155_000, 155_000, 60_000]),
      runningGuardMs: random.pick([600_000, 1_800_000]),
      retryCapMs: random.pick([60_000, 900_000]),
      catchUpWindowMs: random.pick([20 * MINUTE, 1440 * MINUTE]),
      ...(isQuick ? QUICK : {})
    }
    if (random.chance(0.3)) universe.db.pageLimit = random.between(1, 3)
    const { checker, coverage, oracle, settings } = this
    this.concurrentEdits = new ConcurrentEdits({ universe, checker, coverage })
    this.stale = new StaleWrites(universe, oracle, settings.adoptAfterMs)
    const isCut = () => universe.isFaulty && universe.time.now < this.outageUntil
    const functions: FunctionHost = new FunctionHost({
      universe,
      witness: this.oracle,
      styleOf: (id) => this.styleOf(id),
      workerMs: this.settings.quiescenceMs - 30_000,
      isCut,
      call: (peer, name, args, timeoutMs, receive) =>
        this.network.call(peer, name, args, timeoutMs, receive)
    })
    this.network = new Network(universe, (request, answer) => functions.serve(request, answer))
    const integrations = random.between(8, 12)
    for (let n = 0; n < integrations; n++) this.addIntegration(n)
    const hosts = random.pick([2, 2, 3])
    for (let n = 1; n <= hosts; n++) {
      const { network } = this
      this.hosts.push(new EngineHost(universe, network, checker, settings, `engine-${n}`))
    }
  }

  private styleOf(integrationId: string): FunctionStyle {
    const style = this.styles.get(integrationId)
    if (style === undefined) throw new Error(`no function for ${integrationId}`)
    return this.universe.isFaulty ? style : { ...style, leastMs: 50, mostMs: 3_000 }
  }

  private addIntegration(n: number): void {
    const { random, db, faults } = this.universe
    const kind = random.pick(["often", "often", "often", "hourly", "hourly", "seldom"] as const)
    const [sync_schedule, timezone] = random.pick(
      random.chance(0.05) ? SCHEDULES.never : SCHEDULES[kind]
    )
    const isFenced = random.chance(0.65)
    const isDeferred = random.chance(0.3)
    const catch_up = random.pick(
      isDeferred && kind === "often"
        ? (["latest", "skip"] as const)
        : (["latest", "latest", "all", "skip"] as const)
    )
    const lateMs = random.pick([0, 0, 0, MINUTE, 30 * MINUTE, 180 * MINUTE])
    const row: Partial<IntegrationRow> & { readonly id: string } = {
      id: random.uuid(),
      org_id: random.uuid(),
      sync_schedule,
      timezone,
      catch_up,
      schedule_since: this.start - lateMs,
      next_run_at: random.chance(0.2) ? this.start - lateMs - random.between(0, MINUTE) : null,
      max_attempts: random.pick([1, 2, 3, 3, 5]),
      on_unknown: random.pick(["retry", "hold"]),
      fenced: isFenced,
      warm_up: random.chance(0.2),
      config: { n, secret: this.universe.plantedSecret }
    }
    this.coverage.add(db.seed(row))
    this.styles.set(row.id, {
      isFenced,
      isDeferred,
      leastMs: random.pick([100, 1_000, 5_000]),
      mostMs:
        faults.level === "none"
          ? 15_000
          : random.pick(isDeferred ? [30_000, 300_000] : [10_000, 30_000, 120_000])
    })
  }

  run(minutes?: number): Result {
    const { universe } = this
    const { random, time } = universe
    this.checker.noteEdit()
    for (const host of this.hosts) host.start()
    const drawn = random.pick<number>(this.seed % LONG_EVERY === 0 ? LONG : SHORT)
    const faultyUntil = this.start + (minutes ?? drawn) * MINUTE
    this.disturbUntil(faultyUntil)
    let slots = 0
    try {
      time.runUntil(faultyUntil, MAX_EVENTS)
      this.recover()
      slots = this.coverage.check(time.now - RECENT_MS - 1)
      this.checker.atEnd()
      if (universe.faults.level === "none") this.checkCalm()
    } catch (error) {
      universe.violate(0, String(error instanceof Error ? error.stack : error))
    }
    return this.result(slots)
  }

  /** Injects faults at random instants, at this seed's rates. */
  private disturbUntil(end: number): void {
    const { random, time, faults } = this.universe
    const every = (perHour: number, act: () => void) => {
      if (perHour <= 0) return
      const next = () => {
        const ms = random.span(1, 2 * (3_600_000 / perHour))
        if (time.now + ms >= end) return
        time.after(ms, () => {
          act()
          next()
        })
      }
      next()
    }
    for (const kind of DISTURBANCES) every(faults.perHour[kind] ?? 0, () => this.disturb(kind))
    every(60, () => this.stale.write())
    every(60, () => {
      const run = random.pick([undefined, ...[...this.universe.db.live.values()]])
      if (run !== undefined) this.stale.beginTooLate(run)
    })
  }

  private disturb(kind: Disturbance): void {
    const { random, time } = this.universe
    const host = random.pick([this.hosts[0], ...this.hosts])
    if (["partition", "outage", "freeze", "clockStep", "stop", "crash"].includes(kind)) {
      this.universe.note("disturb", kind)
    }
    switch (kind) {
      case "partition":
        host?.partition(random.span(1_000, 600_000))
        break
      case "outage":
        this.outageUntil = time.now + random.span(1_000, 300_000)
        for (const each of this.hosts) each.partition(this.outageUntil - time.now)
        return
      case "freeze":
        host?.freeze(random.span(100, 600_000))
        break
      case "clockStep":
        host?.setClock(random.between(-300_000, 300_000))
        break
      case "stop":
        host?.stop()
        break
      case "crash":
        host?.crash()
        break
      default:
        this.concurrentEdits.disturb(kind)
        break
    }
  }

  /** Ends the faults. All runs that are not on hold must settle before operators resolve the runs on hold. */
  private recover(): void {
    const { universe } = this
    universe.isFaulty = false
    universe.note("recovery", "begins")
    for (const host of this.hosts) host.setClock(0)
    if (universe.random.chance(0.75)) {
      // In most worlds, only one engine remains and settles every engine's runs.
      const last = universe.random.between(0, this.hosts.length - 1)
      for (const [index, host] of this.hosts.entries()) if (index !== last) host.retire()
    }
    if (!this.settle(100, (row) => this.isBlocked(row)) || !this.isAnyBlocked) return
    for (const row of universe.db.integrations.values()) {
      if (row.breaker_until !== null) this.concurrentEdits.resume(row.id)
    }
    this.settle(
      60,
      () => false,
      () => this.resolveUnknown()
    )
  }

  private resolveUnknown(): void {
    const { db } = this.universe
    for (const run of [...db.live.values()]) {
      if (run.status !== "unknown") continue
      this.concurrentEdits.operate("retry_sync_run", { p_run_id: run.id })
      if (run.status === "unknown")
        this.concurrentEdits.operate("release_sync_run", { p_run_id: run.id })
    }
  }

  /** Returns whether the integration is blocked by its breaker or by an unknown run on hold. */
  private isBlocked(row: IntegrationRow): boolean {
    const live = this.universe.db.liveRun(row.id)
    const isHeld = live?.status === "unknown" && row.on_unknown === "hold"
    return isHeld || row.breaker_until !== null
  }

  private settle(
    minutes: number,
    isExempt: (row: IntegrationRow) => boolean,
    eachMinute: () => void = () => {}
  ): boolean {
    const { time, db } = this.universe
    for (let minute = 0; minute < minutes; minute++) {
      time.runUntil(time.now + MINUTE, MAX_EVENTS)
      if (this.universe.violation !== null) return false
      eachMinute()
      if (minute >= 3 && this.unsettled(isExempt).length === 0) return true
    }
    const [first] = this.unsettled(isExempt)
    const row = first === undefined ? undefined : db.integrations.get(first)
    const live = first === undefined ? undefined : db.liveRun(first)
    const state = live === undefined ? "no live run" : `${live.status} ${live.idempotency_key}`
    const next = format(row?.next_run_at ?? 0)
    this.universe.violate(
      this.isAnyBlocked ? 12 : 10,
      `${first} does not settle within ${minutes} minutes: ${state}, next slot ${next}`
    )
    return false
  }

  private get isAnyBlocked(): boolean {
    return [...this.universe.db.integrations.values()].some((row) => this.isBlocked(row))
  }

  private unsettled(isExempt: (row: IntegrationRow) => boolean): ReadonlyArray<string> {
    const { db, time } = this.universe
    const recent = time.now - RECENT_MS
    const late = [...db.live.values()].filter((run) => {
      const row = db.integrations.get(run.integration_id)
      return run.created_at < recent && (row === undefined || !isExempt(row))
    })
    const behind = [...db.integrations.values()].filter(
      (row) =>
        row.enabled &&
        row.schedule_error === null &&
        !isExempt(row) &&
        (row.next_run_at === null ? row.schedule_since : row.next_run_at) < recent
    )
    return [...late.map((run) => run.integration_id), ...behind.map((row) => row.id)]
  }

  /** Without faults, every run must complete on its first attempt, with exactly one effect. */
  private checkCalm(): void {
    for (const run of this.universe.db.runs.values()) {
      const effects = this.oracle.of(run.idempotency_key).length
      if (isLive(run) && run.status !== "unknown") continue
      if (run.status !== "completed" || effects !== 1 || run.attempt !== 1) {
        const what = `${run.status}, ${effects} effects, attempt ${run.attempt}`
        this.universe.violate(10, `${run.idempotency_key} without any fault: ${what}`)
      }
    }
  }

  private result(slots: number): Result {
    const { universe } = this
    const transitions = new Map<string, number>()
    for (const { from, to, why } of universe.db.transitions) {
      const name = `${from} > ${to}: ${why}`
      transitions.set(name, (transitions.get(name) ?? 0) + 1)
    }
    return {
      seed: this.seed,
      violation: universe.violation,
      traceHash: universe.traceHash,
      trace: universe.lines ?? [],
      level: universe.faults.level,
      slots,
      runs: universe.db.runs.size,
      effects: this.oracle.count,
      ticks: this.hosts.reduce((sum, host) => sum + host.ticks, 0),
      events: universe.time.count,
      transitions
    }
  }
}
