import { OpenApi } from "@effect/platform"
import { Predicate } from "effect"
import { Api } from "./Api.ts"

/** The schemas of the library's own error response, which `serve` replaces. */
const FOREIGN: ReadonlySet<string> = new Set(["HttpApiDecodeError", "Issue", "PropertyKey"])
const refOf = (name: string): string => `#/components/schemas/${name}`

export const makeOpenApiDocument = (): string => {
  const { components, paths, ...rest } = OpenApi.fromApi(Api)
  const schemas = Object.fromEntries(
    Object.entries(components.schemas)
      .filter(([name]) => !FOREIGN.has(name))
      .map(([name, schema]) => [name, tidy(schema)])
  )
  const securitySchemes = {
    adminToken: {
      type: "http",
      scheme: "bearer",
      description:
        "SYNC_SCHEDULER_ADMIN_TOKEN. Required for actions and, if other machines can reach serve, for every request."
    }
  }
  return JSON.stringify({
    ...rest,
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, methods]) => [path, withSecurity(tidy(methods))])
    ),
    components: { schemas, securitySchemes }
  })
}

const withSecurity = (methods: unknown): unknown =>
  Predicate.isRecord(methods)
    ? Object.fromEntries(
        Object.entries(methods).map(([method, operation]) => [
          method,
          Predicate.isRecord(operation)
            ? {
                ...operation,
                security: method === "post" ? [{ adminToken: [] }] : [{}, { adminToken: [] }]
              }
            : operation
        ])
      )
    : methods

/** Replaces each schema that accepts any value with `{}`, and each union that has only one member with that member. */
const tidy = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(tidy)
  if (!Predicate.isRecord(value)) return value
  if (value.$id === "/schemas/unknown") return {}
  if (Array.isArray(value.anyOf)) {
    const choices = value.anyOf.filter(
      (choice) => !(Predicate.isRecord(choice) && choice.$ref === refOf("HttpApiDecodeError"))
    )
    if (choices.length === 1) return tidy(choices[0])
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, tidy(one)]))
}
