/**
 * Returns a webhook's signature: `v1,` and the base64-encoded HMAC-SHA256 of `<id>.<timestamp>.<body>`. The timestamp is in
 * seconds. A secret of the form `whsec_<base64>` contains the base64-encoded key. Any other secret is the key itself.
 *
 * *Source*: the Standard Webhooks specification, https://www.standardwebhooks.com.
 */
export const signatureOf = async (
  secret: string,
  message: { readonly id: string; readonly timestamp: number; readonly body: string }
): Promise<string> => {
  const algorithm = { name: "HMAC", hash: "SHA-256" }
  const key = await crypto.subtle.importKey("raw", keyOf(secret), algorithm, false, ["sign"])
  const signed = new TextEncoder().encode(`${message.id}.${message.timestamp}.${message.body}`)
  const mac = await crypto.subtle.sign("HMAC", key, signed)
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(mac)))}`
}

const PREFIX = "whsec_"

const keyOf = (secret: string): Uint8Array<ArrayBuffer> =>
  secret.startsWith(PREFIX)
    ? Uint8Array.from(atob(secret.slice(PREFIX.length)), (char) => char.charCodeAt(0))
    : new TextEncoder().encode(secret)
