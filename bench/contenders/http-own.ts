import { invocations } from "./Invocations.ts"

/** Like the engine, opens a connection for each invocation: a reused connection that breaks leaves the outcome unknown. */
export const contender = invocations(false)
