import type { Command } from "./Command.ts"
import { acting } from "./Commands/Acting.ts"
import { asking } from "./Commands/Asking.ts"
import { operating } from "./Commands/Operating.ts"
import { setup } from "./Commands/Setup.ts"
import { ticking } from "./Commands/Ticking.ts"
import { watching } from "./Commands/Watching.ts"

/** Every command, in the order of help. Their code is loaded only when they run. */
export const commands: ReadonlyArray<Command> = [
  ...ticking,
  ...asking,
  ...acting,
  ...operating,
  ...watching,
  ...setup
]
