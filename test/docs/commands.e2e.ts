import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { binaryPath } from "../support/binary.ts"
import { readDocuments, root } from "./Document.ts"
import { isRun, openSandbox } from "./Sandbox.ts"

setDefaultTimeout(300_000)
beforeAll(binaryPath, 120_000)

// Other tests cover generated pages and ADRs.
const documents = readDocuments().filter(({ path }) => !/^docs\/(adr|reference)\//.test(path))

describe("the commands of the documentation", () => {
  for (const document of documents.filter(({ blocks }) => blocks.some(isRun))) {
    test(`${document.path} work as documented`, async () => {
      const sandbox = await openSandbox(document)
      try {
        const { at, output } = await sandbox.run(document)
        const end = output.trim().split("\n").slice(-25).join("\n")
        expect(at === null ? "" : `${document.path}:${at}\n${end}`).toBe("")
      } finally {
        await sandbox.close()
      }
    })
  }
})

test("a command that is not run here names an existing test that runs it", () => {
  for (const { blocks, path } of documents) {
    for (const { language, line, notes } of blocks) {
      // Every fence must name a language, so that no command is overlooked.
      expect([path, line, language]).not.toEqual([path, line, ""])
      expect([path, line, language]).not.toEqual([
        path,
        line,
        expect.stringMatching(/^(bash|shell|console|typescript)$/)
      ])
      for (const note of notes.filter((one) => one.startsWith("shown-by="))) {
        expect([path, note, existsSync(join(root, note.slice("shown-by=".length)))]).toEqual([
          path,
          note,
          true
        ])
      }
    }
  }
})
