import { invocations } from "./Invocations.ts"

/** As the engine makes them: a kept connection that breaks leaves an outcome unknown. */
export const contender = invocations(false)
