import { resolve } from "node:path"
import { Effect, Schema } from "effect"
import type { Main } from "../Command.ts"
import { usageError } from "../Failure.ts"
import { WrittenFile } from "../Init/FileWriting.ts"
import { checkDirectory, WORDS, write } from "../Init/Init.ts"
import { plan } from "../Init/InitPlan.ts"
import { safe } from "../Style.ts"
import type { Terminal } from "../Terminal.ts"
import { readDeployFiles } from "./DeployFiles.ts" with { type: "macro" }

const deployFiles: Record<string, string> = readDeployFiles()

/** `place` is the path on the machine, or null if any path works. */
const InstallFile = Schema.Struct({
  path: Schema.String,
  place: Schema.NullOr(Schema.String),
  text: Schema.String
})
type InstallFile = typeof InstallFile.Type

export const json = Schema.Union(
  Schema.Array(InstallFile),
  Schema.Struct({ directory: Schema.String, files: Schema.Array(WrittenFile) })
)

const placeOf = (path: string): string | null => {
  const [target = "", name = ""] = path.split("/")
  if (target !== "systemd") return null
  return name === "env.example" ? "/etc/sync-scheduler/env" : `/etc/systemd/system/${name}`
}

const filesOf = (target: string): ReadonlyArray<InstallFile> =>
  Object.entries(deployFiles)
    .filter(([path]) => path.startsWith(`${target}/`))
    .map(([path, text]) => ({ path: path.slice(target.length + 1), place: placeOf(path), text }))

/** `install`: prints or writes the configuration files for deploying this version. Exits with 3 if a file already existed. */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const target = given.positionals[0] ?? ""
    const files = filesOf(target)
    const into = given.value("write")
    if (into !== undefined) return yield* writeFiles(resolve(into), files, terminal)
    if (!given.has("print")) {
      return yield* Effect.fail(
        usageError(
          "install needs --print or --write <dir>",
          `Show the files: sync-scheduler install ${target} --print, or write them: --write <dir>`
        )
      )
    }
    if (terminal.format === "json") yield* terminal.printJson(files)
    else if (terminal.format === "jsonl") {
      yield* Effect.forEach(files, terminal.printJson, { discard: true })
    } else {
      const parts = files.map(({ path, place, text }) => `# ${place ?? path}\n${text.trimEnd()}`)
      // A stream of YAML documents, which `kubectl apply -f -` accepts unchanged.
      yield* terminal.print(parts.join(target === "k8s" ? "\n---\n" : "\n\n"))
    }
    terminal.note(NEXT[target] ?? "")
    return 0 as const
  })

const NEXT: Record<string, string> = {
  systemd:
    "note: write the files with --write <dir>, copy the units to /etc/systemd/system, then: systemctl enable --now sync-scheduler.timer",
  docker:
    "note: write the files with --write <dir>, put the binary next to Dockerfile.binary, then: docker build -f Dockerfile.binary -t sync-scheduler .",
  k8s: "note: cronjob.yaml, deployment.yaml and sidecar.yaml are alternatives: use only one of them. service.yaml, podmonitor.yaml and ingress.example.yaml belong to deployment.yaml",
  pg_cron:
    "note: write the files with --write <dir>, store the project's address in Vault as described in pg_cron.sql, then run pg_cron.sql as postgres"
}

const writeFiles = (directory: string, files: ReadonlyArray<InstallFile>, terminal: Terminal) =>
  Effect.gen(function* () {
    yield* checkDirectory(directory)
    const planned = yield* Effect.promise(() => plan(directory, files))
    const done = (yield* write(directory, planned)).map(({ path, status, why }) => ({
      path,
      status,
      why
    }))
    if (terminal.format === "json") yield* terminal.printJson({ directory, files: done })
    else if (terminal.format === "jsonl") {
      yield* Effect.forEach(done, terminal.printJson, { discard: true })
    } else {
      const lines = done.map(
        ({ path, status, why }) =>
          `  ${WORDS[status].padEnd(9)}  ${path}${why === null ? "" : `  (${safe(why)})`}`
      )
      yield* terminal.print([`In ${safe(directory)}:`, ...lines].join("\n"))
    }
    return done.some(({ status }) => status === "different") ? 3 : 0
  })
