import { Exit, Option, Tracer } from "effect"
import { settleRuns, startRuns } from "../Domain/Rpc.ts"

/** Calls that carry many runs at once, made by nobody's fiber in particular. */
const BATCHED: ReadonlySet<string> = new Set([startRuns.name, settleRuns.name])

/**
 * A tracer of spans as the engine means them: a batch of starts or outcomes belongs to the tick under way, of which there is
 * never more than one in a process, and a span with an `error.type` is a failed one, whether or not it is an error here.
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

/** Of the failure only its code is told. */
const exitOf = ({ attributes }: Tracer.Span): Exit.Exit<void, Failure> => {
  const type = attributes.get("error.type")
  return typeof type === "string" ? Exit.fail(new Failure(type)) : Exit.void
}

/** Named by its code, and without a stack: it came from elsewhere. */
class Failure extends Error {
  override readonly name: string
  constructor(code: string) {
    super(code)
    this.name = code
    this.stack = ""
  }
}
