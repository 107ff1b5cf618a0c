import { hostname } from "node:os"
import type { Cli } from "../Command.ts"

/** Returns the actor to record: the name given with `--as`, otherwise the user and machine, such as `ada@web-1`. */
export const actorOf = ({ arguments: given, sources }: Cli): string => {
  const named = given.value("as")?.trim()
  if (named !== undefined && named !== "") return named
  const { environment } = sources()
  const user = environment.SUDO_USER ?? environment.USER ?? environment.LOGNAME ?? "unknown user"
  return `${user}@${hostname()}`
}
