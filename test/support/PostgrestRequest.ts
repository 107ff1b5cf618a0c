import { errorAnswer } from "./PostgrestError.ts"

export interface RpcBody {
  readonly text: string
  /** The argument names, or `text` if the plain-text body is the only argument. */
  readonly given: ReadonlySet<string> | "text"
  readonly args: Readonly<Record<string, unknown>>
}

export const refuse = (request: Request): Response | undefined => {
  const { headers, method } = request
  if (method !== "POST")
    return errorAnswer(405, "PGRST101", `Cannot use the ${method} method on RPC`)
  const profile = headers.get("content-profile") ?? "public"
  if (profile !== "public") {
    return errorAnswer(406, "PGRST106", `Invalid schema: ${profile}`, {
      hint: "Only the following schemas are exposed: public"
    })
  }
  const accept = headers.get("accept") ?? "*/*"
  return /\*\/\*|application\/(json|\*)|application\/vnd\.pgrst/.test(accept)
    ? undefined
    : errorAnswer(406, "PGRST107", `None of these media types are available: ${accept}`)
}

/** Like PostgREST, treats JSON other than an object as a call without arguments. */
export const readBody = async (request: Request): Promise<RpcBody | Response> => {
  const text = await request.text()
  if (request.headers.get("content-type")?.startsWith("text/plain")) {
    return { text, given: "text", args: {} }
  }
  try {
    const json: unknown = JSON.parse(text || "{}")
    if (!Array.isArray(json)) return bodyOf(json, text)
    const keys = new Set(json.map((one) => Object.keys(Object(one)).toSorted().join("\n")))
    const isAlike = keys.size <= 1 && json.every((one) => typeof one === "object" && one !== null)
    return isAlike
      ? bodyOf(json[0], JSON.stringify(json[0]))
      : errorAnswer(400, "PGRST102", "All object keys must match")
  } catch {
    return errorAnswer(400, "PGRST102", "Empty or invalid json")
  }
}

const bodyOf = (json: unknown, text: string): RpcBody => {
  const isObject = typeof json === "object" && json !== null
  const args: Readonly<Record<string, unknown>> = isObject ? { ...json } : {}
  return { text: isObject ? text || "{}" : "{}", given: new Set(Object.keys(args)), args }
}
