import { join } from "node:path"
import { Effect, Redacted, Schema } from "effect"
import type { Arguments } from "../Command.ts"
import { usageError } from "../Failure.ts"
import { look } from "../Init/FileWriting.ts"
import { decodeOutput, failureReason, type SupabaseCli } from "./SupabaseCli.ts"

/** The project to set up: the local stack, a hosted project, or no project yet. */
export type Target =
  | { readonly _tag: "Local"; readonly isRunning: boolean }
  | { readonly _tag: "Linked"; readonly ref: string; readonly isLinked: boolean }
  | { readonly _tag: "None" }

export interface TargetConnection {
  readonly url: string
  readonly key: Redacted.Redacted
}

const Status = Schema.Struct({
  API_URL: Schema.String,
  SECRET_KEY: Schema.optional(Schema.String),
  SERVICE_ROLE_KEY: Schema.optional(Schema.String)
})

/** Returns undefined if the stack is not running or no container engine exists. */
export const localStack = (cli: SupabaseCli): Effect.Effect<TargetConnection | undefined> =>
  Effect.map(cli.run(["status", "-o", "json"]), (output) => {
    const status = decodeOutput(Status, output)
    const key = status?.SECRET_KEY ?? status?.SERVICE_ROLE_KEY
    return status === undefined || key === undefined
      ? undefined
      : { url: status.API_URL, key: Redacted.make(key) }
  })

const Linked = Schema.parseJson(Schema.Struct({ ref: Schema.String }))
const decodeLinked = Schema.decodeUnknownOption(Linked)

const linkedRef = async (directory: string): Promise<string | undefined> => {
  const temp = join(directory, "supabase/.temp")
  const cache = decodeLinked((await look(join(temp, "linked-project.json"))).text ?? "")
  const ref = (await look(join(temp, "project-ref"))).text?.trim()
  return ref || (cache._tag === "Some" ? cache.value.ref : undefined)
}

const isReference = (text: string): boolean => /^[a-z]{20}$/.test(text)

/** Accepts `local`, an empty string or the reference of a hosted project. Returns undefined for any other string. */
export const answeredTarget = (answer: string): Target | undefined => {
  if (answer === "" || answer === "local") return local(false)
  return isReference(answer) ? target("Linked", answer, false) : undefined
}

/**
 * Returns the target that the flags select. Without a flag, returns the running local stack or, if there is none, the linked
 * project.
 */
export const findTarget = (
  directory: string,
  given: Pick<Arguments, "has" | "value">,
  cli: SupabaseCli | null
) =>
  Effect.gen(function* () {
    const wanted = given.value("project-ref")
    if (given.has("local") && (given.has("linked") || wanted !== undefined)) {
      return yield* Effect.fail(
        usageError("--local and a hosted project are both given", "Omit one of them.")
      )
    }
    if (wanted !== undefined && !isReference(wanted)) {
      return yield* Effect.fail(
        usageError(
          "--project-ref is not a project reference",
          "Use the 20 letters from the dashboard URL: https://supabase.com/dashboard/project/<ref>"
        )
      )
    }
    const linked = yield* Effect.promise(() => linkedRef(directory))
    if (wanted !== undefined) return target("Linked", wanted, linked === wanted)
    if (given.has("linked")) {
      return linked === undefined ? yield* Effect.fail(notLinked) : target("Linked", linked, true)
    }
    const isOffline = given.has("offline") || cli === null
    const stack = isOffline ? undefined : yield* localStack(cli)
    if (given.has("local") || stack !== undefined) return local(stack !== undefined)
    return linked === undefined ? NONE : target("Linked", linked, true)
  })

const NONE: Target = { _tag: "None" }
const local = (isRunning: boolean): Target => ({ _tag: "Local", isRunning })
const target = (_tag: "Linked", ref: string, isLinked: boolean): Target => ({ _tag, ref, isLinked })

const notLinked = usageError(
  "This directory is not linked to a hosted project",
  "Name the project: sync-scheduler setup --project-ref <ref>"
)

const Keys = Schema.Array(
  Schema.Struct({
    name: Schema.String,
    api_key: Schema.NullishOr(Schema.String),
    type: Schema.optional(Schema.NullOr(Schema.String))
  })
)

/**
 * Returns the URL and a secret key of the hosted project. Uses SUPABASE_URL and SUPABASE_SECRET_KEY if the URL belongs to this
 * project or is a custom domain. *Fails with* an error message.
 */
export const hostedProject = (
  cli: SupabaseCli,
  ref: string,
  environment: Readonly<Record<string, string | undefined>>
): Effect.Effect<TargetConnection, string> =>
  Effect.gen(function* () {
    const { SUPABASE_SECRET_KEY: key, SUPABASE_URL: url } = environment
    if (url !== undefined && key !== undefined && isOf(url, ref)) {
      return { url: url.replace(/\/+$/, ""), key: Redacted.make(key) }
    }
    const output = yield* cli.run(["projects", "api-keys", "--reveal", "-o", "json"])
    const keys = decodeOutput(Keys, output)
    if (keys === undefined) return yield* Effect.fail(failureReason(output))
    const found =
      keys.find(({ type }) => type === "secret") ?? keys.find(({ name }) => name === "service_role")
    if (found?.api_key == null) return yield* Effect.fail("The project lists no secret key")
    return { url: `https://${ref}.supabase.co`, key: Redacted.make(found.api_key) }
  })

const isOf = (url: string, ref: string): boolean => {
  const host = URL.parse(url)?.hostname ?? ""
  return host === `${ref}.supabase.co` || !host.endsWith(".supabase.co")
}
