/**
 * The peer of the benchmark: scimmy-routers over a Map, as its README shows how, and as fast as
 * that allows. bench.ts copies this file beside the packages, and starts it with a token.
 *
 * All is in memory and nothing survives the process, which makes writes cheaper than scimd's. An
 * index finds users by userName, pages are cut before resources are built, and ids of members are
 * not looked up.
 */

import { randomUUID } from 'node:crypto'
import express from 'express'
import SCIMMY from 'scimmy'
import { SCIMMYRouters } from 'scimmy-routers'

const [token] = process.argv.slice(2)
const BODY_BYTES_MAX = 16 * 1024 * 1024

const found = (map, id) => {
  const resource = map.get(id)
  if (!resource) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`)
  return resource
}

/** The value of a filter that is nothing but `NAME eq "VALUE"`. */
function valueOfEq(filter, name) {
  const [clause, ...more] = filter
  const [[attribute, comparison], ...others] = Object.entries(clause)
  const isEq = more.length === 0 && others.length === 0 && attribute === name
  return isEq && comparison[0] === 'eq' ? comparison[1] : undefined
}

/** What a list is made of; a page alone where no filter and no sort need to see the others. */
function list(map, { filter, constraints }) {
  const all = [...map.values()]
  if (filter) return filter.match(all)
  const { startIndex = 1, count = 20, sortBy } = constraints ?? {}
  if (!constraints || sortBy) return all
  constraints.totalResults = all.length
  const page = all.slice(startIndex - 1, startIndex - 1 + count)
  // The library cuts at startIndex what is at least as long; it must not cut the page again.
  if (page.length >= startIndex) constraints.startIndex = 1
  return page
}

/** Stores what a POST, PUT or PATCH made of a resource. */
function keep(map, id, data) {
  const before = id === undefined ? undefined : found(map, id)
  const lastModified = new Date()
  const created = before?.meta.created ?? lastModified
  const resource = { ...data, id: id ?? randomUUID(), meta: { created, lastModified } }
  map.set(resource.id, resource)
  return resource
}

const users = new Map()
const idsByUserName = new Map()
const groups = new Map()

SCIMMY.Config.set({ bulk: { supported: true, maxPayloadSize: BODY_BYTES_MAX } })
SCIMMY.Resources.declare(SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser))
  .ingress((resource, data) => {
    const name = data.userName.toLowerCase()
    const owner = idsByUserName.get(name)
    if (owner !== undefined && owner !== resource.id) {
      throw new SCIMMY.Types.Error(409, 'uniqueness', `userName ${data.userName} is taken`)
    }
    const before = users.get(resource.id)
    const user = keep(users, resource.id, data)
    if (before) idsByUserName.delete(before.userName.toLowerCase())
    idsByUserName.set(name, user.id)
    return user
  })
  .egress((resource) => {
    if (resource.id) return found(users, resource.id)
    const name = resource.filter && valueOfEq(resource.filter, 'userName')
    if (typeof name !== 'string') return list(users, resource)
    const user = users.get(idsByUserName.get(name.toLowerCase()))
    return user ? [user] : []
  })
  .degress((resource) => {
    idsByUserName.delete(found(users, resource.id).userName.toLowerCase())
    users.delete(resource.id)
  })
SCIMMY.Resources.declare(SCIMMY.Resources.Group)
  .ingress((resource, data) => keep(groups, resource.id, data))
  .egress((resource) => (resource.id ? found(groups, resource.id) : list(groups, resource)))
  .degress((resource) => {
    found(groups, resource.id)
    groups.delete(resource.id)
  })

const app = express()
app.use(
  '/scim/v2',
  new SCIMMYRouters({
    type: 'bearer',
    handler(request) {
      if (request.headers.authorization !== `Bearer ${token}`) throw new Error('wrong token')
      return 'bench'
    },
  }),
)
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`peer listening on ${server.address().port}`)
})
