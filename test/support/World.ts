import { Effect, Layer } from "effect"
import { defaultEngineSettings, EngineConfig, type EngineSettings } from "../../src/Config.ts"
import type { InvokeError } from "../../src/Domain/Errors.ts"
import type { Outcome } from "../../src/Domain/Outcome.ts"
import type { Invocation } from "../../src/Domain/Run.ts"
import * as LedgerLive from "../../src/Layers/LedgerLive.ts"
import * as LockLive from "../../src/Layers/LockLive.ts"
import { Invoker, type WarmUp } from "../../src/Services/Invoker.ts"
import type { Ledger } from "../../src/Services/Ledger.ts"
import type { Lock } from "../../src/Services/Lock.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { type IntegrationRow, MemoryDatabase, type RunRow } from "./MemoryDatabase.ts"
import { MemoryFunctions } from "./MemoryFunctions.ts"
import { type Carrier, memorySupabase } from "./MemorySupabase.ts"

export const completed: Outcome = { _tag: "Completed", httpStatus: 200, response: { ok: true } }

export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

/** Everything outside the engine, in memory. Tests set up the world, run the engine, and inspect the world. */
export class World {
  readonly db: MemoryDatabase
  readonly functions: MemoryFunctions
  readonly invocations: Array<Invocation> = []
  inFlight = 0
  peakInFlight = 0
  /** By default, a run takes 100 ms and succeeds. */
  behave: (invocation: Invocation) => Effect.Effect<Outcome, InvokeError> = () =>
    Effect.as(Effect.sleep("100 millis"), completed)
  warm: (functionName: string | null) => Effect.Effect<WarmUp> = () =>
    Effect.succeed({ latencyMs: 5, ok: true, cold: false, detail: null })
  carry: Carrier = (_name, execute) => execute
  private ids = 0

  constructor(now: () => number) {
    this.db = new MemoryDatabase(now, () => uuid(900_000 + ++this.ids))
    this.functions = new MemoryFunctions(this.db)
  }

  /** Each integration has a slot that has been due for `dueForMs`. */
  seedDue(
    count: number,
    dueForMs = 1_000,
    row: Partial<IntegrationRow> = {}
  ): ReadonlyArray<IntegrationRow> {
    return Array.from({ length: count }, (_, n) =>
      this.db.seed({ id: uuid(n + 1), next_run_at: this.db.now() - dueForMs, ...row })
    )
  }

  get runs(): ReadonlyArray<RunRow> {
    return [...this.db.runs.values()]
  }

  get invoker(): typeof Invoker.Service {
    return Invoker.of({
      invoke: (invocation) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            this.invocations.push(invocation)
            this.inFlight += 1
            this.peakInFlight = Math.max(this.peakInFlight, this.inFlight)
          }),
          () => this.behave(invocation),
          () => Effect.sync(() => (this.inFlight -= 1))
        ),
      warmUp: (functionName) => this.warm(functionName)
    })
  }

  /** Returns the real Lock and Ledger, and in-memory versions of everything behind them. */
  engine(
    settings: Partial<EngineSettings> = {}
  ): Layer.Layer<Lock | Ledger | Invoker | EngineConfig | Supabase> {
    const config = Layer.succeed(EngineConfig, {
      engineId: "engine-1",
      ...defaultEngineSettings,
      ...settings
    })
    const supabase = Layer.succeed(
      Supabase,
      memorySupabase(this.functions, (name, execute, args) => this.carry(name, execute, args))
    )
    return Layer.mergeAll(LockLive.layer, LedgerLive.layer).pipe(
      Layer.provideMerge(Layer.mergeAll(config, supabase, Layer.succeed(Invoker, this.invoker)))
    )
  }
}

/** The test's clock starts at 2026-11-24T02:00:00Z. */
export const makeWorld: Effect.Effect<World> = Effect.map(Effect.clock, (clock) => {
  const world = new World(() => clock.unsafeCurrentTimeMillis())
  return world
})

export const startOfTime = Date.UTC(2026, 10, 24, 2, 0, 0)
