import type { EngineSettings } from "../../src/Config.ts"
import type { FreezeSeenBy } from "../support/VirtualClock.ts"
import type { Checker } from "./Checker.ts"
import { EngineProcess } from "./EngineProcess.ts"
import type { Network } from "./Network.ts"
import type { Universe } from "./Universe.ts"

/** A machine that ticks every minute, in one process or in a new process for each tick. */
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
  private isRetired = false
  private born = 0
  ticks = 0

  constructor(
    universe: Universe,
    network: Network,
    checker: Checker,
    settings: Omit<EngineSettings, "engineId">,
    name: string
  ) {
    const { random, faults } = universe
    this.universe = universe
    this.network = network
    this.checker = checker
    this.settings = settings
    this.name = name
    this.kind = random.pick(["serve", "serve", "serve", "timer"])
    this.mayOverlap = random.chance(0.4)
    this.phaseMs = random.between(0, 20_000)
    this.seenBy = random.pick(["both", "both", "wall", "monotonic"])
    this.skewMs = random.between(-faults.skewMs, faults.skewMs)
  }

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
    if (this.isRetired || now < this.downUntil || now < this.frozenUntil) return
    const isTimer = this.kind === "timer"
    const current = isTimer ? undefined : [...this.running].find((engine) => engine.isUsable)
    const engine = current ?? this.boot()
    if (!engine.isBusy || this.mayOverlap) engine.tick(isTimer)
    if (this.mayOverlap && !isTimer && this.universe.random.chance(0.4)) engine.tick(false)
  }

  private boot(): EngineProcess {
    const { random } = this.universe
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
        if (wasKilled) this.downFor(random.span(1_000, 300_000))
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

  /** Sends SIGTERM, sometimes twice. */
  stop(): void {
    const { random, time } = this.universe
    const stopping = [...this.running]
    for (const engine of stopping) engine.stop()
    this.downFor(random.span(1_000, 120_000))
    if (random.chance(0.3)) {
      time.after(random.span(100, 60_000), () => {
        for (const engine of stopping) engine.die("second signal")
      })
    }
  }

  /** Sends SIGTERM, and starts no more engines. */
  retire(): void {
    this.isRetired = true
    for (const engine of [...this.running]) engine.stop()
  }

  freeze(ms: number): void {
    this.frozenUntil = this.universe.time.now + ms
    for (const engine of this.running) engine.process.freeze(ms, this.seenBy)
    if (this.seenBy === "monotonic") this.skewMs -= ms
  }

  partition(ms: number): void {
    this.cutUntil = this.universe.time.now + ms
  }

  /** Sets the wall clock's offset in ms. If freezes stop only the monotonic clock, the offset never decreases. */
  setClock(offsetMs: number): void {
    if (this.seenBy === "wall" && offsetMs < this.skewMs) return
    this.skewMs = offsetMs
    for (const engine of this.running) engine.process.setWall(offsetMs)
  }

  get isIdle(): boolean {
    return [...this.running].every((engine) => !engine.isBusy)
  }
}
