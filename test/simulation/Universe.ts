import { format } from "../../src/Domain/Instant.ts"
import { MemoryDatabase } from "../support/MemoryDatabase.ts"
import { type Arguments, MemoryFunctions, Raised } from "../support/MemoryFunctions.ts"
import { VirtualClock } from "../support/VirtualClock.ts"
import { Dice } from "./Dice.ts"
import { drawFaults, type FaultMix } from "./Faults.ts"

/** A broken invariant: its number (see Invariants.ts), what was seen, and when. */
export interface Violation {
  readonly invariant: number
  readonly message: string
  readonly at: string
}

/** What every part of one simulated world shares: its time, its chance, its database, and the record of what happened. */
export class Universe {
  readonly time: VirtualClock
  readonly dice: Dice
  readonly faults: FaultMix
  readonly db: MemoryDatabase
  private readonly functions: MemoryFunctions
  /** Whether faults happen; at the end they no longer do. */
  isFaulty = true
  violation: Violation | null = null
  /** After every call that the database carried out. */
  afterCall: (name: string) => void = () => {}
  readonly lines: Array<string> | null
  private fingerprint = 0x811c9dc5
  private readonly secret: string

  constructor(seed: number, startsAt: number, options: { readonly trace: boolean }) {
    this.time = new VirtualClock(startsAt)
    this.dice = new Dice(seed)
    this.faults = drawFaults(this.dice)
    this.db = new MemoryDatabase(() => this.time.now, this.dice.uuid)
    this.functions = new MemoryFunctions(this.db)
    this.db.isLocked = () => this.isFaulty && this.dice.chance(this.faults.locked)
    this.lines = options.trace ? [] : null
    this.secret = `planted-secret-${seed}`
  }

  /** Carries out a SQL function, now. Null: it raised an error. */
  execute(name: string, args: Arguments): unknown {
    let answer: unknown = null
    try {
      answer = this.functions.call(name, args)
    } catch (error) {
      if (!(error instanceof Raised)) throw error
      this.note("raised", name, error.message)
    }
    this.afterCall(name)
    return answer
  }

  /** What may never be seen outside an integration's config. */
  get plantedSecret(): string {
    return this.secret
  }

  /** Records what happened: in the fingerprint always, as a line when traced. */
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

  /** A number that is the same only when everything noted is. */
  get traceHash(): string {
    return (this.fingerprint >>> 0).toString(16).padStart(8, "0")
  }

  /** Ends the world: an invariant does not hold. */
  violate(invariant: number, message: string): void {
    if (this.violation !== null) return
    this.violation = { invariant, message, at: format(this.time.now) }
    this.note("VIOLATION", `I${invariant}`, message)
    this.time.stop()
  }
}
