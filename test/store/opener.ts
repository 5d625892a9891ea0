/** Opens a file, again and again, and says "opened" or what is wrong with it. */

import { openLmdbControl } from '../../src/store/lmdb-control.ts'
import { openStore } from './given.ts'

const [, , file = '', as] = process.argv
try {
  for (let count = 0; count < 20; count++) {
    const store = as === 'control' ? openLmdbControl(file) : await openStore(file)
    await store.close()
  }
  console.log('opened')
} catch (error) {
  console.log(String(error))
}
