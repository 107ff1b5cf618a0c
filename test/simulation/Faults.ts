import type { RandomSource } from "./RandomSource.ts"

/**
 * Faults in one database call:
 * - refused: never connected
 * - lostRequest: the connection broke before the request arrived
 * - lostAnswer: executed, then the connection broke
 * - garbled: executed, with an unreadable response
 * - hangs: executed, without a response until the client times out
 * - late: executed after the client timed out
 * - slow: takes 1 to 25 s
 */
export const DATABASE_FAULTS = [
  "refused",
  "lostRequest",
  "lostAnswer",
  "garbled",
  "hangs",
  "late",
  "slow"
] as const
export type DatabaseFault = (typeof DATABASE_FAULTS)[number]

/** When an engine dies during a call: before it sends the request, after it sends the request, or after the response arrives. */
export const CRASH_POINTS = ["before", "sent", "answered"] as const
export type CrashPoint = (typeof CRASH_POINTS)[number]

/**
 * Faults between the engine and the function, or in the function's platform:
 * - refused: never connected
 * - lostRequest: the connection broke before the request arrived
 * - lostAnswer: the connection broke after the request arrived
 * - silent: no response
 * - late: the request arrives up to ten minutes later
 * - doubled: the request arrives twice
 * - boot, throttled, notFound: the platform rejects the request
 * - idle: the platform responds with 504 while the function continues
 * - killed, workerError: the isolate dies during the run, and the platform responds with 546 or 500
 * - page: a proxy responds with 200 and an HTML page
 */
export const HTTP_FAULTS = [
  "refused",
  "lostRequest",
  "lostAnswer",
  "silent",
  "late",
  "doubled",
  "boot",
  "throttled",
  "notFound",
  "idle",
  "killed",
  "workerError",
  "page"
] as const
export type HttpFault = (typeof HTTP_FAULTS)[number]

/**
 * What a function does wrong:
 * - crashes: its isolate dies at a random moment
 * - fails: fails before any effect
 * - declines: reports that it did nothing
 * - loses: reports that its outcome is unknown
 * - overruns: works past its response deadline
 * - stubborn: continues after a request to stop
 * - freezes: its isolate is frozen
 */
export const FUNCTION_FAULTS = [
  "crashes",
  "fails",
  "declines",
  "loses",
  "overruns",
  "stubborn",
  "freezes"
] as const
export type FunctionFault = (typeof FUNCTION_FAULTS)[number]

/** Engine faults, database faults, and edits by the application or an operator. */
export const DISTURBANCES = [
  "partition",
  "outage",
  "freeze",
  "clockStep",
  "stop",
  "crash",
  "edit",
  "editTwice",
  "toggle",
  "rewind",
  "remove",
  "retry",
  "release",
  "trigger",
  "triggerAtSlot",
  "pause",
  "resume"
] as const
export type Disturbance = (typeof DISTURBANCES)[number]

/** `perHour` contains the expected occurrences per hour. The other records contain probabilities. */
export interface FaultMix {
  readonly level: "none" | "light" | "some" | "heavy"
  readonly database: Readonly<Partial<Record<DatabaseFault, number>>>
  readonly crash: Readonly<Partial<Record<CrashPoint, number>>>
  readonly http: Readonly<Partial<Record<HttpFault, number>>>
  readonly handler: Readonly<Partial<Record<FunctionFault, number>>>
  readonly perHour: Readonly<Partial<Record<Disturbance, number>>>
  /** The probability that another session holds an integration's lock. */
  readonly locked: number
  readonly skewMs: number
}

const STRENGTH = { none: 0, light: 0.1, some: 0.5, heavy: 1 } as const

/** Draws the kinds and rates of faults for a seed (swarm testing). Some seeds have few faults or none. */
export const drawFaults = (random: RandomSource): FaultMix => {
  const level = random.pick([
    "none",
    "light",
    "light",
    "light",
    "light",
    "some",
    "some",
    "some",
    "some",
    "some",
    "some",
    "heavy",
    "heavy",
    "heavy"
  ] as const)
  const strength = STRENGTH[level]
  const mix = <Name extends string>(names: ReadonlyArray<Name>, least: number, most: number) => {
    const drawn: Partial<Record<Name, number>> = {}
    for (const name of names) {
      const amount = random.span(least * 1000, most * 1000) / 1000
      if (random.chance(0.5)) drawn[name] = amount * strength
    }
    return drawn
  }
  return {
    level,
    database: mix(DATABASE_FAULTS, 0.005, 0.1),
    crash: mix(CRASH_POINTS, 0.002, 0.03),
    http: mix(HTTP_FAULTS, 0.01, 0.12),
    handler: mix(FUNCTION_FAULTS, 0.02, 0.2),
    perHour: mix(DISTURBANCES, 1, 20),
    locked: random.chance(0.3) ? 0.1 * strength : 0,
    skewMs: random.chance(0.5) ? Math.round(random.span(10, 600_000) * strength) : 0
  }
}
