import { Context, Effect, Fiber, Layer, Scope } from "effect"
import { defaultEngineSettings, EngineConfig } from "../../src/Config.ts"
import { InvokeError } from "../../src/Domain/Errors.ts"
import type { Outcome } from "../../src/Domain/Outcome.ts"
import { MAX_BATCH } from "../../src/Engine/TickFrame.ts"
import * as Engine from "../../src/Engine.ts"
import * as LedgerLive from "../../src/Layers/LedgerLive.ts"
import * as LockLive from "../../src/Layers/LockLive.ts"
import { Invoker } from "../../src/Services/Invoker.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { type IntegrationRow, MemoryDatabase } from "../support/MemoryDatabase.ts"
import { MemoryFunctions } from "../support/MemoryFunctions.ts"
import { memorySupabase } from "../support/MemorySupabase.ts"
import { VirtualClock, VirtualProcess } from "../support/VirtualClock.ts"
import { RandomSource } from "./RandomSource.ts"

const MINUTE = 60_000
const MINUTES = 20
const MAX_EVENTS = 20_000_000
/** The number of integrations that belong to the other organisations. */
const OTHERS = 20
/** The duration of one of their runs in ms, including the database calls. */
const OTHERS_RUN_MS = 300
/**
 * The maximum delay that one organisation may cause another, in ms. The tick polls again after up to 5 s. Then the
 * other organisations may have only one permit, so that their runs execute one after another.
 */
export const BOUND_MS = 5_000 + OTHERS * OTHERS_RUN_MS
/** The duration of a database call, in ms. */
const CALL_MS = 5

export interface Misbehaviour {
  readonly name: string
  /** `now` is the world's first instant. */
  readonly rows: (now: number) => ReadonlyArray<Partial<IntegrationRow>>
  readonly behave: Effect.Effect<Outcome, InvokeError>
  /** The duration of the other organisations' functions, in ms; 200 by default. */
  readonly othersMs?: number
  /** The maximum delay of another organisation, in ms; BOUND_MS by default. */
  readonly boundMs?: number
}

const times = (count: number, row: Partial<IntegrationRow>) =>
  Array.from({ length: count }, () => row)
const completed: Outcome = { _tag: "Completed", httpStatus: 200, response: null }
const after = (ms: number) => Effect.as(Effect.sleep(ms), completed)
const timedOut = Effect.zipRight(
  Effect.sleep(155_000),
  Effect.fail(new InvokeError({ reason: "TimedOut", detail: "simulated" }))
)

const throttled = Effect.succeed<Outcome>({
  _tag: "NotExecuted",
  httpStatus: 429,
  code: "HTTP_429",
  message: "slow down",
  retryAfterMs: 3_600_000
})

export const MISBEHAVIOURS: ReadonlyArray<Misbehaviour> = [
  { name: "nothing at all", rows: () => [], behave: after(200) },
  {
    name: "six integrations every minute, catch_up = all, two hours behind",
    rows: (now) =>
      times(6, { sync_schedule: "* * * * *", catch_up: "all", next_run_at: now - 2 * 60 * MINUTE }),
    behave: after(1_000)
  },
  {
    // After the first second, the other organisations can use all permits but one.
    name: "six integrations every minute, catch_up = all, and all runs take 1 s",
    rows: (now) =>
      times(6, { sync_schedule: "* * * * *", catch_up: "all", next_run_at: now - 2 * 60 * MINUTE }),
    behave: after(1_000),
    othersMs: 1_000,
    boundMs: 1_100 + (OTHERS * 1_100) / (defaultEngineSettings.concurrency - 1)
  },
  {
    name: "2,000 integrations due at the same instant, with runs of 1 s",
    rows: (now) => times(2_000, { sync_schedule: "0 * * * *", next_run_at: now }),
    behave: after(1_000)
  },
  {
    name: "100 integrations every minute whose functions never respond",
    rows: (now) => times(100, { sync_schedule: "* * * * *", next_run_at: now }),
    behave: timedOut
  },
  {
    name: "100 integrations every 5 minutes whose functions return 429 with a Retry-After of an hour",
    rows: (now) => times(100, { sync_schedule: "*/5 * * * *", next_run_at: now }),
    behave: throttled
  },
  {
    // Ten 429 responses arrive before another organisation's first response.
    name: "100 integrations every 5 minutes that answer 429, while the runs of the others take 1 s",
    rows: (now) => times(100, { sync_schedule: "*/5 * * * *", next_run_at: now }),
    behave: throttled,
    othersMs: 1_000,
    boundMs: BOUND_MS + OTHERS * 1_000
  },
  {
    name: "500 integrations every minute that fail immediately",
    rows: (now) => times(500, { sync_schedule: "* * * * *", next_run_at: now }),
    behave: Effect.succeed({
      _tag: "Failed",
      httpStatus: 500,
      code: "BROKEN",
      message: "broken",
      response: null
    })
  },
  {
    name: "500 integrations whose schedule cannot be computed",
    rows: (now) => times(500, { sync_schedule: "61 * * * *", next_run_at: now }),
    behave: after(200)
  }
]

/** The maximum number of claimed runs that wait: a batch, plus one for each worker and each of the other integrations. */
export const WAITING_BOUND = MAX_BATCH + defaultEngineSettings.concurrency + OTHERS

export interface TenantCosts {
  /** The delays of the other organisations' runs, in ms, ascending. */
  readonly delays: ReadonlyArray<number>
  /** The maximum number of claimed runs that waited at the same time. */
  readonly mostWaiting: number
}

/** Simulates 20 minutes of one engine. */
export const playTenants = (
  seed: number,
  { behave, othersMs = 200, rows }: Misbehaviour
): TenantCosts => {
  const random = new RandomSource(seed)
  const startsAt = Date.UTC(2026, 10, 24, 2, 0, 0)
  const time = new VirtualClock(startsAt - 1)
  const db = new MemoryDatabase(() => time.now, random.uuid)
  const bad = random.uuid()
  for (const row of rows(startsAt)) {
    db.seed({ id: random.uuid(), org_id: bad, schedule_since: startsAt - MINUTE, ...row })
  }
  for (let n = 0; n < OTHERS / 2; n++) {
    const org_id = random.uuid()
    for (let each = 0; each < 2; each++) {
      const first = startsAt + random.between(0, 4) * MINUTE
      const sync_schedule = random.pick(["*/2 * * * *", "*/5 * * * *", "* * * * *"])
      const row = { org_id, sync_schedule, next_run_at: first, schedule_since: first - 1 }
      db.seed({ id: random.uuid(), integration_type: `vendor-${n}`, ...row })
    }
  }
  let mostWaiting = 0
  const noteWaiting = Effect.sync(() => {
    const waiting = [...db.live.values()].filter(({ status }) => status === "pending")
    mostWaiting = Math.max(
      mostWaiting,
      waiting.filter(({ not_before }) => not_before === null).length
    )
  })
  const process = new VirtualProcess(time, { seed, nextToken: random.uuid })
  const ports = Context.make(EngineConfig, { engineId: "engine-1", ...defaultEngineSettings }).pipe(
    Context.add(
      Supabase,
      memorySupabase(new MemoryFunctions(db), (name, execute) =>
        Effect.delay(execute, CALL_MS).pipe(
          Effect.tap(name === "claim_sync_runs" ? noteWaiting : Effect.void)
        )
      )
    ),
    Context.add(
      Invoker,
      Invoker.of({
        invoke: ({ run }) => (run.org_id === bad ? behave : after(othersMs)),
        warmUp: () => Effect.succeed({ latencyMs: 20, ok: true, cold: false, detail: null })
      })
    )
  )
  const layer = Layer.mergeAll(LockLive.layer, LedgerLive.layer).pipe(
    Layer.provideMerge(Layer.succeedContext(ports))
  )
  const built = process.fork(
    Effect.flatMap(Scope.make(), (scope) => Layer.buildWithScope(layer, scope))
  )
  // Ticks like `serve`: at every full minute, or immediately after a longer tick.
  const tick = (): void => {
    const beganAt = time.now
    const fiber = process.fork(
      Effect.flatMap(Fiber.join(built), (context) => Effect.provide(Engine.tick(), context))
    )
    fiber.addObserver(() => {
      const next = Math.floor(beganAt / MINUTE) * MINUTE + MINUTE
      time.at(Math.max(next, time.now), tick)
    })
  }
  time.at(startsAt, tick)
  const end = startsAt + MINUTES * MINUTE
  time.runUntil(end, MAX_EVENTS)

  const delays: Array<number> = []
  for (const run of db.runs.values()) {
    if (run.org_id !== bad) delays.push((run.started_at ?? end) - run.scheduled_for)
  }
  for (const row of db.integrations.values()) {
    const isWaiting = row.org_id !== bad && row.next_run_at !== null && row.next_run_at < end
    if (isWaiting) delays.push(end - (row.next_run_at ?? end))
  }
  return { delays: delays.toSorted((a, b) => a - b), mostWaiting }
}
