import type { Dice } from "./Dice.ts"

/**
 * What can go wrong with one call of the database.
 * refused: never connected · lostRequest: broken before it arrived · lostAnswer: carried out, then broken · garbled: carried
 * out, the answer unreadable · hangs: carried out, no answer until the client gives up · late: carried out after the client
 * gave up · slow: 1 to 25 s.
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

/** Where an engine dies around a call of a port: before it leaves, when it has left, when its answer is there. */
export const CRASH_POINTS = ["before", "sent", "answered"] as const
export type CrashPoint = (typeof CRASH_POINTS)[number]

/**
 * What can go wrong with one invocation, outside the function.
 * refused: never connected · lostRequest: broken before it arrived · lostAnswer: broken after it arrived · silent: no answer
 * comes · late: it arrives up to ten minutes later · doubled: it arrives twice · boot, throttled, notFound: the platform turns
 * it away · idle: 504 while the work goes on · killed, workerError: 546 and 500, the isolate dies at work · page: a proxy
 * answers with an HTML page and 200.
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
 * What a handler does other than its work.
 * crashes: its isolate dies at any moment · fails: before any effect · declines: did nothing, says so · loses: does not know
 * whether it took effect · overruns: works past its answer's deadline · stubborn: works on when it is told to stop · freezes:
 * its isolate stands still.
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

/** What happens from time to time: to engines, to the database, by the application, by an operator. */
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

/** One seed's own mix. Numbers are probabilities per occasion, or occurrences per hour. */
export interface FaultMix {
  readonly level: "none" | "light" | "some" | "heavy"
  readonly database: Readonly<Partial<Record<DatabaseFault, number>>>
  readonly crash: Readonly<Partial<Record<CrashPoint, number>>>
  readonly http: Readonly<Partial<Record<HttpFault, number>>>
  readonly handler: Readonly<Partial<Record<FunctionFault, number>>>
  readonly perHour: Readonly<Partial<Record<Disturbance, number>>>
  /** How often another session holds an integration's lock. */
  readonly locked: number
  /** How far engines' clocks are off at most. */
  readonly skewMs: number
}

const STRENGTH = { none: 0, light: 0.1, some: 0.5, heavy: 1 } as const

/** Swarm: every seed has its own kinds of faults, in its own strength. Some have few, some have none. */
export const drawFaults = (dice: Dice): FaultMix => {
  const level = dice.pick([
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
      const amount = dice.span(least * 1000, most * 1000) / 1000
      if (dice.chance(0.5)) drawn[name] = amount * strength
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
    locked: dice.chance(0.3) ? 0.1 * strength : 0,
    skewMs: dice.chance(0.5) ? Math.round(dice.span(10, 600_000) * strength) : 0
  }
}
