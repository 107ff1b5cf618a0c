import { invocations } from "./Invocations.ts"

/** The lower bound for all contenders. */
export const contender = invocations(true)
