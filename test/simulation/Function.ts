import { Effect } from "effect"
import type { Invocation } from "../../src/Domain/Run.ts"
import { VirtualProcess } from "../support/VirtualClock.ts"
import { FUNCTION_FAULTS, type FunctionFault } from "./Faults.ts"
import { Isolate } from "./Isolate.ts"
import type { CallEnd, Peer } from "./Network.ts"
import type { Universe } from "./Universe.ts"

/** An HTTP answer, or how the connection ended without one. */
export type Reply =
  | "NotSent"
  | "TimedOut"
  | "Disconnected"
  | {
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
    }

/** An invocation as it arrives at a function. */
export interface Request {
  readonly invocation: Invocation
  /** The network delivers it twice. */
  readonly isDoubled: boolean
  /** The platform kills the isolate so long after the arrival. */
  readonly diesAfterMs: number | null
}

/** How an integration's function is written. */
export interface FunctionStyle {
  readonly isFenced: boolean
  /** Answers 202 and reports by token. */
  readonly isDeferred: boolean
  readonly leastMs: number
  readonly mostMs: number
}

/** Where effects are counted, outside of everything that is tested. */
export interface Witness {
  readonly granted: (request: Request) => void
  readonly effect: (request: Request) => void
}

/** What the handler of one request is going to do. */
export interface Plan {
  readonly fault: FunctionFault | "none"
  readonly effectAfterMs: number
  readonly restMs: number
  readonly asksBeforeEffect: boolean
  readonly retryAfter: number | null
}

/** The isolates of the Integration Edge Functions: each request in one of its own. */
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
    /** The wall clock of a worker: whatever it does, it is over then, before its silence counts as quiescence. */
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

  /** A request arrives. `answer` may be called once; when it is never, the connection stays silent. */
  serve(request: Request, answer: (reply: Reply) => void): void {
    const { dice, time } = this.universe
    const style = this.styleOf(request.invocation.run.integration_id)
    const process = new VirtualProcess(time, {
      seed: dice.between(0, 2 ** 31),
      nextToken: dice.uuid
    })
    const plan = this.plan(style)
    const end = () => process.kill()
    time.after(this.workerMs, end)
    if (request.diesAfterMs !== null) time.after(request.diesAfterMs, end)
    if (plan.fault === "crashes") {
      const ms = dice.span(1, plan.effectAfterMs + plan.restMs + 2_000)
      time.after(ms, () => {
        if (!process.isAlive) return
        process.kill()
        answer("Disconnected")
      })
    }
    if (plan.fault === "freezes") {
      time.after(dice.span(1, 60_000), () =>
        process.freeze(dice.span(1_000, this.workerMs), "both")
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
    const { dice, faults, isFaulty } = this.universe
    const fault = isFaulty
      ? dice.draw<FunctionFault | "none">(faults.handler, FUNCTION_FAULTS, "none")
      : "none"
    const workMs =
      fault === "overruns"
        ? dice.between(Math.round(this.workerMs / 3), this.workerMs)
        : dice.span(style.leastMs, style.mostMs)
    const effectAfterMs = Math.round(workMs * (dice.between(0, 100) / 100))
    return {
      fault,
      effectAfterMs,
      restMs: workMs - effectAfterMs,
      asksBeforeEffect: dice.chance(0.3),
      retryAfter: dice.chance(0.3) ? dice.span(1, 600) : null
    }
  }
}
