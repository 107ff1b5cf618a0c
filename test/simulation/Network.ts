import { Effect } from "effect"
import { InvokeError, SupabaseError } from "../../src/Domain/Errors.ts"
import { judge, type Outcome } from "../../src/Domain/Outcome.ts"
import type { Invocation } from "../../src/Domain/Run.ts"
import type { Arguments } from "../support/MemoryFunctions.ts"
import { type Carrier, rejected } from "../support/MemorySupabase.ts"
import type { VirtualProcess } from "../support/VirtualClock.ts"
import { CRASH_POINTS, DATABASE_FAULTS, type DatabaseFault, HTTP_FAULTS } from "./Faults.ts"
import type { Reply, Request } from "./Function.ts"
import type { Universe } from "./Universe.ts"

/** The client's timeout for a database call, in ms. */
export const CALL_TIMEOUT_MS = 30_000

/** The result of a database call. A `Lost` call may have been executed. */
export type CallEnd =
  | { readonly _tag: "Answered"; readonly text: string }
  | { readonly _tag: "Rejected" }
  | { readonly _tag: "NotExecuted" }
  | { readonly _tag: "Lost"; readonly isGarbled: boolean }

export interface Peer {
  readonly process: VirtualProcess
  readonly name: string
  isCut: () => boolean
}

export interface EnginePeer extends Peer {
  readonly die: (why: string) => void
  readonly onCall: (name: string, args: Arguments) => void
  readonly onAnswer: (name: string, text: string) => void
  readonly onSend: (invocation: Invocation) => void
  readonly onReply: (invocation: Invocation, reply: Reply) => void
}

/** Carries all database calls and invocations, and injects this seed's faults. */
export class Network {
  private readonly universe: Universe
  private readonly deliver: (request: Request, reply: (reply: Reply) => void) => void

  constructor(
    universe: Universe,
    deliver: (request: Request, reply: (reply: Reply) => void) => void
  ) {
    this.universe = universe
    this.deliver = deliver
  }

  /** Makes a database call. Calls `receive` once, or never if the process dies first. */
  call(
    peer: Peer,
    name: string,
    args: Arguments,
    timeoutMs: number,
    receive: (end: CallEnd) => void
  ): void {
    const { time, random, isFaulty, faults } = this.universe
    let isOver = false
    const end = (ms: number, result: CallEnd) =>
      time.after(ms, () =>
        peer.process.enter(() => {
          if (isOver) return
          isOver = true
          receive(result)
        })
      )
    const execute = (ms: number, then?: (text: string | null) => void) =>
      time.after(ms, () => {
        const answer = this.universe.execute(name, args)
        then?.(answer === null ? null : JSON.stringify(answer))
      })
    const executeAndAnswer = (there: number, back: number) =>
      execute(there, (text) =>
        end(back, text === null ? { _tag: "Rejected" } : { _tag: "Answered", text })
      )
    const lost: CallEnd = { _tag: "Lost", isGarbled: false }
    const fault: DatabaseFault | "none" = !isFaulty
      ? "none"
      : peer.isCut()
        ? random.pick(["refused", "lostRequest", "hangs"])
        : random.draw<DatabaseFault | "none">(faults.database, DATABASE_FAULTS, "none")
    const there = random.between(1, 15)
    const back = random.between(1, 15)
    end(timeoutMs, lost)
    if (fault !== "none") this.universe.note("fault", peer.name, `${name} ${fault}`)
    switch (fault) {
      case "refused":
        end(there, { _tag: "NotExecuted" })
        break
      case "lostRequest":
        end(random.between(1, 5_000), lost)
        break
      case "lostAnswer":
        execute(there)
        end(there + random.span(1, 8_000), lost)
        break
      case "garbled":
        execute(there)
        end(there + back, { _tag: "Lost", isGarbled: true })
        break
      case "hangs":
        if (!peer.isCut() && random.chance(0.7)) execute(there)
        return
      case "late":
        execute(timeoutMs + random.span(1_000, 120_000))
        break
      case "slow":
        executeAndAnswer(random.span(500, 15_000), random.span(500, 15_000))
        break
      case "none":
        executeAndAnswer(there, back)
        break
    }
  }

  carrier(engine: EnginePeer): Carrier {
    const { random, faults } = this.universe
    return (name, _execute, args) =>
      Effect.async((resume) => {
        const crash = this.universe.isFaulty
          ? random.draw<(typeof CRASH_POINTS)[number] | "none">(faults.crash, CRASH_POINTS, "none")
          : "none"
        if (crash === "before") return engine.die(`before ${name}`)
        engine.onCall(name, args)
        this.call(engine, name, args, CALL_TIMEOUT_MS, (end) => {
          if (crash === "answered") return engine.die(`after ${name}`)
          if (end._tag === "Answered") engine.onAnswer(name, end.text)
          resume(toEffect(name, end))
        })
        if (crash === "sent") engine.die(`in ${name}`)
      })
  }

  /** Invokes a function as InvokerLive does: the production rules classify the response. */
  invoke(engine: EnginePeer, invocation: Invocation): Effect.Effect<Outcome, InvokeError> {
    const { random, faults, time } = this.universe
    return Effect.async<Outcome, InvokeError>((resume) => {
      const crash = this.universe.isFaulty
        ? random.draw<(typeof CRASH_POINTS)[number] | "none">(faults.crash, CRASH_POINTS, "none")
        : "none"
      if (crash === "before") return engine.die("before invoke")
      engine.onSend(invocation)
      let isOver = false
      const receive = (reply: Reply) =>
        engine.process.enter(() => {
          if (isOver) return
          isOver = true
          if (crash === "answered") return engine.die("after invoke")
          engine.onReply(invocation, reply)
          resume(
            typeof reply === "string"
              ? Effect.fail(new InvokeError({ reason: reply, detail: "simulated" }))
              : Effect.succeed(judge(toAnswer(reply), time.now))
          )
        })
      time.after(invocation.timeoutMs, () => receive("TimedOut"))
      this.send(invocation, receive)
      if (crash === "sent") engine.die("in invoke")
    })
  }

  private send(invocation: Invocation, receive: (reply: Reply) => void): void {
    const { random, faults, isFaulty, time } = this.universe
    const fault = isFaulty
      ? random.draw<(typeof HTTP_FAULTS)[number] | "none">(faults.http, HTTP_FAULTS, "none")
      : "none"
    const there = random.between(5, 60)
    const back = random.between(5, 60)
    const reply = (ms: number, reply: Reply) => time.after(ms, () => receive(reply))
    const deliver = (ms: number, answer: (reply: Reply) => void, isDoubled = false) =>
      time.after(ms, () => this.deliver({ invocation, isDoubled, diesAfterMs: null }, answer))
    const answer = (answered: Reply) => reply(back, answered)
    const nothing = () => {}
    const { idempotency_key } = invocation.run
    if (fault !== "none") this.universe.note("fault", idempotency_key, `invoke ${fault}`)
    switch (fault) {
      case "refused":
        reply(there, "NotSent")
        break
      case "lostRequest":
        reply(random.span(10, 10_000), "Disconnected")
        break
      case "lostAnswer":
        deliver(there, nothing)
        reply(there + random.span(10, 60_000), "Disconnected")
        break
      case "silent":
        deliver(there, nothing)
        break
      case "late":
        deliver(random.span(5_000, 600_000), answer)
        break
      case "doubled":
        deliver(there, answer, true)
        deliver(there + random.span(1, random.pick([2_000, 300_000])), answer, true)
        break
      case "boot":
        reply(there, platform(503, "BOOT_ERROR"))
        break
      case "throttled": {
        const seconds = random.span(1, 1_200)
        reply(there, {
          ...platform(429, "RATE_LIMIT_EXCEEDED"),
          headers: { "sb-error-code": "RATE_LIMIT_EXCEEDED", "retry-after": String(seconds) }
        })
        break
      }
      case "notFound":
        reply(there, platform(404, "NOT_FOUND"))
        break
      case "idle":
        deliver(there, nothing)
        reply(there + random.span(1_000, 150_000), platform(504, "IDLE_TIMEOUT"))
        break
      case "killed":
      case "workerError": {
        const ms = random.span(10, 60_000)
        const died =
          fault === "killed" ? platform(546, "WORKER_LIMIT") : platform(500, "WORKER_ERROR")
        time.after(there, () =>
          this.deliver({ invocation, isDoubled: false, diesAfterMs: ms }, answer)
        )
        reply(there + ms + back, died)
        break
      }
      case "page":
        deliver(there, (answered) =>
          answer(
            typeof answered === "string"
              ? answered
              : { status: 200, headers: {}, body: "<html>ok</html>" }
          )
        )
        break
      case "none":
        deliver(there, answer)
        break
    }
  }
}

const platform = (status: number, code: string): Exclude<Reply, string> => ({
  status,
  headers: { "sb-error-code": code },
  body: ""
})

const toAnswer = (reply: Exclude<Reply, string>) => ({
  status: reply.status,
  headers: { get: (name: string) => reply.headers[name] ?? null },
  body: reply.body,
  truncated: false
})

const toEffect = (name: string, end: CallEnd): Effect.Effect<string, SupabaseError> => {
  const fail = (reason: SupabaseError["reason"]) =>
    Effect.fail(new SupabaseError({ operation: name, reason, code: "SIM", detail: "simulated" }))
  switch (end._tag) {
    case "Answered":
      return Effect.succeed(end.text)
    case "Rejected":
      return Effect.fail(rejected(name, "raised"))
    case "NotExecuted":
      return fail("NotExecuted")
    case "Lost":
      return fail(end.isGarbled ? "Malformed" : "Ambiguous")
  }
}
