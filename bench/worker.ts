import type { Contender } from "./Spec.ts"
import { specOfProcess, work } from "./work.ts"

const { contender }: { readonly contender: Contender } = await import(
  `./contenders/${specOfProcess().contender}.ts`
)
await work(contender)
