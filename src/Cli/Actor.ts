import { hostname } from "node:os"
import type { Cli } from "./Command.ts"

/** Who asks, for the record: `--as`, else the user of this machine, as `ada@web-1`. */
export const actorOf = ({ arguments: given, sources }: Cli): string => {
  const named = given.value("as")?.trim()
  if (named !== undefined && named !== "") return named
  const { environment } = sources()
  const user = environment.SUDO_USER ?? environment.USER ?? environment.LOGNAME ?? "somebody"
  return `${user}@${hostname()}`
}
