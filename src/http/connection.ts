/** Says in the answer that the connection ends with it, where the client asked for that. */

type Fetch = (request: Request) => Response | Promise<Response>

/**
 * The same answers, with `Connection: close` where the request has it. RFC 9112 section 9.6. Bun
 * closes such a connection by itself and does not say so: a proxy that keeps connections to its
 * servers would send the next request into one that is about to end, and lose it.
 */
export const sayingClose =
  (fetch: Fetch): Fetch =>
  (request) => {
    const reply = fetch(request)
    if (!isLast(request.headers.get('connection'))) return reply
    return reply instanceof Promise ? reply.then(closing) : closing(reply)
  }

const isLast = (connection: string | null): boolean =>
  connection !== null && /(?:^|,)\s*close\s*(?:,|$)/i.test(connection)

function closing(reply: Response): Response {
  reply.headers.set('Connection', 'close')
  return reply
}
