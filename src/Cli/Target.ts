import { Effect, Either } from "effect"
import {
  type Named,
  readClock,
  readNamed,
  resolveName,
  single,
  type UnresolvedName
} from "../Operator/NameResolver.ts"
import { showRun } from "../Operator/Runs.ts"
import type { Scope } from "../Services/Ledger.ts"
import type { Supabase } from "../Services/Supabase.ts"
import type { Arguments } from "./Command.ts"
import { databaseError } from "./Database.ts"
import { type CommandError, usageError } from "./Failure.ts"
import { isUuid } from "./Values.ts"

const misnamed = ({ fix, why }: UnresolvedName): CommandError => usageError(why, fix)

const named = Effect.mapError(readNamed, databaseError)

/** The database's current time. Words such as "yesterday" are relative to this time. */
export const databaseNow: Effect.Effect<number, CommandError, Supabase> = Effect.mapError(
  readClock,
  databaseError
)

/** Returns at least one integration. */
export const targets = (
  org: string,
  integration?: string
): Effect.Effect<ReadonlyArray<Named>, CommandError, Supabase> =>
  Effect.flatMap(named, ({ integrations }) =>
    Either.mapLeft(resolveName(integrations, org, integration), misnamed)
  )

/** *Fails with* the matches if there are several. */
export const target = (
  org: string,
  integration?: string
): Effect.Effect<Named, CommandError, Supabase> =>
  Effect.flatMap(targets(org, integration), (found) => Either.mapLeft(single(found), misnamed))

/** *Fails with* the matches if several ids begin with `given`. */
export const runNamed = (given: string) =>
  Effect.flatMap(Effect.mapError(showRun(given), databaseError), (detail) => {
    const { candidates, run } = detail
    if (run !== null) return Effect.succeed({ ...detail, run })
    return Effect.fail(
      candidates.length > 1
        ? usageError(
            `"${given}" matches ${candidates.length} runs`,
            `Enter more characters of the id: ${candidates.join(", ")}`
          )
        : usageError(`there is no run "${given}"`, "See all runs: sync-scheduler runs list")
    )
  })

/** Returns undefined if neither `--org` nor `--integration` is given. */
export const scopeOf = (
  given: Pick<Arguments, "value" | "values">
): Effect.Effect<ReadonlyArray<string> | undefined, CommandError, Supabase> =>
  Effect.gen(function* () {
    const org = given.value("org")
    const integrations = given.values("integration")
    if (org === undefined && integrations.length === 0) return undefined
    const { integrations: names } = yield* named
    const inOrg =
      org === undefined ? names : yield* Either.mapLeft(resolveName(names, org), misnamed)
    if (integrations.length === 0) return inOrg.map(({ integration_id }) => integration_id)
    const found = yield* Effect.forEach(integrations, (text) => {
      const either = org === undefined ? byIntegration(names, text) : resolveName(inOrg, org, text)
      return Either.mapLeft(either, misnamed)
    })
    return [...new Set(found.flat().map(({ integration_id }) => integration_id))]
  })

/** A type selects all integrations of that type. Any other text is an id. */
const byIntegration = (
  names: ReadonlyArray<Named>,
  text: string
): Either.Either<ReadonlyArray<Named>, UnresolvedName> => {
  const typed = names.filter(
    ({ integration_type }) => integration_type.toLowerCase() === text.toLowerCase()
  )
  return typed.length > 0 ? Either.right(typed) : resolveName(names, text)
}

/** Looks up nothing if every argument is a complete id, so that deleted integrations can be audited. */
export const auditScope = (
  given: Pick<Arguments, "value" | "values">
): Effect.Effect<Scope, CommandError, Supabase> =>
  Effect.gen(function* () {
    const org = given.value("org")
    const integrations = given.values("integration")
    const isId = [...(org === undefined ? [] : [org]), ...integrations].every(isUuid)
    if (!isId) {
      const ids = yield* scopeOf(given)
      const orgs = org === undefined || integrations.length > 0 ? [] : yield* targets(org)
      return integrations.length === 0 ? { orgId: orgs[0]?.org_id } : { integrationIds: ids }
    }
    const ids = integrations.map((id) => id.toLowerCase())
    return { orgId: org?.toLowerCase(), integrationIds: ids.length === 0 ? undefined : ids }
  })
