/** What strings that are not caseExact have to be equal, and the proof that folding is stable. */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { FOLD_VERSION, fold } from '../../src/scim/fold.ts'

const seed = Number(process.env['SCIMD_SEED'] ?? Date.now() % 2 ** 31)

function* codePoints(): Generator<string> {
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code < 0xd800 || code > 0xdfff) yield String.fromCodePoint(code)
  }
}

describe('[R7644-3.4.2.2-61] strings that are prepared before comparison are equal', () => {
  test.each([
    ['case', 'BJensen@Example.COM', 'bjensen@example.com'],
    ['composition', 'Ren\u00e9', 'RENE\u0301'],
    ['order of marks', 'a\u0323\u0302', 'A\u0302\u0323'],
    ['fullwidth letters', 'ＡＢ＠１２', 'ab@12'],
    ['the ideographic space', 'a\u3000b', 'a b'],
    ['halfwidth katakana', 'ﾃｽﾄ ﾊﾟｽ', 'テスト パス'],
    ['halfwidth hangul', 'ﾡￂￜ', 'ㄱㅏㅣ'],
    ['a fullwidth letter with a mark', 'Ｅ\u0301', 'é'],
    ['sigma', 'ΟΔΥΣΣΕΥΣ', 'Οδυσσευς'],
    ['sigma alone', 'Σ', 'ς'],
    ['sharp s', 'STRASSE', 'straße'],
    ['capital sharp s', 'STRAẞE', 'strasse'],
    ['ligatures that have capitals', 'oﬃce', 'OFFICE'],
    ['letters outside the BMP', '𐐀', '𐐨'],
    ['the Kelvin sign', '\u212a', 'k'],
  ])('%s', (_, a, b) => {
    expect(fold(a)).toBe(fold(b))
  })

  test.each([
    ['accents', 'e', 'é'],
    ['compatibility characters that are not of width', '²', '2'],
    ['spaces', 'a b', 'ab'],
    ['katakana and hiragana', 'テ', 'て'],
    ['conjoining and compatibility Jamo', 'ᄀ', 'ㄱ'],
  ])('but not across %s', (_, a, b) => {
    expect(fold(a)).not.toBe(fold(b))
  })
})

test('no locale is asked: I is i, in Turkish letters too', () => {
  expect(fold('TITLE')).toBe('title')
  expect(fold('ı')).toBe('i')
  expect(fold('İ')).toBe('i\u0307')
})

test('ASCII, and text without case or width, is kept but for its capitals', () => {
  expect(fold('')).toBe('')
  expect(fold('a\0\t~Z')).toBe('a\0\t~z')
  expect(fold('山田🦊')).toBe('山田🦊')
})

test('characters of unusual width become the ordinary ones of the Unicode data', () => {
  const pairs = ['～~', '｟⦅', '￠¢', '￣¯', '￦₩', '￨│', '￮○', '｡。', 'ﾞ\u3099', 'ﾠ\u3164', 'ﾾㅎ']
  for (const [wide, ordinary] of pairs) expect(fold(wide ?? '')).toBe(fold(ordinary ?? ''))
  expect(['ￂ', 'ￇ', 'ￊ', 'ￏ', 'ￒ', 'ￗ', 'ￚ', 'ￜ'].map(fold)).toEqual([
    ...['ㅏ', 'ㅔ', 'ㅕ', 'ㅚ', 'ㅛ', 'ㅠ', 'ㅡ', 'ㅣ'],
  ])
  expect(fold('\uffc8\uffd1')).toBe('\uffc8\uffd1')
})

test('for every code point, folding is stable, in NFC and blind to case', () => {
  const faults: string[] = []
  for (const character of codePoints()) {
    const folded = fold(character)
    const isLetter = /^\p{L}$/u.test(character)
    if (
      fold(folded) !== folded ||
      folded.normalize('NFC') !== folded ||
      (isLetter && fold(character.toUpperCase()) !== fold(character.toLowerCase()))
    ) {
      faults.push(character)
    }
  }
  expect(faults).toEqual([])
})

describe(`on random strings (SCIMD_SEED=${seed})`, () => {
  // Random code points hardly ever meet, so most are drawn from those that do something together.
  const lively = fc.constantFrom(
    ...'aAiIsSςσΣßẞıİŉΐΰᾳᾼΙι\u0301\u0307\u0308\u030c\u0323\u0331\u0345\u1fbe\u3099\u309aｱﾊﾞﾟＥｉ',
  )
  const text = fc
    .array(fc.oneof(lively, lively, fc.string({ unit: 'binary', maxLength: 2 })))
    .map((parts) => parts.join(''))

  test('folding twice is folding once, and gives NFC', () => {
    fc.assert(
      fc.property(text, (string) => {
        const folded = fold(string)
        expect(fold(folded)).toBe(folded)
        expect(folded.normalize('NFC')).toBe(folded)
      }),
      { seed, numRuns: 20_000 },
    )
  })

  test('upper and lower case of letters, and all normal forms, fold to the same', () => {
    fc.assert(
      fc.property(text, (string) => {
        const letters = string.normalize('NFC').replace(/[^\p{L}]/gu, '')
        expect(fold(letters.toUpperCase())).toBe(fold(letters.toLowerCase()))
        expect(fold(string.normalize('NFD'))).toBe(fold(string))
      }),
      { seed, numRuns: 20_000 },
    )
  })
})

test('FOLD_VERSION stands for these results over all of Unicode: raise it when they change', () => {
  const hasher = new Bun.CryptoHasher('sha256')
  for (const character of codePoints()) hasher.update(`${fold(character)}\n`)
  expect({ version: FOLD_VERSION, digest: hasher.digest('hex') }).toEqual({
    version: 1,
    digest: 'a3cd2c7a5142063b8e57db4ce351d86e55305a7c633024df3c16953f18d24e3f',
  })
})
