import { OpenApi } from "@effect/platform"
import { Api } from "../../src/Server/Http/Api.ts"
import { cell, code, generated, page, table } from "./Markdown.ts"

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
    'The responses have the same shapes as the output of the commands with `-o json` ([JSON](json.md)), except that a run does not contain its function\'s answer. The OpenAPI 3.1 document at `/api/openapi.json` describes every endpoint and every shape. An error response is `{"errors": [{"code", "message", "hint"}]}` ([errors](errors.md)). The response to a refused action is `{"done": false, "reason", "why", "fix"}`. A client that accepts `text/html`, such as a browser, gets these responses as pages.',
    table(["Address", "What", "Query", "Status"], rows),
    'The body of an action is `{"reason": "...", "actor": "..."}`. Both values are recorded; `actor` is optional. Actions require `--allow-actions` and the header `Authorization: Bearer <SYNC_SCHEDULER_ADMIN_TOKEN>`.'
  ])
}
