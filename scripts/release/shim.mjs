#!/usr/bin/env node
// Starts the binary of this platform, which is in an optional package of its own. Passes signals and the exit code on.
import { spawn } from "node:child_process"
import { createRequire } from "node:module"

const { arch, platform } = process
// Without this, the report looks up the names of all connections first.
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
        "  fix: Install with optional dependencies (npm install --include=optional), on the platform that runs it.\n"
    )
    process.exit(2)
  }
}

// These would turn the binary into another program: it is made with Bun.
const { BUN_BE_BUN, BUN_OPTIONS, ...env } = process.env
const child = spawn(find(), process.argv.slice(2), { stdio: "inherit", env })

// A terminal sends Ctrl-C to both; anybody else means the binary.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal)
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
