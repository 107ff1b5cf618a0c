import { expect, setDefaultTimeout, test } from "bun:test"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { credentialName } from "../../src/Config/Source.ts"
import { table } from "../../src/Config.ts"
import { root } from "../functions/support/DenoServer.ts"

setDefaultTimeout(60_000)

const read = (path: string): string => readFileSync(join(root, "deploy", path), "utf8")
const manifests = readdirSync(join(root, "deploy/k8s")).filter((name) => name.endsWith(".yaml"))

/** Generated from the OpenAPI schemas of Kubernetes and the Prometheus Operator. */
const MODELS: Readonly<Record<string, string>> = {
  CronJob: "kubernetes-models/batch/v1/CronJob",
  Deployment: "kubernetes-models/apps/v1/Deployment",
  Ingress: "kubernetes-models/networking.k8s.io/v1/Ingress",
  NetworkPolicy: "kubernetes-models/networking.k8s.io/v1/NetworkPolicy",
  PodMonitor: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
  Secret: "kubernetes-models/v1/Secret",
  Service: "kubernetes-models/v1/Service"
}

const modelOf = (kind: string): string => {
  const model = MODELS[kind]
  if (model === undefined) throw new Error(`no model for the kind ${kind}`)
  return model
}

const parse = (name: string): { readonly kind: string } => {
  const parsed: unknown = Bun.YAML.parse(read(`k8s/${name}`))
  if (typeof parsed !== "object" || parsed === null || !("kind" in parsed)) throw new Error(name)
  return { ...parsed, kind: String(parsed.kind) }
}

const faultsOf = async (manifest: { readonly kind: string }): Promise<string> => {
  const { [manifest.kind]: Model } = await import(modelOf(manifest.kind))
  try {
    new Model(manifest).validate()
    return ""
  } catch (error) {
    return String(error)
  }
}

/** Type-checks the manifests to find unknown fields, which the schema check allows. */
const unknownFieldsIn = (files: Readonly<Record<string, { readonly kind: string }>>): string => {
  const folder = join(root, "node_modules/.cache/sync-scheduler-manifests")
  mkdirSync(folder, { recursive: true })
  const names = Object.entries(files).map(([name, manifest]) => {
    const { kind } = manifest
    const text = `import type { I${kind} } from "${modelOf(kind)}"\nexport const manifest: I${kind} = ${JSON.stringify(manifest, null, 2)}\n`
    writeFileSync(join(folder, `${name}.ts`), text)
    return `${name}.ts`
  })
  const flags = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "--module", "preserve"]
  const tsc = join(root, "node_modules/.bin/tsc")
  const done = Bun.spawnSync([tsc, ...flags, ...names], { cwd: folder })
  rmSync(folder, { recursive: true })
  return done.stdout.toString()
}

test("the Kubernetes manifests match the published schemas and have no unknown field", async () => {
  expect(manifests.length).toBeGreaterThanOrEqual(8)
  const files = Object.fromEntries(manifests.map((name) => [name, parse(name)]))
  for (const [name, file] of Object.entries(files)) {
    expect(`${name}: ${await faultsOf(file)}`).toBe(`${name}: `)
  }
  expect(unknownFieldsIn(files)).toBe("")

  // Verifies that the checks themselves detect faults.
  const good = parse("cronjob.yaml")
  const corrupt = (from: string, to: string) => JSON.parse(JSON.stringify(good).replace(from, to))
  expect(await faultsOf(corrupt('"restartPolicy":"Never"', '"restartPolicy":7'))).not.toBe("")
  expect(await faultsOf(corrupt('"schedule":', '"sched":'))).not.toBe("")
  expect(unknownFieldsIn({ spoilt: corrupt('"timeZone":', '"timezone":') })).toContain("timezone")
})

test("the manifests name the image of this version", () => {
  for (const name of ["cronjob.yaml", "deployment.yaml", "sidecar.yaml"]) {
    const [, image = ""] = /^ *image: (\S*sync-scheduler\S*)$/m.exec(read(`k8s/${name}`)) ?? []
    expect([name, image.endsWith(`:${manifest.version}`)]).toEqual([name, true])
  }
})

test("the compose file matches the Compose Specification", () => {
  const dclint = join(root, "node_modules/dclint/bin/dclint.cjs")
  const path = join(root, "deploy/docker/compose.yaml")
  const done = Bun.spawnSync([process.execPath, dclint, "--formatter", "json", path], { cwd: root })
  const files: ReadonlyArray<{ messages: ReadonlyArray<{ rule: string; message: string }> }> =
    JSON.parse(done.stdout.toString())
  const messages = files.flatMap((file) => file.messages)
  expect(messages.filter(({ rule }) => rule === "invalid-schema")).toEqual([])
})

test("every secret setting has a credential in the units, and a default for when it is not set", () => {
  const secrets = Object.values(table)
    .filter(({ secret }) => secret)
    .map(({ key }) => credentialName(key))
  for (const unit of ["sync-scheduler.service", "sync-scheduler-serve.service"]) {
    const text = read(`systemd/${unit}`)
    const loaded = [...text.matchAll(/^LoadCredential=([^:]+):\/etc\/sync-scheduler\/\1$/gm)]
    const optional = [...text.matchAll(/^SetCredential=([^:]+):\\n$/gm)]
    expect(loaded.map(([, name]) => name).toSorted()).toEqual(secrets.toSorted())
    expect(optional.map(([, name]) => name).toSorted()).toEqual(secrets.toSorted())
  }
})

test("every setting that deploy/ names exists", () => {
  const known = new Set(Object.values(table).map(({ key }) => key))
  const names = [...new Bun.Glob("**/*").scanSync({ cwd: join(root, "deploy") })].flatMap((path) =>
    [...read(path).matchAll(/\bSYNC_SCHEDULER_[A-Z_]+\b/g)].map(([name]) => name)
  )
  const ours = names.filter((name) => name !== "SYNC_SCHEDULER_IMAGE")
  expect(ours.filter((name) => !known.has(name))).toEqual([])
})
