/**
 * Carries out a bulk request: each operation by itself, those that refer to each other in a circle
 * in one commit. RFC 7644 section 3.7.
 */

import { type BulkFault, type BulkOperation, bulkIdIn, readBulk, withIds } from '../scim/bulk.ts'
import { errorBody, ScimError } from '../scim/error.ts'
import { etagOf } from '../scim/etag.ts'
import type { JsonValue } from '../scim/json.ts'
import { URN } from '../scim/urns.ts'
import type { JsonObject } from '../scim/value.ts'
import { Abandoned, nextTurn } from '../store/slices.ts'
import type { Change, Stored } from '../store/store.ts'
import { type Context, locationOf } from './context.ts'
import { createChange } from './create.ts'
import { patch } from './patch.ts'
import { remove } from './remove.ts'
import { replace } from './replace.ts'

/** One operation of the request and what has become of it. */
interface Task {
  /** Its references to bulkIds have been replaced by ids. */
  operation: BulkOperation
  /** The id of the resource: minted beforehand for a POST. */
  readonly id: () => string
  /** The POST operations that this one refers to. */
  readonly needs: Task[]
  outcome: Outcome | undefined
}

type Outcome = { readonly status: 200 | 201 | 204; readonly stored: Stored | undefined } | ScimError

/** The body of the response: a result for each operation that was processed, in request order. */
export async function bulk(context: Context, body: JsonValue): Promise<JsonObject> {
  const { failOnErrors, operations } = readBulk(context.registry, body)
  const tasks = tasksOf(context, operations)
  const results: JsonObject[] = []
  let errors = 0
  for (const [index, operation] of operations.entries()) {
    if (errors >= failOnErrors) break
    if (context.signal?.aborted) throw new Abandoned('the client has gone')
    const task = tasks.get(index)
    if (task && !task.outcome) await carryOut(context, task)
    const isFailed = !task || task.outcome instanceof ScimError
    if (isFailed) errors++
    results.push('fault' in operation ? faultResult(operation) : resultOf(context, task as Task))
    await nextTurn()
  }
  return { schemas: [URN.bulkResponse], Operations: results }
}

/** The operations that can be tried, each with those that it needs done before or with it. */
function tasksOf(
  context: Context,
  operations: readonly (BulkOperation | BulkFault)[],
): Map<number, Task> {
  const tasks = new Map<number, Task>()
  const byBulkId = new Map<string, Task>()
  for (const [index, operation] of operations.entries()) {
    if ('fault' in operation) continue
    const minted = operation.method === 'POST' ? context.newId() : undefined
    const id = () => minted ?? pathId(operation.id ?? '', byBulkId)
    const task: Task = { operation, id, needs: [], outcome: undefined }
    tasks.set(index, task)
    if (operation.method === 'POST' && operation.bulkId !== undefined) {
      byBulkId.set(operation.bulkId, task)
    }
  }
  for (const task of tasks.values()) {
    try {
      const need = (bulkId: string) => {
        const needed = requireTask(bulkId, byBulkId)
        if (!task.needs.includes(needed)) task.needs.push(needed)
        return needed.id()
      }
      const { operation } = task
      const inPath = operation.id === undefined ? undefined : bulkIdIn(operation.id)
      if (inPath !== undefined) need(inPath)
      task.operation = { ...operation, data: withIds(operation, need) }
    } catch (error) {
      task.outcome = requireScimError(error)
    }
  }
  return tasks
}

const pathId = (id: string, byBulkId: ReadonlyMap<string, Task>): string => {
  const bulkId = bulkIdIn(id)
  return bulkId === undefined ? id : requireTask(bulkId, byBulkId).id()
}

function requireTask(bulkId: string, byBulkId: ReadonlyMap<string, Task>): Task {
  const task = byBulkId.get(bulkId)
  if (task) return task
  throw ScimError.of('invalidValue', `no POST of this request has the bulkId "${bulkId}"`)
}

function requireScimError(error: unknown): ScimError {
  if (error instanceof ScimError) return error
  throw error
}

/** Carries an operation out after those that it needs; a circle of them in one commit. */
async function carryOut(context: Context, task: Task): Promise<void> {
  for (const circle of inOrder(task)) {
    const [only] = circle
    if (only && circle.length === 1 && !only.needs.includes(only)) await single(context, only)
    else await together(context, circle)
  }
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
  const visit = (one: Task): void => {
    const index = indexes.size
    indexes.set(one, index)
    lows.set(one, index)
    open.push(one)
    for (const needed of one.needs) {
      if (needed.outcome) continue
      if (!indexes.has(needed)) visit(needed)
      if (open.includes(needed)) lows.set(one, Math.min(low(one), low(needed)))
    }
    if (low(one) !== index) return
    circles.push(open.splice(open.indexOf(one)))
  }
  const low = (one: Task): number => lows.get(one) ?? 0
  visit(task)
  return circles
}

async function single(context: Context, task: Task): Promise<void> {
  const { method, type, data, version } = task.operation
  task.outcome = await attempt(async () => {
    requireDone(task)
    if (method === 'POST') {
      const change = await createChange(context, type, data, task.id())
      const [created] = await context.store.commit([change], context.origin)
      return { status: 201, stored: created?.stored }
    }
    const id = task.id()
    if (method === 'PUT') {
      return { status: 200, stored: await replace(context, type, id, data, version) }
    }
    if (method === 'PATCH') {
      return { status: 200, stored: await patch(context, type, id, data, version) }
    }
    await remove(context, type, id, version)
    return { status: 204, stored: undefined }
  })
}

/** What an operation needs has to be there; it is not tried when that has failed. */
function requireDone({ needs }: Task): void {
  const failed = needs.find(({ outcome }) => outcome instanceof ScimError)
  if (!failed) return
  throw ScimError.of('invalidValue', `the operation "${failed.operation.bulkId}" has failed`)
}

/** Resources that refer to each other: all of them are created, or none. */
async function together(context: Context, circle: readonly Task[]): Promise<void> {
  const changes: Change[] = []
  for (const task of circle) {
    const outcome = await attempt(async () => {
      requireDone(task)
      changes.push(await createChange(context, task.operation.type, task.operation.data, task.id()))
      return { status: 201, stored: undefined }
    })
    if (outcome instanceof ScimError) return failAll(circle, task, outcome)
  }
  const committed = await attempt(async () => {
    const all = await context.store.commit(changes, context.origin)
    for (const [place, task] of circle.entries()) {
      task.outcome = { status: 201, stored: all[place]?.stored }
    }
    return { status: 201, stored: undefined }
  })
  if (committed instanceof ScimError) failAll(circle, undefined, committed)
}

function failAll(circle: readonly Task[], culprit: Task | undefined, error: ScimError): void {
  const names = circle.map(({ operation }) => `"${operation.bulkId}"`).join(', ')
  for (const task of circle) {
    const isOwn = culprit === undefined || task === culprit
    task.outcome = isOwn
      ? error
      : ScimError.status(409, `${names} refer to each other, and one of them failed`)
  }
}

async function attempt(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work()
  } catch (error) {
    return requireScimError(error)
  }
}

const faultResult = ({ method, bulkId, fault }: BulkFault): JsonObject => ({
  ...(method === undefined ? {} : { method }),
  ...(bulkId === undefined ? {} : { bulkId }),
  ...errorResult(fault),
})

const errorResult = ({ status, scimType, message }: ScimError): JsonObject => ({
  status: String(status),
  response: errorBody(status, scimType, message),
})

function resultOf(context: Context, { operation, outcome, id }: Task): JsonObject {
  const { method, bulkId, type } = operation
  const head = { method, ...(bulkId === undefined ? {} : { bulkId }) }
  if (!outcome) throw new Error('a bulk operation was passed over')
  if (outcome instanceof ScimError) {
    const isPost = method === 'POST'
    return {
      ...head,
      ...(isPost ? {} : locationMember(context, type, id)),
      ...errorResult(outcome),
    }
  }
  const { stored, status } = outcome
  return {
    ...head,
    ...(stored ? { version: etagOf(stored.version) } : {}),
    location: locationOf(context, type, id()),
    status: String(status),
  }
}

/** The location of a failed operation; one that refers to nothing has none. */
function locationMember(
  context: Context,
  type: BulkOperation['type'],
  id: () => string,
): JsonObject {
  try {
    return { location: locationOf(context, type, id()) }
  } catch {
    return {}
  }
}
