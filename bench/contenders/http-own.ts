import { invocations } from "./Invocations.ts"

/**
 * Opens a connection for each invocation, as the engine does, because a reused connection that breaks leaves the outcome
 * unknown.
 */
export const contender = invocations(false)
