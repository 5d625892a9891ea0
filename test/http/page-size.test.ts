/** Pages of very large resources end before their count, and nothing of the list is lost. */

import { beforeAll, describe, expect, test } from 'bun:test'
import { PAGE_BYTES_MAX } from '../../src/scim/limits.ts'
import { TARGETS } from '../harness.ts'
import { type Body, sharedServer } from './given.ts'

/** Characters of one string, of which each user has several. */
const LENGTH = 60_000
const STRINGS = 15
const USERS = Math.ceil(PAGE_BYTES_MAX / (LENGTH * STRINGS)) + 3

for (const target of TARGETS) {
  describe(`the size of a page (${target})`, () => {
    const scim = sharedServer({ target })
    beforeAll(async () => {
      for (let index = 0; index < USERS; index++) {
        const emails = Array.from({ length: STRINGS }, (_, at) => ({
          value: `${at}-`.padEnd(LENGTH, 'x'),
          type: 'work',
        }))
        await scim.user({ userName: `user-${String(index).padStart(3, '0')}`, title: 'x', emails })
      }
    }, 60_000)

    const queries = ['', 'sortBy=userName', 'filter=title%20eq%20%22x%22', 'sortBy=nickName']
    for (const query of queries) {
      for (const path of ['/Users', '']) {
        test(`a page of "${path}?${query}" ends at its size, and the next goes on`, async () => {
          const names: string[] = []
          const pages: Body[] = []
          let cursor: string | undefined = ''
          while (cursor !== undefined) {
            const place = `${path}?${query}&count=1000&cursor=${cursor}`
            const { status, body, text } = await scim.get(place)
            expect(status).toBe(200)
            expect(text.length).toBeLessThan(PAGE_BYTES_MAX + 2 * LENGTH * STRINGS)
            expect(body).toMatchObject({ totalResults: USERS, itemsPerPage: body.Resources.length })
            names.push(...body.Resources.map(({ userName }: Body) => userName))
            pages.push(body)
            cursor = body.nextCursor
          }
          expect(pages.length).toBeGreaterThan(1)
          expect(names.length).toBe(USERS)
          expect(names.toSorted()).toEqual([...new Set(names)].toSorted())

          // By index, a client goes on after what it has got (RFC 7644 section 3.4.2.4).
          const got: string[] = []
          while (got.length < USERS) {
            const { body } = await scim.get(
              `${path}?${query}&count=1000&startIndex=${got.length + 1}`,
            )
            expect(body.totalResults).toBe(USERS)
            expect(body.itemsPerPage).toBeGreaterThan(0)
            got.push(...body.Resources.map(({ userName }: Body) => userName))
          }
          expect(got).toEqual(names)
        })
      }
    }
  })
}
