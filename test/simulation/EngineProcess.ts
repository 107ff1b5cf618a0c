import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
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
import { VirtualProcess } from "../support/VirtualClock.ts"
import type { Checker } from "./Checker.ts"
import type { EnginePeer, Network } from "./Network.ts"
import type { Universe } from "./Universe.ts"

type Services = Lock | Ledger | Invoker | EngineConfig | Supabase

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

/** The production engine with a simulated Supabase API and simulated Edge Functions. */
export class EngineProcess {
  readonly process: VirtualProcess
  private readonly options: ProcessOptions
  private readonly peer: EnginePeer
  private readonly built: Fiber.RuntimeFiber<Context.Context<Services>>
  private readonly ticks = new Set<Fiber.RuntimeFiber<Summary>>()
  private readonly claimTokens = new Set<string>()
  /** Runs that this engine has claimed but neither started nor released. */
  private readonly held = new Set<string>()
  private stoppedAt: number | null = null
  private inFlight = 0

  constructor(options: ProcessOptions) {
    const { universe, settings, network } = options
    this.options = options
    this.process = new VirtualProcess(universe.time, {
      seed: universe.random.between(0, 2 ** 31),
      nextToken: universe.random.uuid,
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
    const ports = Context.make(EngineConfig, settings).pipe(
      Context.add(Supabase, supabase),
      Context.add(Invoker, invoker)
    )
    const layer = Layer.mergeAll(LockLive.layer, LedgerLive.layer).pipe(
      Layer.provideMerge(Layer.succeedContext(ports))
    )
    this.built = this.process.fork(
      Effect.flatMap(Scope.make(), (scope) => Layer.buildWithScope(layer, scope))
    )
  }

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

  /** Sends SIGTERM. The process ends when its last fiber has ended. */
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

  /** Sends SIGKILL. */
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
        universe.violate(16, `${settings.engineId} claimed after SIGTERM`)
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
        universe.violate(16, `${settings.engineId} ended without releasing ${run.idempotency_key}`)
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
      universe.violate(15, `${settings.engineId}: the summary contains a secret`)
    }
  }
}
