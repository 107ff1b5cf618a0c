import type { Request, Witness } from "./Function.ts"
import type { Universe } from "./Universe.ts"

export interface EffectSeen {
  readonly key: string
  readonly token: string
  readonly attempt: number
  readonly at: number
  readonly isDoubled: boolean
}

/** One attempt, identified by its lease token. */
export interface AttemptSeen {
  readonly runId: string
  readonly attempt: number
  readonly startedAt: number
  sentAt: number | null
  grants: number
  isDoubled: boolean
}

/** Counts effects per idempotency key and attempt, as observed inside the functions. Uses none of the scheduler's state. */
export class Oracle implements Witness {
  readonly effects = new Map<string, Array<EffectSeen>>()
  /** Attempts with a committed start, by lease token. */
  readonly attempts = new Map<string, AttemptSeen>()
  /** The most recently granted lease token, by idempotency key. */
  readonly lastGranted = new Map<string, string>()
  count = 0
  onGranted: (request: Request) => void = () => {}
  onEffect: (effect: EffectSeen, request: Request) => void = () => {}
  private readonly universe: Universe

  constructor(universe: Universe) {
    this.universe = universe
  }

  readonly granted = (request: Request): void => {
    const { run } = request.invocation
    this.universe.note("granted", run.idempotency_key, run.lease_token)
    const attempt = this.attempts.get(run.lease_token)
    if (attempt !== undefined) attempt.grants += 1
    this.onGranted(request)
    this.lastGranted.set(run.idempotency_key, run.lease_token)
  }

  readonly effect = (request: Request): void => {
    const { run } = request.invocation
    const effect: EffectSeen = {
      key: run.idempotency_key,
      token: run.lease_token,
      attempt: run.attempt,
      at: this.universe.time.now,
      isDoubled: request.isDoubled
    }
    this.universe.note("effect", effect.key, `attempt ${effect.attempt}`)
    this.count += 1
    const known = this.effects.get(effect.key)
    if (known === undefined) this.effects.set(effect.key, [effect])
    else known.push(effect)
    this.onEffect(effect, request)
  }

  of(key: string): ReadonlyArray<EffectSeen> {
    return this.effects.get(key) ?? []
  }
}
