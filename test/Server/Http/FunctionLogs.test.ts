import { expect, test } from "bun:test"
import { functionLogs } from "../../../src/Server/Http/FunctionLogs.ts"

test("only functions of hosted projects have a log address", () => {
  const hosted = functionLogs({
    supabaseUrl: "https://abcdefghijklmnopqrst.supabase.co",
    functionName: "integration-sync"
  })
  const functions = "https://supabase.com/dashboard/project/abcdefghijklmnopqrst/functions"
  expect(hosted(null)).toBe(`${functions}/integration-sync/logs`)
  expect(hosted("own")).toBe(`${functions}/own/logs`)
  expect(hosted("../x?y")).toBe(`${functions}/..%2Fx%3Fy/logs`)
  for (const supabaseUrl of [
    null,
    "http://127.0.0.1:54321",
    "https://sync.example.com",
    "https://abcdefghijklmnopqrst.supabase.co.evil.com",
    "https://x.abcdefghijklmnopqrst.supabase.co"
  ]) {
    expect(functionLogs({ supabaseUrl, functionName: "f" })(null)).toBeNull()
  }
})
