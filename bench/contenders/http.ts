import { invocations } from "./Invocations.ts"

/** What nobody can be faster than. */
export const contender = invocations(true)
