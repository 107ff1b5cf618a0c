import { describe, expect } from "bun:test"
import { Effect, Either, Fiber, TestClock } from "effect"
import { defaultEngineSettings, EngineConfig } from "../../src/Config.ts"
import { SupabaseError } from "../../src/Domain/Errors.ts"
import { type IdleOptions, openFirst } from "../../src/Engine/IdleTick.ts"
import * as Engine from "../../src/Engine.ts"
import { Supabase } from "../../src/Services/Supabase.ts"
import { SCHEMA_VERSION } from "../../src/Version.ts"
import { it } from "../support/it.ts"
import { makeWorld, startOfTime, uuid } from "../support/World.ts"

const now = "2026-11-24T02:00:00.000Z"
const at = Date.parse(now)
const minutes = (n: number) => new Date(at + n * 60_000).toISOString()

const xledger = { integration_type: "xledger", health_url: null, health_method: "HEAD" }
const source = {
  integration_type: "own",
  health_url: "https://books.example.com/health",
  health_method: "GET"
}
const health = {
  provider: "generic",
  host: "books.example.com/health",
  consecutive_failures: 0,
  next_probe_at: minutes(5),
  passive_until: null,
  last_probe_at: minutes(-20),
  last_sync_at: null
}
const apis = { now, sources: [source], health: [health] }
const idle = {
  now,
  schema_version: SCHEMA_VERSION,
  idle: true,
  clock_skew_open: false,
  warm_ups: [],
  alerts: false,
  apis
}

const open = (answer: unknown, options: Partial<IdleOptions> = {}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(at)
    return yield* openFirst({
      tickId: uuid(1),
      scope: {},
      alerts: true,
      probes: true,
      ...options
    }).pipe(
      Effect.provideService(
        Supabase,
        Supabase.of({ call: (rpc) => Effect.orDie(Either.mapLeft(rpc.decode(answer), String)) })
      ),
      Effect.provideService(EngineConfig, { ...defaultEngineSettings, engineId: "engine-1" })
    )
  })

describe("the first call of a process", () => {
  it("is sufficient for an idle tick, and gives the engine's summary", () =>
    Effect.gen(function* () {
      const world = yield* Effect.zipRight(TestClock.setTime(startOfTime), makeWorld)
      const layer = world.engine({ engineId: "engine-1" })
      const own = { tickId: uuid(1), scope: {}, alerts: true, probes: false }
      const opening = yield* Effect.provide(openFirst(own), layer)
      const ofEngine = yield* Effect.provide(Engine.tick({ tickId: uuid(1) }), layer)
      expect(opening).toEqual({ _tag: "Idle", summary: ofEngine, areProbesDue: false })
    }))

  for (const [title, change] of [
    ["something is due", { idle: false }],
    ["the schema has another version", { schema_version: "20990101000000" }],
    ["the clocks differ", { now: minutes(1) }],
    ["an incident about the clock is open", { clock_skew_open: true }],
    ["a function can be warmed up", { warm_ups: [{ function_name: null, next_run_at: now }] }],
    ["an alert can be sent", { alerts: true }],
    ["the database does not report alerts", { alerts: undefined }],
    ["the time cannot be read", { now: "soon" }]
  ] as const) {
    it(`leaves the tick to the engine if ${title}`, () =>
      Effect.gen(function* () {
        const answer = { ...idle, ...change }
        expect(yield* open(answer)).toEqual({
          _tag: "Busy",
          attempt: { askedAt: at, answeredAt: at, answer: Either.right(answer) }
        })
      }))
  }

  for (const answer of [null, "text", [], {}]) {
    it(`leaves the answer ${JSON.stringify(answer)} to the engine`, () =>
      Effect.gen(function* () {
        expect(yield* open(answer)).toMatchObject({ _tag: "Busy" })
      }))
  }

  it("ignores pending alerts if the process sends none", () =>
    Effect.gen(function* () {
      expect(yield* open({ ...idle, alerts: true }, { alerts: false })).toMatchObject({
        _tag: "Idle"
      })
    }))

  for (const [title, given, areProbesDue] of [
    ["no API is due", apis, false],
    ["an API has no integration", { ...apis, sources: [] }, false],
    [
      "the API of an integration is unknown",
      { ...apis, sources: [{ ...source, health_url: null }] },
      false
    ],
    ["an API is new", { ...apis, sources: [source, xledger] }, true],
    ["an API is due", { ...apis, health: [{ ...health, next_probe_at: minutes(-1) }] }, true],
    [
      "an API was due, but a sync has just reached it",
      { ...apis, health: [{ ...health, next_probe_at: null, last_sync_at: minutes(-1) }] },
      false
    ],
    ["the health cannot be read", { ...apis, health: [{ provider: "own" }] }, true],
    ["an integration cannot be read", { ...apis, sources: [{ integration_type: 1 }] }, true],
    ["the database does not report the APIs", null, true]
  ] as const) {
    it(`decides about probes if ${title}`, () =>
      Effect.gen(function* () {
        expect(yield* open({ ...idle, apis: given })).toMatchObject({ _tag: "Idle", areProbesDue })
        expect(yield* open({ ...idle, apis: given }, { probes: false })).toMatchObject({
          areProbesDue: false
        })
      }))
  }
})

describe("the engine after the first call of a process", () => {
  /** Opens a tick without the engine, and then runs it with the engine. Returns the summary and the number of opening calls. */
  const runAfterFirst = (fails: number) =>
    Effect.gen(function* () {
      const world = yield* Effect.zipRight(TestClock.setTime(startOfTime), makeWorld)
      world.seedDue(1)
      let calls = 0
      world.carry = (name, execute) =>
        name !== "open_sync_tick"
          ? execute
          : Effect.suspend(() => (++calls <= fails ? Effect.fail(away) : execute))
      const layer = world.engine({ engineId: "engine-1" })
      const tickId = uuid(1)
      const opening = yield* openFirst({ tickId, scope: {}, alerts: false, probes: false }).pipe(
        Effect.provide(layer)
      )
      if (opening._tag === "Idle") return { summary: opening.summary, calls }
      const fiber = yield* Effect.fork(
        Engine.tick({ tickId, firstAttempt: opening.attempt }).pipe(Effect.provide(layer))
      )
      yield* TestClock.adjust("10 minutes")
      return { summary: yield* Fiber.join(fiber), calls }
    })

  const away = new SupabaseError({
    operation: "open_sync_tick",
    reason: "NotExecuted",
    code: "PGRST002",
    detail: "away"
  })

  it("continues with the work that the call reserved, without a second call", () =>
    Effect.gen(function* () {
      const { calls, summary } = yield* runAfterFirst(0)
      expect(summary).toMatchObject({ due: 1, completed: 1, errors: [], started_at: startOfTime })
      expect(calls).toBe(1)
    }))

  it("waits for a database that did not answer the call", () =>
    Effect.gen(function* () {
      const { calls, summary } = yield* runAfterFirst(3)
      expect(summary).toMatchObject({ due: 1, completed: 1, errors: [] })
      expect(calls).toBe(4)
    }))

  it("reports a database that never answers, like an engine that made the call itself", () =>
    Effect.gen(function* () {
      const { summary } = yield* runAfterFirst(Number.POSITIVE_INFINITY)
      expect(summary).toMatchObject({ ok: false, errors: [{ code: "SUPABASE_UNREACHABLE" }] })
    }))
})
