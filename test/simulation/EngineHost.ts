import { type Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { EngineConfig, type EngineSettings } from "../../src/Config.ts"
import type { Summary } from "../../src/Domain/Summary.ts"
import * as Engine from "../../src/Engine.ts"
import * as LedgerLive from "../../src/Layers/LedgerLive.ts"
import * as LockLive from "../../src/Layers/LockLive.ts"
import { Invoker } from "../../src/Services/Invoker.ts"
import type { Ledger } from "../../src/Services/Ledger.ts"
import type { Lock } from "../../src/Services/Lock.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { MemoryFunctions } from "../support/MemoryFunctions.ts"
import { memorySupabase } from "../support/MemorySupabase.ts"
import { type FreezeSeenBy, VirtualProcess } from "../support/VirtualClock.ts"
import type { Checker } from "./Invariants.ts"
import type { EnginePeer, Network } from "./Network.ts"
import type { Universe } from "./Universe.ts"

type Services = Lock | Ledger | Invoker | EngineConfig | Supabase

/** A machine that ticks every minute: one process that goes on (`serve`), or a new one for each tick (a timer). */
export class EngineHost {
  private readonly universe: Universe
  private readonly network: Network
  private readonly checker: Checker
  private readonly settings: Omit<EngineSettings, "engineId">
  private readonly name: string
  private readonly kind: "serve" | "timer"
  private readonly mayOverlap: boolean
  private readonly phaseMs: number
  private readonly seenBy: FreezeSeenBy
  private skewMs: number
  private readonly running = new Set<EngineProcess>()
  private downUntil = 0
  private frozenUntil = 0
  private cutUntil = 0
  private born = 0
  ticks = 0

  constructor(
    universe: Universe,
    network: Network,
    checker: Checker,
    settings: Omit<EngineSettings, "engineId">,
    name: string
  ) {
    const { dice, faults } = universe
    this.universe = universe
    this.network = network
    this.checker = checker
    this.settings = settings
    this.name = name
    this.kind = dice.pick(["serve", "serve", "serve", "timer"])
    this.mayOverlap = dice.chance(0.3)
    this.phaseMs = dice.between(0, 20_000)
    this.seenBy = dice.pick(["both", "both", "wall", "monotonic"])
    this.skewMs = dice.between(-faults.skewMs, faults.skewMs)
  }

  /** Ticks every minute from now on. */
  start(): void {
    const { time } = this.universe
    const minute = Math.ceil((time.now + 1) / 60_000) * 60_000
    time.at(minute + this.phaseMs, () => {
      this.kick()
      this.start()
    })
  }

  private kick(): void {
    const { now } = this.universe.time
    if (now < this.downUntil || now < this.frozenUntil) return
    const isTimer = this.kind === "timer"
    const current = isTimer ? undefined : [...this.running].find((engine) => engine.isUsable)
    const engine = current ?? this.boot()
    if (!engine.isBusy || this.mayOverlap) engine.tick(isTimer)
    if (this.mayOverlap && !isTimer && this.universe.dice.chance(0.2)) engine.tick(false)
  }

  private boot(): EngineProcess {
    const { dice } = this.universe
    const engine = new EngineProcess({
      universe: this.universe,
      network: this.network,
      checker: this.checker,
      settings: { ...this.settings, engineId: `${this.name}.${++this.born}` },
      wallOffsetMs: this.skewMs,
      isCut: () => this.universe.isFaulty && this.universe.time.now < this.cutUntil,
      onTick: () => (this.ticks += 1),
      onEnd: (wasKilled) => {
        this.running.delete(engine)
        if (wasKilled) this.downFor(dice.span(1_000, 300_000))
      }
    })
    this.running.add(engine)
    return engine
  }

  private downFor(ms: number): void {
    if (this.universe.isFaulty) this.downUntil = this.universe.time.now + ms
  }

  crash(): void {
    for (const engine of [...this.running]) engine.die("killed")
  }

  /** SIGTERM; sometimes a second signal soon after. */
  stop(): void {
    const { dice, time } = this.universe
    const stopping = [...this.running]
    for (const engine of stopping) engine.stop()
    this.downFor(dice.span(1_000, 120_000))
    if (dice.chance(0.3)) {
      time.after(dice.span(100, 60_000), () => {
        for (const engine of stopping) engine.die("second signal")
      })
    }
  }

  freeze(ms: number): void {
    this.frozenUntil = this.universe.time.now + ms
    for (const engine of this.running) engine.process.freeze(ms, this.seenBy)
    if (this.seenBy === "monotonic") this.skewMs -= ms
  }

  partition(ms: number): void {
    this.cutUntil = this.universe.time.now + ms
  }

  /** The wall clock is set; 0 sets it right. A clock that a freeze may fool is only ever set forward. */
  setClock(offsetMs: number): void {
    if (this.seenBy === "wall" && offsetMs < this.skewMs) return
    this.skewMs = offsetMs
    for (const engine of this.running) engine.process.setWall(offsetMs)
  }

  /** No process is left that works. */
  get isIdle(): boolean {
    return [...this.running].every((engine) => !engine.isBusy)
  }
}

interface ProcessOptions {
  readonly universe: Universe
  readonly network: Network
  readonly checker: Checker
  readonly settings: EngineSettings
  readonly wallOffsetMs: number
  readonly isCut: () => boolean
  readonly onTick: () => void
  readonly onEnd: (wasKilled: boolean) => void
}

/** One process of the engine: the production program over the simulated ports. */
class EngineProcess {
  readonly process: VirtualProcess
  private readonly options: ProcessOptions
  private readonly peer: EnginePeer
  private readonly built: Fiber.RuntimeFiber<Context.Context<Services>>
  private readonly ticks = new Set<Fiber.RuntimeFiber<Summary>>()
  private readonly claimTokens = new Set<string>()
  /** Runs that a claim of ours gave us, and that we have neither started nor given back. */
  private readonly held = new Set<string>()
  private stoppedAt: number | null = null
  private inFlight = 0

  constructor(options: ProcessOptions) {
    const { universe, settings, network } = options
    this.options = options
    this.process = new VirtualProcess(universe.time, {
      seed: universe.dice.between(0, 2 ** 31),
      nextToken: universe.dice.uuid,
      wallOffsetMs: options.wallOffsetMs
    })
    this.peer = {
      process: this.process,
      name: settings.engineId,
      isCut: options.isCut,
      die: (why) => this.die(why),
      onCall: (name, args) => this.atCall(name, args),
      onAnswer: (name, text) => this.atAnswer(name, text),
      onSend: (invocation) => {
        this.inFlight += 1
        universe.note("send", invocation.run.idempotency_key, settings.engineId)
        const most = this.isAlone ? settings.concurrency : settings.concurrency * this.ticks.size
        options.checker.atSend(invocation, this.inFlight, most)
      },
      onReply: (invocation, reply) => {
        this.inFlight -= 1
        const says = typeof reply === "string" ? reply : String(reply.status)
        universe.note("reply", invocation.run.idempotency_key, says)
        if (typeof reply === "string" || reply.status !== 429) return
        const seconds = Number(reply.headers["retry-after"] ?? 0)
        const ms = Math.min(seconds * 1_000, settings.retryCapMs)
        options.checker.noteRetryAfter(invocation.run.lease_token, ms)
      }
    }
    const supabase = memorySupabase(new MemoryFunctions(universe.db), network.carrier(this.peer))
    const invoker = Invoker.of({
      invoke: (invocation) => network.invoke(this.peer, invocation),
      warmUp: () =>
        Effect.delay(
          Effect.succeed({ latencyMs: 20, ok: true, cold: false, detail: null }),
          "20 millis"
        )
    })
    const layer = Layer.mergeAll(LockLive.layer, LedgerLive.layer).pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          Layer.succeed(EngineConfig, settings),
          Layer.succeed(Supabase, supabase),
          Layer.succeed(Invoker, invoker)
        )
      )
    )
    this.built = this.process.fork(
      Effect.flatMap(Scope.make(), (scope) => Layer.buildWithScope(layer, scope))
    )
  }

  /** Still there, and not told to stop. */
  get isUsable(): boolean {
    return this.process.isAlive && this.stoppedAt === null
  }

  get isBusy(): boolean {
    return this.process.isAlive && this.ticks.size > 0
  }

  private get isAlone(): boolean {
    return this.ticks.size <= 1
  }

  tick(isLast: boolean): void {
    const { universe, settings } = this.options
    const fiber = this.process.fork(
      Effect.flatMap(Fiber.join(this.built), (context) => Effect.provide(Engine.tick(), context))
    )
    universe.note("tick", settings.engineId)
    this.options.onTick()
    this.ticks.add(fiber)
    fiber.addObserver((exit) => {
      this.ticks.delete(fiber)
      this.atTickEnd(exit)
      if (this.ticks.size > 0) return
      if (this.stoppedAt !== null) this.checkStopped()
      if (isLast || this.stoppedAt !== null) this.end(false)
    })
  }

  /** SIGTERM: the fibers are interrupted, and the process lives on until they have ended. */
  stop(): void {
    if (!this.process.isAlive || this.stoppedAt !== null) return
    const { universe, settings } = this.options
    universe.note("stop", settings.engineId)
    this.process.enter(() => {
      this.stoppedAt = universe.time.now
      if (this.ticks.size === 0) return this.end(false)
      for (const fiber of this.ticks) this.process.fork(Fiber.interrupt(fiber))
      const boundMs = settings.invokeTimeoutMs + 2 * settings.leaseMarginMs + 300_000
      universe.time.after(boundMs, () => {
        if (this.isBusy && !this.process.isFrozen && !universe.isFaulty) {
          universe.violate(16, `${settings.engineId} did not end within ${boundMs} ms of SIGTERM`)
        }
      })
    })
  }

  /** SIGKILL. */
  die(why: string): void {
    if (!this.process.isAlive) return
    this.options.universe.note("dies", this.options.settings.engineId, why)
    this.end(true)
  }

  private end(wasKilled: boolean): void {
    if (!this.process.isAlive) return
    this.process.kill()
    this.options.onEnd(wasKilled)
  }

  private atCall(name: string, args: Readonly<Record<string, unknown>>): void {
    const { checker, universe, settings } = this.options
    checker.atCall(name, args)
    if (name === "claim_sync_runs") {
      const token = String(args.p_claim_token)
      const isNew = !this.claimTokens.has(token)
      this.claimTokens.add(token)
      if (isNew && this.stoppedAt !== null && universe.time.now > this.stoppedAt) {
        universe.violate(16, `${settings.engineId} claims after SIGTERM`)
      }
    }
    if (name === "start_sync_runs") {
      for (const { run_id } of args.p_starts as ReadonlyArray<{ run_id: string }>) {
        this.held.delete(run_id)
      }
    }
    if (name === "release_sync_claims") {
      for (const id of args.p_run_ids as ReadonlyArray<string>) this.held.delete(id)
    }
  }

  private atAnswer(name: string, text: string): void {
    if (name !== "claim_sync_runs") return
    const answer: { claimed: ReadonlyArray<{ run_id: string }> } = JSON.parse(text)
    for (const { run_id } of answer.claimed) this.held.add(run_id)
  }

  private checkStopped(): void {
    const { universe, settings } = this.options
    for (const id of this.held) {
      const run = universe.db.runs.get(id)
      if (run?.status === "pending" && run.claimed_by === settings.engineId) {
        universe.violate(16, `${settings.engineId} ended and kept ${run.idempotency_key}`)
      }
    }
  }

  private atTickEnd(exit: Exit.Exit<Summary>): void {
    const { universe, settings } = this.options
    if (Exit.isFailure(exit)) {
      if (!Exit.isInterrupted(exit)) {
        universe.violate(12, `${settings.engineId}: the tick failed: ${exit.cause}`)
      }
      return
    }
    const { due, triggered, skipped, completed, failed, unresolved, errors } = exit.value
    if (due !== triggered + skipped || triggered !== completed + failed + unresolved) {
      universe.violate(12, `${settings.engineId}: the summary does not add up`)
    }
    const defect = errors.find(({ code }) => code === "ENGINE_DEFECT")
    if (defect !== undefined) universe.violate(12, defect.message)
    if (due > 0 && JSON.stringify(exit.value).includes(universe.plantedSecret)) {
      universe.violate(15, `${settings.engineId}: the summary holds a secret`)
    }
  }
}
