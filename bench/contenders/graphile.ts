import { graphile } from "./GraphileWorker.ts"

export const contender = graphile(false)
