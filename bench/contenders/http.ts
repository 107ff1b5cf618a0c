import { invocations } from "./Invocations.ts"

/** Performs only the invocations, as a lower bound for all contenders. */
export const contender = invocations(true)
