import { Exit, Option, Tracer } from "effect"
import { settleRuns, startRuns } from "../Database/Rpc.ts"

/** The names of the calls that send a batch of runs. A fiber without a parent span makes these calls. */
const BATCHED: ReadonlySet<string> = new Set([startRuns.name, settleRuns.name])

/**
 * Adds the engine's rules to a tracer. The span for a batch of starts or outcomes becomes a child of the current tick's span (a
 * process runs at most one tick at a time). A span with an `error.type` is exported as failed, even if its effect succeeded.
 */
export const byRun = (inner: Tracer.Tracer): Tracer.Tracer => {
  let tick: Tracer.Span | undefined
  return Tracer.make({
    span: (name, parent, context, links, startTime, kind, options) => {
      const isOrphan = Option.isNone(parent) && BATCHED.has(name) && tick?.status._tag === "Started"
      const under = isOrphan ? Option.fromNullable(tick) : parent
      const span = inner.span(name, under, context, links, startTime, kind, options)
      if (name === "Engine.tick") tick = span
      const end = span.end.bind(span)
      span.end = (endTime, exit) => end(endTime, Exit.isSuccess(exit) ? exitOf(span) : exit)
      return span
    },
    context: inner.context
  })
}

/**
 * Returns the exit to record on the span of an effect that succeeded. If the span has an `error.type`, the exit is a failure that
 * contains only this type; otherwise it is a success.
 */
const exitOf = ({ attributes }: Tracer.Span): Exit.Exit<void, Failure> => {
  const type = attributes.get("error.type")
  return typeof type === "string" ? Exit.fail(new Failure(type)) : Exit.void
}

/** An error whose name is the failure's code. The error has no stack, because the failure occurred elsewhere. */
class Failure extends Error {
  override readonly name: string
  constructor(code: string) {
    super(code)
    this.name = code
    this.stack = ""
  }
}
