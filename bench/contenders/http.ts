import { invocations } from "./Invocations.ts"

/** Only the invocations: the lower bound for all contenders. */
export const contender = invocations(true)
