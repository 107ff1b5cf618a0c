import { expect, test } from "bun:test"
import { Either } from "effect"
import { signingSecret } from "../../src/Config/Setting.ts"

const base64 = (bytes: number): string => Buffer.alloc(bytes, 0xfb).toString("base64")

test.each([
  `whsec_${base64(24)}`,
  `whsec_${base64(25)}`,
  `whsec_${base64(64)}`,
  "any-text-of-16-or-more"
])("a valid secret is accepted: %p", (text) => {
  expect(Either.isRight(signingSecret(text))).toBe(true)
})

test.each([
  ["whsec_", "24 bytes"],
  [`whsec_${base64(20)}`, "24 bytes"],
  [`whsec_${base64(32).replaceAll("+", "-")}`, "24 bytes"],
  [`whsec_${base64(32)}=`, "24 bytes"],
  ["short", "16 characters"],
  ["sixteen or more but with spaces", "spaces"]
])("an invalid secret is rejected and not printed: %p", (text, why) => {
  const fault = Either.getOrThrow(Either.flip(signingSecret(text)))
  expect(fault.why).toContain(why)
  expect(fault.fix).toContain("openssl rand")
  if (text.length > 6) expect(`${fault.why} ${fault.fix}`).not.toContain(text)
})
