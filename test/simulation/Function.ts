import { Effect } from "effect"
import type { Invocation } from "../../src/Domain/Run.ts"
import { VirtualProcess } from "../support/VirtualClock.ts"
import { FUNCTION_FAULTS, type FunctionFault } from "./Faults.ts"
import { Isolate } from "./Isolate.ts"
import type { CallEnd, Peer } from "./Network.ts"
import type { Universe } from "./Universe.ts"

/** An HTTP response, or how the connection ended without a response. */
export type Reply =
  | "NotSent"
  | "TimedOut"
  | "Disconnected"
  | {
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
    }

export interface Request {
  readonly invocation: Invocation
  readonly isDoubled: boolean
  /** When the platform kills the isolate, in ms after the request arrives. Null if it never does. */
  readonly diesAfterMs: number | null
}

export interface FunctionStyle {
  readonly isFenced: boolean
  /** Whether the function responds with 202 and reports its outcome later. */
  readonly isDeferred: boolean
  readonly leastMs: number
  readonly mostMs: number
}

/** Counts effects independently of the code under test. */
export interface Witness {
  readonly granted: (request: Request) => void
  readonly effect: (request: Request) => void
}

export interface Plan {
  readonly fault: FunctionFault | "none"
  readonly effectAfterMs: number
  readonly restMs: number
  readonly asksBeforeEffect: boolean
  readonly retryAfter: number | null
}

/** Hosts the functions, with a separate isolate for each request. */
export class FunctionHost {
  private readonly universe: Universe
  private readonly styleOf: (integrationId: string) => FunctionStyle
  private readonly witness: Witness
  private readonly workerMs: number
  private readonly isCut: () => boolean
  private readonly call: (
    peer: Peer,
    name: string,
    args: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    receive: (end: CallEnd) => void
  ) => void

  constructor(options: {
    readonly universe: Universe
    readonly styleOf: (integrationId: string) => FunctionStyle
    readonly witness: Witness
    /** A worker's time limit in ms. It must be shorter than the quiescence period. */
    readonly workerMs: number
    readonly isCut: () => boolean
    readonly call: FunctionHost["call"]
  }) {
    this.universe = options.universe
    this.styleOf = options.styleOf
    this.witness = options.witness
    this.workerMs = options.workerMs
    this.isCut = options.isCut
    this.call = options.call
  }

  /** Handles a request. Calls `answer` at most once; without that call, the connection stays open. */
  serve(request: Request, answer: (reply: Reply) => void): void {
    const { random, time } = this.universe
    const style = this.styleOf(request.invocation.run.integration_id)
    const process = new VirtualProcess(time, {
      seed: random.between(0, 2 ** 31),
      nextToken: random.uuid
    })
    const plan = this.plan(style)
    const end = () => process.kill()
    time.after(this.workerMs, end)
    if (request.diesAfterMs !== null) time.after(request.diesAfterMs, end)
    if (plan.fault === "crashes") {
      const ms = random.span(1, plan.effectAfterMs + plan.restMs + 2_000)
      time.after(ms, () => {
        if (!process.isAlive) return
        process.kill()
        answer("Disconnected")
      })
    }
    if (plan.fault === "freezes") {
      time.after(random.span(1, 60_000), () =>
        process.freeze(random.span(1_000, this.workerMs), "both")
      )
    }
    const peer: Peer = { process, name: "function", isCut: this.isCut }
    const isolate = new Isolate(
      this.universe,
      request,
      plan,
      this.witness,
      answer,
      (name, args, timeoutMs) =>
        Effect.async<CallEnd>((resume) =>
          this.call(peer, name, args, timeoutMs, (end) => resume(Effect.succeed(end)))
        )
    )
    const program = style.isFenced ? isolate.fenced(style) : isolate.unfenced(style)
    process.fork(program).addObserver(() => end())
  }

  private plan(style: FunctionStyle): Plan {
    const { random, faults, isFaulty } = this.universe
    const fault = isFaulty
      ? random.draw<FunctionFault | "none">(faults.handler, FUNCTION_FAULTS, "none")
      : "none"
    const workMs =
      fault === "overruns"
        ? random.between(Math.round(this.workerMs / 3), this.workerMs)
        : random.span(style.leastMs, style.mostMs)
    const effectAfterMs = Math.round(workMs * (random.between(0, 100) / 100))
    return {
      fault,
      effectAfterMs,
      restMs: workMs - effectAfterMs,
      asksBeforeEffect: random.chance(0.3),
      retryAfter: random.chance(0.3) ? random.span(1, 600) : null
    }
  }
}
