import { OpenApi } from "@effect/platform"
import { Api } from "../../src/Server/Http/Api.ts"
import { cell, code, generated, page, table } from "./Markdown.ts"

/** Generates `http-api.md`: every endpoint under `/api`. The schemas themselves are in the OpenAPI document of `serve`. */
export const httpApiPage = (): string => {
  const { paths } = OpenApi.fromApi(Api)
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [
      code(`${method.toUpperCase()} ${path}`),
      cell(operation.summary ?? ""),
      (operation.parameters ?? [])
        .filter((parameter) => parameter.in === "query")
        .map(({ name, required }) => (required ? `${code(name)} (required)` : code(name)))
        .join(", "),
      Object.keys(operation.responses).join(", ")
    ])
  )
  return page([
    generated("HTTP API of serve", "src/Server/Http/Api.ts"),
    'The same shapes as the commands print with `-o json` ([JSON](json.md)), but for a run without its function\'s answer. The whole of it, with every shape, is the OpenAPI 3.1 document at `/api/openapi.json`. An answer that is no success is `{"errors": [{"code", "message", "hint"}]}` ([errors](errors.md)); an action that was not done is `{"done": false, "reason", "why", "fix"}`. A browser, which accepts `text/html`, gets either as a page.',
    table(["Address", "What", "Query", "Status"], rows),
    'Actions take `{"reason": "...", "actor": "..."}`, both recorded; `actor` may be left out. They want `--allow-actions` and the header `Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>`.'
  ])
}
