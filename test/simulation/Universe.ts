import { format } from "../../src/Domain/Instant.ts"
import { MemoryDatabase } from "../support/MemoryDatabase.ts"
import { type Arguments, MemoryFunctions, Raised } from "../support/MemoryFunctions.ts"
import { VirtualClock } from "../support/VirtualClock.ts"
import { drawFaults, type FaultMix } from "./Faults.ts"
import { RandomSource } from "./RandomSource.ts"

/** A violation of an invariant. `invariant` is a number from Invariants.ts. */
export interface Violation {
  readonly invariant: number
  readonly message: string
  readonly at: string
}

/** The shared state of one simulated world. */
export class Universe {
  readonly time: VirtualClock
  readonly random: RandomSource
  readonly faults: FaultMix
  readonly db: MemoryDatabase
  private readonly functions: MemoryFunctions
  /** Whether faults happen. False during the recovery at the end. */
  isFaulty = true
  violation: Violation | null = null
  /** Called after every executed call, even after an error. */
  afterCall: (name: string) => void = () => {}
  /** Called after every successful call. */
  onAnswer: (name: string, args: Arguments, answer: unknown) => void = () => {}
  /** Integrations that a call found locked by another session. */
  readonly locked = new Set<string>()
  readonly lines: Array<string> | null
  private fingerprint = 0x811c9dc5
  private readonly secret: string

  constructor(seed: number, startsAt: number, options: { readonly trace: boolean }) {
    this.time = new VirtualClock(startsAt)
    this.random = new RandomSource(seed)
    this.faults = drawFaults(this.random)
    this.db = new MemoryDatabase(() => this.time.now, this.random.uuid)
    this.functions = new MemoryFunctions(this.db)
    this.db.isLocked = (id) => {
      const isLocked = this.isFaulty && this.random.chance(this.faults.locked)
      if (isLocked) this.locked.add(id)
      return isLocked
    }
    this.lines = options.trace ? [] : null
    this.secret = `planted-secret-${seed}`
  }

  /** Executes an SQL function. Returns null after an error. */
  execute(name: string, args: Arguments): unknown {
    let answer: unknown = null
    this.locked.clear()
    try {
      answer = this.functions.call(name, args)
      this.onAnswer(name, args, answer)
    } catch (error) {
      if (!(error instanceof Raised)) throw error
      this.note("raised", name, error.message)
    }
    this.afterCall(name)
    return answer
  }

  /** A secret in an integration's config. It must not appear anywhere else. */
  get plantedSecret(): string {
    return this.secret
  }

  /** Adds an event to the fingerprint and, if tracing is enabled, to the trace. */
  note(kind: string, subject: string, detail = ""): void {
    let hash = this.fingerprint ^ this.time.now
    for (const text of [kind, subject, detail]) {
      for (let at = 0; at < text.length; at++) {
        hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
      }
      hash = Math.imul(hash ^ 31, 0x01000193)
    }
    this.fingerprint = hash
    this.lines?.push(`${format(this.time.now).slice(11)} ${kind} ${subject} ${detail}`)
  }

  get traceHash(): string {
    return (this.fingerprint >>> 0).toString(16).padStart(8, "0")
  }

  violate(invariant: number, message: string): void {
    if (this.violation !== null) return
    this.violation = { invariant, message, at: format(this.time.now) }
    this.note("VIOLATION", `I${invariant}`, message)
    this.time.stop()
  }
}
