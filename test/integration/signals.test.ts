import {
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test
} from "bun:test"
import { binaryPath } from "../support/binary.ts"
import { type EngineProcess, startEngine } from "../support/EngineProcess.ts"
import { ok, until } from "../support/FunctionBehaviour.ts"
import { type Project, startProject } from "../support/Project.ts"
import { startSidecar } from "../support/Sidecar.ts"

setDefaultTimeout(60_000)
beforeAll(binaryPath, 60_000)
let project: Project
let mayAnswer: PromiseWithResolvers<void>
beforeEach(async () => {
  project = await startProject()
  mayAnswer = Promise.withResolvers()
  project.functions.behave(() => until(mayAnswer.promise, ok()))
  await project.seedDue(1)
}, 60_000)
afterEach(() => project.close())

const start = {
  run: () => startEngine(project.environment),
  serve: () => startSidecar(project.environment)
} as const

const startBusy = async <E extends EngineProcess>(starting: Promise<E>): Promise<E> => {
  const engine = await starting
  await project.functions.arrived(1)
  return engine
}

/** Asserts that the run's outcome is recorded before the process exits. */
const endOf = async (engine: EngineProcess) => {
  mayAnswer.resolve()
  const exit = await engine.exited
  expect(await project.statuses()).toEqual({ completed: 1 })
  expect(project.functions.effects.size).toBe(1)
  return exit
}

describe.each(["run", "serve"] as const)("%s, with a function running", (command) => {
  test.each([
    ["SIGHUP", 129],
    ["SIGQUIT", 131],
    ["SIGALRM", 142],
    ["SIGVTALRM", 154],
    ["SIGPROF", 155],
    ["SIGXCPU", 152]
  ] as const)(
    "%s stops the command as SIGTERM does, and the outcome is recorded",
    async (signal, code) => {
      const engine = await startBusy(start[command]())
      const logged = engine.awaitOutput(`${signal}: stopping`)
      engine.kill(signal)
      expect(await logged).not.toBeNull()
      expect((await endOf(engine)).code).toBe(command === "run" ? code : 0)
    }
  )

  test.each([
    ["SIGUSR1", "SIGUSR1 is ignored"],
    ["SIGUSR2", "SIGUSR2 is ignored"],
    ["SIGPIPE", null],
    ["SIGPWR", null],
    ["SIGXFSZ", null]
  ] as const)("%s changes nothing", async (signal, said) => {
    const engine = await startBusy(start[command]())
    const logged = said === null ? Bun.sleep(200) : engine.awaitOutput(said)
    engine.kill(signal)
    expect(await logged).not.toBeNull()
    if (command === "run") expect(await endOf(engine)).toMatchObject({ code: 0 })
    else {
      mayAnswer.resolve()
      while ((await project.statuses()).completed !== 1) await Bun.sleep(20)
      engine.kill("SIGTERM")
      expect((await endOf(engine)).code).toBe(0)
    }
  })

  test("repeated SIGHUPs, as from a closing terminal, leave nothing behind", async () => {
    const engine = await startBusy(start[command]())
    const logged = engine.awaitOutput("SIGHUP")
    engine.kill("SIGHUP")
    await logged
    engine.kill("SIGHUP")
    await Bun.sleep(100)
    engine.kill("SIGHUP")
    await Bun.sleep(100)
    expect((await endOf(engine)).code).toBe(command === "run" ? 129 : 0)
  })

  test("SIGTERM followed by SIGHUP, as from systemd's SendSIGHUP=, records the outcome", async () => {
    const engine = await startBusy(start[command]())
    const logged = engine.awaitOutput("SIGTERM")
    engine.kill("SIGTERM")
    engine.kill("SIGHUP")
    await logged
    await Bun.sleep(100)
    // The kernel delivers pending signals in numeric order, so SIGHUP (exit code 129) can arrive before SIGTERM.
    const { code } = await endOf(engine)
    expect(command === "run" ? [143, 129] : [0]).toContain(code ?? -1)
  })
})

test("under nohup, SIGHUP is ignored and SIGTERM stops it", async () => {
  const engine = await startBusy(startSidecar(project.environment, [], ["nohup"]))
  engine.kill("SIGHUP")
  await Bun.sleep(300)
  expect((await engine.get("/livez")).status).toBe(200)
  mayAnswer.resolve()
  while ((await project.statuses()).completed !== 1) await Bun.sleep(20)
  await project.seedDue(1)
  engine.kill("SIGTERM")
  const { code, stderr } = await engine.exited
  expect(code).toBe(0)
  expect(stderr).not.toContain("SIGHUP")
})

test("Ctrl-C does not affect a background job of a script", async () => {
  const ignoring = ["sh", "-c", 'trap "" INT QUIT; exec "$0" "$@"']
  const engine = await startBusy(startEngine(project.environment, ["run", "-o", "json"], ignoring))
  engine.kill("SIGINT")
  engine.kill("SIGQUIT")
  await Bun.sleep(300)
  expect(await endOf(engine)).toMatchObject({ code: 0, summary: { completed: 1 } })
})

test("the outcome is recorded when the terminal goes away", async () => {
  const child = Bun.spawn([await binaryPath(), "run"], {
    env: { TERM: "xterm", ...project.environment },
    terminal: { cols: 80, rows: 24 }
  })
  await project.functions.arrived(1)
  child.terminal?.close()
  await Bun.sleep(500)
  expect(child.exitCode).toBeNull()
  mayAnswer.resolve()
  expect([0, 129]).toContain(await child.exited)
  expect(await project.statuses()).toEqual({ completed: 1 })
})

test("the outcome is recorded when the reader of the output goes away", async () => {
  const shell = Bun.spawn(["sh", "-c", '"$0" run -o jsonl | true', await binaryPath()], {
    env: { PATH: process.env.PATH ?? "", ...project.environment },
    stderr: "ignore"
  })
  await project.functions.arrived(1)
  mayAnswer.resolve()
  expect(await shell.exited).toBe(0)
  expect(await project.statuses()).toEqual({ completed: 1 })
})
