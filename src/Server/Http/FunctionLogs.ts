import type { Settings } from "../../Config.ts"
import type { Site } from "./PageRequest.ts"

/**
 * Returns the URL of a function's logs in the Supabase dashboard; null if Supabase does not host the project. *Source*:
 * supabase.com/docs/guides/functions/logging.
 */
export const functionLogs = ({
  functionName,
  supabaseUrl
}: Pick<Settings, "functionName" | "supabaseUrl">): (typeof Site.Service)["logs"] => {
  const [, ref] = /^https:\/\/([a-z0-9]{10,40})\.supabase\.co\/?$/.exec(supabaseUrl ?? "") ?? []
  if (ref === undefined) return () => null
  const functions = `https://supabase.com/dashboard/project/${ref}/functions`
  return (name) => `${functions}/${encodeURIComponent(name ?? functionName)}/logs`
}
