import { invocations } from "./Invocations.ts"

/** Only the invocations, over keep-alive connections: the lower bound for all contenders. */
export const contender = invocations(true)
