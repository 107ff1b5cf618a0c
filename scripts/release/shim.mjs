#!/usr/bin/env node
// Starts this platform's binary, which is in a separate optional package. Forwards signals and returns the exit code.
import { spawn } from "node:child_process"
import { createRequire } from "node:module"

const { arch, platform } = process
// The process report would otherwise resolve the host names of all connections.
if (process.report) process.report.excludeNetwork = true
const header = platform === "linux" ? process.report?.getReport().header : undefined
const isMusl = header !== undefined && header.glibcVersionRuntime === undefined
const name = `@sync-scheduler/${platform}-${arch}${isMusl ? "-musl" : ""}`
const file = platform === "win32" ? "sync-scheduler.exe" : "sync-scheduler"

const find = () => {
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/${file}`)
  } catch {
    process.stderr.write(
      `error: the program for ${platform}-${arch}${isMusl ? " (musl)" : ""} is not installed: the package ${name} is missing\n` +
        "  fix: Install with optional dependencies (npm install --include=optional), on the platform that will run the program.\n"
    )
    process.exit(2)
  }
}

// If these variables were set, the binary, which is built with Bun, would run foreign code, reveal the key, or trust any server.
const hostile = [
  "BUN_BE_BUN",
  "BUN_OPTIONS",
  "BUN_INSPECT",
  "BUN_INSPECT_CONNECT_TO",
  "BUN_INSPECT_NOTIFY",
  "BUN_INSPECT_PRELOAD",
  "BUN_CONFIG_VERBOSE_FETCH",
  "BUN_FEATURE_FLAG_EXPERIMENTAL_HTTP2_CLIENT",
  "BUN_FEATURE_FLAG_EXPERIMENTAL_HTTP3_CLIENT",
  "NODE_TLS_REJECT_UNAUTHORIZED"
]
const { ...env } = process.env
const ignored = hostile.filter((name) => env[name])
for (const name of hostile) delete env[name]
if (ignored.length > 0) env.SYNC_SCHEDULER_IGNORED = ignored.join(",")
const child = spawn(find(), process.argv.slice(2), { stdio: "inherit", env })

// A terminal sends Ctrl-C and Ctrl-\\ to both processes; a signal from any other sender is meant for the binary.
const keys = ["SIGINT", "SIGQUIT"]
const others = ["SIGTERM", "SIGHUP", "SIGALRM", "SIGVTALRM", "SIGXCPU", "SIGUSR1", "SIGUSR2"]
for (const signal of [...keys, ...others]) {
  process.on(signal, () => {
    if (!keys.includes(signal) || !process.stdin.isTTY) child.kill(signal)
  })
}
child.on("error", (error) => {
  process.stderr.write(`error: ${name} cannot be started: ${error.message}\n`)
  process.exit(1)
})
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
