/**
 * Carries out a bulk request: each operation by itself, those that refer to each other in a circle
 * in one commit. RFC 7644 section 3.7.
 */

import { type BulkFault, type BulkOperation, bulkIdIn, readBulk, withIds } from '../scim/bulk.ts'
import { errorBody, ScimError } from '../scim/error.ts'
import { etagOf } from '../scim/etag.ts'
import type { JsonValue } from '../scim/json.ts'
import {
  ANSWER_SMALL_BYTES_MAX,
  BULK_CIRCLE_LENGTH_MAX,
  BULK_CIRCLE_MAX,
  LINKS_PER_COMMIT_MAX,
} from '../scim/limits.ts'
import type { ResourceType } from '../scim/registry.ts'
import { URN } from '../scim/urns.ts'
import type { JsonObject } from '../scim/value.ts'
import { Abandoned, inSlices, nextTurn, slicer } from '../store/slices.ts'
import type { Change } from '../store/store.ts'
import { type Context, locationOf } from './context.ts'
import { createChange } from './create.ts'
import { patch } from './patch.ts'
import { remove } from './remove.ts'
import { replace } from './replace.ts'

/** One operation of the request and what has become of it. */
interface Task {
  /** Its references to bulkIds have been replaced by ids. */
  operation: BulkOperation
  /** What is wrong with it before it is tried. */
  fault: ScimError | undefined
  /** The id of the resource: minted beforehand for a POST; undefined for a path to nothing. */
  id: string | undefined
  /** The POST operations that this one refers to. */
  readonly needs: Set<Task>
  outcome: Outcome | undefined
}

/** The resource itself is let go of: a thousand large ones would fill the memory. */
type Outcome =
  | { readonly status: 200 | 201 | 204; readonly version?: number | undefined }
  | ScimError

/**
 * The body of the response: a result for each operation that was processed, in request order. One
 * that another needed is processed with it, and may so be among them after the end was reached.
 */
export async function bulk(context: Context, body: JsonValue): Promise<JsonObject> {
  const { failOnErrors, operations } = readBulk(context.registry, body, context.rules)
  const bytes = operations.length * RESULT_BYTES
  if (bytes > ANSWER_SMALL_BYTES_MAX) await context.reserve(bytes)
  const tasks = await tasksOf(context, operations)
  const results: JsonObject[] = []
  let errors = 0
  for (const [index, operation] of operations.entries()) {
    const isOver = errors >= failOnErrors
    const task = tasks.get(index)
    if ('fault' in operation) {
      if (isOver) continue
      errors++
      results.push(faultResult(context, operation))
    } else if (task) {
      if (context.signal?.aborted) throw new Abandoned('the client has gone')
      if (!isOver && !task.outcome) errors += await carryOut(context, task)
      if (task.outcome) results.push(resultOf(context, task, task.outcome))
    }
    await nextTurn()
  }
  return { schemas: [URN.bulkResponse], Operations: results }
}

/** About what the result of one operation takes, as an object and as text. */
const RESULT_BYTES = 1024

/** The operations that can be tried, each with those that it needs done before or with it. */
async function tasksOf(
  context: Context,
  operations: readonly (BulkOperation | BulkFault)[],
): Promise<Map<number, Task>> {
  const pause = slicer(context)
  const tasks = new Map<number, Task>()
  const byBulkId = new Map<string, Task>()
  for (const [index, operation] of operations.entries()) {
    if ('fault' in operation) continue
    const id = operation.method === 'POST' ? context.newId() : operation.id
    const task: Task = { operation, fault: undefined, id, needs: new Set(), outcome: undefined }
    tasks.set(index, task)
    if (operation.method === 'POST' && operation.bulkId !== undefined) {
      byBulkId.set(operation.bulkId, task)
    }
  }
  for (const task of tasks.values()) {
    const { operation } = task
    // All of its needs count, also those behind a reference to nothing: they tell a circle.
    const found = (bulkId: string): Task | undefined => {
      const needed = byBulkId.get(bulkId)
      if (needed) task.needs.add(needed)
      else task.fault ??= unknownBulkId(bulkId)
      return needed
    }
    const inPath = operation.id === undefined ? undefined : bulkIdIn(operation.id)
    if (inPath !== undefined) task.id = found(inPath)?.id
    const steps = withIds(operation, (bulkId) => found(bulkId)?.id ?? bulkId)
    const data = await inSlices(steps, context)
    task.operation = { ...operation, data }
    await pause()
  }
  return tasks
}

const unknownBulkId = (bulkId: string): ScimError =>
  ScimError.of('invalidValue', `no POST of this request has the bulkId "${bulkId}"`)

function requireScimError(error: unknown): ScimError {
  if (error instanceof ScimError) return error
  throw error
}

/**
 * Carries an operation out after those that it needs; a circle of them in one commit. Tells how
 * many of them have failed.
 */
async function carryOut(context: Context, task: Task): Promise<number> {
  let errors = 0
  for (const circle of inOrder(task)) {
    const [only] = circle
    if (only && circle.length === 1 && !only.needs.has(only)) await single(context, only)
    else await together(context, circle)
    errors += circle.filter(({ outcome }) => outcome instanceof ScimError).length
  }
  return errors
}

/**
 * The task and all that it needs and that is not done, what is needed first; tasks that need each
 * other come as one list. Tarjan's algorithm.
 */
function inOrder(task: Task): Task[][] {
  const circles: Task[][] = []
  const indexes = new Map<Task, number>()
  const lows = new Map<Task, number>()
  const open: Task[] = []
  const closed = new Set<Task>()
  const visit = (one: Task): void => {
    const index = indexes.size
    indexes.set(one, index)
    lows.set(one, index)
    open.push(one)
    for (const needed of one.needs) {
      if (needed.outcome) continue
      if (!indexes.has(needed)) visit(needed)
      if (!closed.has(needed)) lows.set(one, Math.min(low(one), low(needed)))
    }
    if (low(one) !== index) return
    const circle = open.splice(open.lastIndexOf(one))
    for (const member of circle) closed.add(member)
    circles.push(circle)
  }
  const low = (one: Task): number => lows.get(one) ?? 0
  visit(task)
  return circles
}

async function single(context: Context, task: Task): Promise<void> {
  const { method, type, data, version } = task.operation
  const conditions = { ifMatch: version, ifNoneMatch: undefined }
  task.outcome = await attempt(async () => {
    const id = requireReady(task)
    if (method === 'POST') {
      const change = await createChange(context, type, data, id)
      const [created] = await context.store.commit([change], context.origin, context)
      return { status: 201, version: created?.stored?.version }
    }
    if (method === 'PUT') {
      const replaced = await replace(context, type, id, data, conditions)
      return { status: 200, version: replaced.version }
    }
    if (method === 'PATCH') {
      const patched = await patch(context, type, id, data, conditions)
      return { status: 200, version: patched.version }
    }
    await remove(context, type, id, conditions)
    return { status: 204 }
  })
}

/** Its id. What an operation needs has to be there; it is not tried when that has failed. */
function requireReady({ fault, needs, id }: Task): string {
  if (fault) throw fault
  for (const { outcome, operation } of needs) {
    if (!(outcome instanceof ScimError)) continue
    throw ScimError.of('invalidValue', `the operation "${operation.bulkId}" has failed`)
  }
  if (id === undefined) throw new Error('a bulk operation has no id')
  return id
}

/** Resources that refer to each other: all of them are created, or none. */
async function together(context: Context, circle: readonly Task[]): Promise<void> {
  const changes: Change[] = []
  const pause = slicer(context)
  /** The one that is being worked on, or was decided on last: what fails, fails for it. */
  let culprit: Task | undefined
  const outcome = await attempt(async () => {
    requireFew(circle)
    let length = 0
    for (const task of circle) {
      length += JSON.stringify(task.operation.data).length
      if (length > BULK_CIRCLE_LENGTH_MAX) {
        throw tooMuchAtOnce(circle, 'hold much data', `${BULK_CIRCLE_LENGTH_MAX} characters`)
      }
      await pause()
    }
    for (const task of circle) {
      culprit = task
      const { type, data } = task.operation
      const change = await createChange(context, type, data, requireReady(task))
      const decide: Change['decide'] = (current) => {
        culprit = task
        return change.decide(current)
      }
      changes.push({ ...change, decide })
      await pause()
    }
    culprit = undefined
    requireFewLinks(changes)
    const committed = await context.store.commit(changes, context.origin)
    for (const [place, task] of circle.entries()) {
      task.outcome = { status: 201, version: committed[place]?.stored?.version }
    }
    return { status: 201 }
  })
  if (outcome instanceof ScimError) failAll(circle, culprit, outcome)
}

/** The others fail for a conflict; unless all of them are concerned, as when the disk is full. */
function failAll(circle: readonly Task[], culprit: Task | undefined, error: ScimError): void {
  const names = circle.map(({ operation }) => `"${operation.bulkId}"`).join(', ')
  const isOfOne = error.status === 400 || error.status === 409
  for (const task of circle) {
    task.outcome =
      !culprit || task === culprit || !isOfOne
        ? error
        : ScimError.status(409, `${names} refer to each other, and one of them failed`)
  }
}

function requireFew(circle: readonly Task[]): void {
  if (circle.length <= BULK_CIRCLE_MAX) return
  throw tooMuchAtOnce(circle, 'are many', `${BULK_CIRCLE_MAX} of them`)
}

/** Section 3.7.1 lets a server give up on a circle. */
const tooMuchAtOnce = (circle: readonly Task[], how: string, most: string): ScimError =>
  ScimError.status(
    409,
    `${circle.length} operations refer to each other and ${how}, expected at most ${most}`,
  )

/** Section 3.7.1 lets a server give up. Links of one resource are written in slices, if many. */
function requireFewLinks(changes: readonly Change[]): void {
  const links = changes.reduce((sum, { mentions }) => sum + mentions.length, 0)
  if (changes.length === 1 || links <= LINKS_PER_COMMIT_MAX) return
  const found = `${changes.length} operations refer to each other and link to ${links} resources`
  throw ScimError.status(409, `${found}, expected at most ${LINKS_PER_COMMIT_MAX}; link them later`)
}

async function attempt(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work()
  } catch (error) {
    return requireScimError(error)
  }
}

function faultResult(context: Context, { method, bulkId, place, fault }: BulkFault): JsonObject {
  return {
    ...(method === undefined ? {} : { method }),
    ...(bulkId === undefined ? {} : { bulkId }),
    ...(place ? locationMember(context, place.type, place.id) : {}),
    ...errorResult(fault),
  }
}

const errorResult = ({ status, scimType, message }: ScimError): JsonObject => ({
  status: String(status),
  response: errorBody(status, scimType, message),
})

function resultOf(context: Context, { operation, id }: Task, outcome: Outcome): JsonObject {
  const { method, bulkId, type } = operation
  const head = { method, ...(bulkId === undefined ? {} : { bulkId }) }
  if (outcome instanceof ScimError) {
    const place = method === 'POST' ? {} : locationMember(context, type, id)
    return { ...head, ...place, ...errorResult(outcome) }
  }
  const { version, status } = outcome
  return {
    ...head,
    ...(version === undefined ? {} : { version: etagOf(version) }),
    ...locationMember(context, type, id),
    status: String(status),
  }
}

/** Where the resource is; an operation on what is nowhere tells no location. */
const locationMember = (
  context: Context,
  type: ResourceType,
  id: string | undefined,
): JsonObject =>
  id === undefined || bulkIdIn(id) !== undefined ? {} : { location: locationOf(context, type, id) }
