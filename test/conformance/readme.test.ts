/** The READMEs point to files that are there. */

import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Glob } from 'bun'

const ROOT = resolve(import.meta.dir, '../..')

test.each(['README.md', 'src/README.md'])(
  'every relative link in %s leads to a file',
  async (path) => {
    const text = await Bun.file(join(ROOT, path)).text()
    const links = [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, link = '']) => link)
    const gone = links.filter(
      (link) => !/^https?:/.test(link) && !existsSync(join(ROOT, dirname(path), link)),
    )
    expect(gone).toEqual([])
  },
)

test('each row of what the RFCs ask leads to its tests', async () => {
  const text = await Bun.file(join(ROOT, 'README.md')).text()
  const [, table = ''] = text.split('## What RFC 7643, 7644 and 9865 ask')
  const rows = table.split('\n## ')[0]?.match(/^\| (?:\d{4} |interop).*$/gm) ?? []
  expect(rows.length).toBeGreaterThan(25)
  for (const row of rows) expect(row).toMatch(/\]\(test\/\w+\/[\w-]+\.test\.ts\)/)
})

test('src/README.md names every file of the sources, and none that is not there', async () => {
  const text = await Bun.file(join(ROOT, 'src/README.md')).text()
  const files = await Array.fromAsync(new Glob('{src,test}/**/*.ts').scan(ROOT))
  const named = [...text.matchAll(/`([\w./-]+\.ts)`/g)].map(([, name = '']) => name)
  const isNamed = (path: string) => named.some((name) => path.endsWith(`/${name}`))
  expect(files.filter((path) => path.startsWith('src/') && !isNamed(path))).toEqual([])
  const isThere = (name: string) => files.some((path) => `/${path}`.endsWith(`/${name}`))
  expect(named.filter((name) => !isThere(name))).toEqual([])
})
