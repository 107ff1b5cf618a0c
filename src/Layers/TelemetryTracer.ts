import { Exit, Option, Tracer } from "effect"
import { settleRuns, startRuns } from "../Database/Rpc.ts"

/** Calls that send a batch of runs from a fiber without a parent span. */
const BATCHED: ReadonlySet<string> = new Set([startRuns.name, settleRuns.name])

/**
 * Makes the span of a batch call a child of the current tick's span, since a process runs at most one tick at a time. Exports a
 * span with an `error.type` as failed, even if its effect succeeded.
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

/** Returns the exit to export for a successful effect. The exit is a failure if the span has an `error.type`. */
const exitOf = ({ attributes }: Tracer.Span): Exit.Exit<void, Failure> => {
  const type = attributes.get("error.type")
  return typeof type === "string" ? Exit.fail(new Failure(type)) : Exit.void
}

/** An error without a stack. The name is the failure's code. */
class Failure extends Error {
  override readonly name: string
  constructor(code: string) {
    super(code)
    this.name = code
    this.stack = ""
  }
}
