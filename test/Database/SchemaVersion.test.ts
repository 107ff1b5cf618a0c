import { expect, test } from "bun:test"
import { Either } from "effect"
import { compareSchema } from "../../src/Database/SchemaVersion.ts"

const engine = { version: "20260500000000", oldest: "20260300000000" }
const verdict = (version: string, enginesFrom: string | null = null) =>
  Either.match(compareSchema({ version, enginesFrom }, engine), {
    onLeft: ({ reason }) => reason,
    onRight: (right): string => right
  })

test("the schema version determines which binaries can use the schema", () => {
  expect(verdict("20260500000000")).toBe("same")
  expect(verdict("20260400000000")).toBe("database_older")
  expect(verdict("20260300000000")).toBe("database_older")
  expect(verdict("20260299999999")).toBe("DatabaseTooOld")
  expect(verdict("20260600000000")).toBe("database_newer")
  expect(verdict("20260600000000", "20260500000000")).toBe("database_newer")
  expect(verdict("20260600000000", "20260500000001")).toBe("EngineTooOld")
})
