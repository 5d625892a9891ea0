/** Counts what is answered, in the text format of Prometheus. Nothing in it names a tenant. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export interface Metrics {
  /** Notes an answer, and the seconds that it took until it began. */
  answered(method: string, status: number, seconds: number): void
  /** What `/metrics` shows. */
  text(): Promise<string>
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Upper bounds of a request's seconds; Okta and Entra ID give up after 60. */
const BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60]

/** What is good until a time: of which kind, whose, and milliseconds since 1970. */
export interface Ending {
  readonly kind: string
  readonly name: string
  readonly expires: number
}

/**
 * @param rateLimit requests per second of one credential, 0 for no limit
 * @param endings what expires, the soonest first
 */
export function serverMetrics(
  rateLimit: number,
  now: () => number,
  endings: () => readonly Ending[],
): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const answers = new Counter({
    name: 'scimd_requests_total',
    help: 'Requests by method and status; 429 are those past a rate, 401 failed sign-ins.',
    labelNames: ['method', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'scimd_request_duration_seconds',
    help: 'Time until the answer to a request began.',
    labelNames: ['method'],
    buckets: BUCKETS,
    registers,
  })
  new Gauge({
    name: 'scimd_rate_limit_requests_per_second',
    help: 'Requests that one credential may send in a second; 0 for no limit.',
    registers,
  }).set(rateLimit)
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'When the server was started, in seconds since 1970.',
    registers,
  }).set(Math.floor(now() / 1000))
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the server, with what of its stores is mapped in.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })

  new Gauge({
    name: 'scimd_expiry_seconds',
    help: 'Seconds until a credential or certificate expires; of one name, the soonest.',
    labelNames: ['kind', 'name'],
    registers,
    collect() {
      this.reset()
      // The soonest of a name comes last, and stays.
      for (const { kind, name, expires } of endings().toReversed())
        this.set({ kind, name }, Math.floor((expires - now()) / 1000))
    },
  })

  return {
    answered(given, status, seconds) {
      // Whatever somebody makes up as a method must not become a label.
      const method = METHODS.has(given) ? given : 'other'
      answers.inc({ method, status })
      durations.observe({ method }, seconds)
    },
    text: () => registry.metrics(),
  }
}
