import { Effect, Redacted } from "effect"
import type { FunctionSettings } from "../../Config/Load.ts"
import type { Diagnosis } from "../../Database/DiagnosisRpc.ts"
import * as Duration from "../../Domain/Duration.ts"
import { keyKind } from "../../Domain/SupabaseKey.ts"
import { Invoker, type WarmUp } from "../../Services/Invoker.ts"
import { type CheckResult, error, ok, warning } from "./CheckResult.ts"
import { functionAccessFindings, isAllowed } from "./FunctionAccessChecks.ts"

/** The maximum number of functions to check. */
const MOST = 20

/**
 * Checks whether the functions respond to OPTIONS requests, which start no sync. The platform ignores the key of these requests.
 * Therefore, runs that failed because of the key are also reported.
 */
export const functionFindings = (
  functions: FunctionSettings,
  diagnosis: Diagnosis | null
): Effect.Effect<ReadonlyArray<CheckResult>, never, Invoker> =>
  Effect.gen(function* () {
    const { key, url } = functions
    const invoker = yield* Invoker
    const kind = keyKind(Redacted.value(key))
    const policies = diagnosis?.policies ?? []
    const named = policies.flatMap(({ function_name }) => function_name ?? [])
    const usesDefault = policies.length === 0 || policies.some((one) => one.function_name === null)
    const names = [...(usesDefault ? [null] : []), ...new Set(named.toSorted())]
      .filter(isAllowed(functions))
      .slice(0, MOST)
    const contacts = yield* Effect.forEach(
      names,
      (name) =>
        Effect.map(invoker.warmUp(name), (contact) =>
          contactFinding(name ?? defaultName(url), contact, kind)
        ),
      { concurrency: 5 }
    )
    return [
      ...functionAccessFindings(functions, diagnosis),
      ...contacts,
      ...refusedFindings(diagnosis, kind)
    ]
  })

const defaultName = (url: string): string => URL.parse(url)?.pathname.split("/").at(-1) ?? url

const HOW: Partial<Record<ReturnType<typeof keyKind>, string>> = {
  secret:
    "the key is sent in the apikey header, so the function needs verify_jwt = false and its own check"
}

const contactFinding = (
  name: string,
  { answer, detail, latencyMs }: WarmUp,
  kind: ReturnType<typeof keyKind>
): CheckResult => {
  const how = HOW[kind] ?? "the key is sent in Authorization: Bearer, which the platform checks"
  if (answer === undefined) {
    return error("function", {
      code: "FUNCTION_UNREACHABLE",
      what: `${name} cannot be reached: ${detail ?? "no answer"}`,
      why: "its runs would wait and be retried",
      fix: "Check that SUPABASE_URL or SYNC_SCHEDULER_FUNCTION_URL is correct and that this machine can connect to the URL."
    })
  }
  const { platformCode, status } = answer
  const summary = `${name} responds to OPTIONS with ${status}${platformCode === null ? "" : ` ${platformCode}`}`
  if (status === 404) {
    return error("function", {
      code: "FUNCTION_NOT_FOUND",
      what: summary,
      why: "no function has that name, so its runs fail",
      fix: `supabase functions deploy ${name}, or correct SYNC_SCHEDULER_FUNCTION or the integration's function_name.`
    })
  }
  if (status === 401 || status === 403) {
    return error("function", {
      code: "FUNCTION_KEY_REFUSED",
      what: summary,
      why: `the function does not accept the key (${how})`,
      fix: `Set verify_jwt = false for [functions.${name}] in supabase/config.toml, check the apikey header in the function, and deploy it again. Or use the service_role JWT.`
    })
  }
  if (status >= 300 && status < 400) {
    return error("function", {
      code: "FUNCTION_REDIRECTS",
      what: summary,
      why: "redirects are not followed, because they would send the key to another address",
      fix: "Set SYNC_SCHEDULER_FUNCTION_URL to the target of the redirect."
    })
  }
  if (status >= 500) {
    return error("function", {
      code: platformCode === "BOOT_ERROR" ? "FUNCTION_BOOT_ERROR" : "FUNCTION_FAILS",
      what: summary,
      why: "the function does not start, or fails before it does any work",
      fix: `See the function's log (Dashboard: Edge Functions, ${name}, Logs). Correct the error, and deploy the function again.`
    })
  }
  return ok("function", `${name} responds in ${Duration.format(latencyMs)}; ${how}`)
}

/** Finds runs of the last day that failed because the key was rejected. */
const refusedFindings = (
  diagnosis: Diagnosis | null,
  kind: ReturnType<typeof keyKind>
): ReadonlyArray<CheckResult> =>
  (diagnosis?.errors ?? [])
    .filter(({ code }) => code === "FUNCTION_KEY_REFUSED")
    .map(({ count }) =>
      warning("function", {
        code: "FUNCTION_KEY_REFUSED",
        what: `${count} runs failed in the last day because their key was rejected (FUNCTION_KEY_REFUSED)`,
        why: `the function does not accept ${kind === "secret" ? "sb_secret_ keys: its verify_jwt requires a JWT" : "this key"}`,
        fix: "Set verify_jwt = false for [functions.<name>] in supabase/config.toml, check the apikey header in the function, and deploy it again."
      })
    )
