import { invocations } from "./Invocations.ts"

/** Opens a connection for each invocation, like the engine. A reused connection that breaks leaves the outcome unknown. */
export const contender = invocations(false)
