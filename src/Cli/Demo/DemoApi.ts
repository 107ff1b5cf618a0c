import { rmSync, writeFileSync } from "node:fs"
import { Effect, type Scope } from "effect"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { EmbeddedDatabase } from "../../Services/EmbeddedDatabase.ts"
import { servingFile } from "./DemoDirectory.ts"

/**
 * Serves the database to commands with `--demo`, because only one process can open the directory. Listens on this machine only.
 * The API key is in a file that only its owner can read.
 */
export const serveDemoApi = (
  directory: string
): Effect.Effect<void, never, EmbeddedDatabase | Scope.Scope> =>
  Effect.gen(function* () {
    const { query } = yield* EmbeddedDatabase
    const key = crypto.randomUUID()
    const answer = async (request: Request): Promise<Response> => {
      if (request.method === "GET") return new Response("serve --demo")
      if (request.headers.get("authorization") !== `Bearer ${key}`) {
        return new Response("Forbidden", { status: 403 })
      }
      const { parameters, sql }: { sql: string; parameters: ReadonlyArray<unknown> } =
        await request.json()
      const result = query(sql, parameters).pipe(
        Effect.match({ onFailure: failureOf, onSuccess: (rows) => ({ rows }) })
      )
      return Response.json(await Effect.runPromise(result))
    }
    const path = servingFile(directory)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer })
        writeFileSync(path, JSON.stringify({ url: server.url.href, key }), { mode: 0o600 })
        return server
      }),
      (server) =>
        Effect.promise(() => {
          rmSync(path, { force: true })
          return server.stop(true)
        })
    )
  })

const failureOf = ({ code, detail, reason }: SupabaseError) => ({
  failure: { reason, code, detail }
})
