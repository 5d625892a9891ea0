/**
 * Where an identifier may hold what PRECIS allows in some places only: joiners, and marks that
 * belong to one script. RFC 8264 sections 9.6 and 9.7, RFC 5892 appendix A.
 */

/** Characters that join to the next one, as ranges of code points: Joining_Type L. */
const LEFT_JOINING = 'a872 10acd 10ad7 10d00 10fcb'

/** Characters that join to the one before them: Joining_Type R. */
const RIGHT_JOINING = `
  622-625 627 629 62f-632 648 671-673 675-677 688-699 6c0 6c3-6cb 6cd 6cf 6d2-6d3 6d5 6ee-6ef
  710 715-719 71e 728 72a 72c 72f 74d 759-75b 76b-76c 771 773-774 778-779 840 846-847 849 854
  856-858 867 869-86a 870-882 88e 8aa-8ac 8ae 8b1-8b2 8b9 10ac5 10ac7 10ac9-10aca 10ace-10ad2
  10add 10ae1 10ae4 10aef 10b81 10b83-10b85 10b89 10b8c 10b8e-10b8f 10b91 10ba9-10bac 10d22
  10f33 10f54 10f74-10f75 10fb4-10fb6 10fb9-10fba 10fbd 10fc2-10fc3 10fc9
`

/** Characters that join to both: Joining_Type D. */
const DUAL_JOINING = `
  620 626 628 62a-62e 633-63f 641-647 649-64a 66e-66f 678-687 69a-6bf 6c1-6c2 6cc 6ce 6d0-6d1
  6fa-6fc 6ff 712-714 71a-71d 71f-727 729 72b 72d-72e 74e-758 75c-76a 76d-770 772 775-777
  77a-77f 7ca-7ea 841-845 848 84a-853 855 860 862-865 868 886 889-88d 8a0-8a9 8af-8b0 8b3-8b8
  8ba-8c8 1807 1820-1878 1887-18a8 18aa a840-a871 10ac0-10ac4 10ad3-10ad6 10ad8-10adc
  10ade-10ae0 10aeb-10aee 10b80 10b82 10b86-10b88 10b8a-10b8b 10b8d 10b90 10bad-10bae
  10d01-10d21 10d23 10f30-10f32 10f34-10f44 10f51-10f53 10f70-10f73 10f76-10f81 10fb0
  10fb2-10fb3 10fb8 10fbb-10fbc 10fbe-10fbf 10fc1 10fc4 10fca 1e900-1e943
`

/** Signs that take the vowel from a letter: Canonical_Combining_Class 9. */
const VIRAMAS = `
  94d 9cd a4d acd b4d bcd c4d ccd d3b-d3c d4d dca e3a eba f84 1039-103a 1714-1715 1734 17d2 1a60
  1b44 1baa-1bab 1bf2-1bf3 2d7f a806 a82c a8c4 a953 a9c0 aaf6 abed 10a3f 11046 11070 1107f 110b9
  11133-11134 111c0 11235 112ea 1134d 11442 114c2 115bf 1163f 116b6 1172b 11839 1193d-1193e
  119e0 11a34 11a47 11a99 11c3f 11d44-11d45 11d97 11f41-11f42
`

/** Ranges as they stand within the brackets of a regular expression. */
const classOf = (ranges: string): string =>
  ranges
    .trim()
    .replace(/[0-9a-f]+/g, (code) => `\\u{${code}}`)
    .replace(/\s+/g, '')

/** Joining_Type T, of what an identifier may hold. */
const TRANSPARENT = '[\\p{Mn}\\p{Me}\\u{1e94b}]*'

const BEHIND_VIRAMA = new RegExp(`[${classOf(VIRAMAS)}]$`, 'u')
const BEHIND_JOINING = new RegExp(
  `[${classOf(LEFT_JOINING)}${classOf(DUAL_JOINING)}]${TRANSPARENT}$`,
  'u',
)
const BEFORE_JOINING = new RegExp(
  `^${TRANSPARENT}[${classOf(RIGHT_JOINING)}${classOf(DUAL_JOINING)}]`,
  'u',
)

interface Rule {
  readonly characters: RegExp
  readonly allows: (before: string, after: string) => boolean
}

const RULES: readonly Rule[] = [
  {
    // ZERO WIDTH NON-JOINER, appendix A.1
    characters: /\u200c/u,
    allows: (before, after) =>
      BEHIND_VIRAMA.test(before) || (BEHIND_JOINING.test(before) && BEFORE_JOINING.test(after)),
  },
  // ZERO WIDTH JOINER, A.2
  { characters: /\u200d/u, allows: (before) => BEHIND_VIRAMA.test(before) },
  {
    // MIDDLE DOT between two l, of which names are lowered before, A.3
    characters: /\u00b7/u,
    allows: (before, after) => /l$/i.test(before) && /^l/i.test(after),
  },
  // GREEK LOWER NUMERAL SIGN, A.4
  { characters: /\u0375/u, allows: (_, after) => /^\p{Script=Greek}/u.test(after) },
  // HEBREW PUNCTUATION GERESH and GERSHAYIM, A.5 and A.6
  {
    characters: /[\u05f3\u05f4]/u,
    allows: (before) => /\p{Script=Hebrew}$/u.test(before),
  },
  {
    // KATAKANA MIDDLE DOT, A.7, and the halfwidth one that is mapped to it
    characters: /[\u30fb\uff65]/u,
    allows: (before, after) =>
      /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(before + after),
  },
  // ARABIC-INDIC DIGITS and the extended ones, never both, A.8 and A.9
  {
    characters: /[\u0660-\u0669]/u,
    allows: (before, after) => !/[\u06f0-\u06f9]/u.test(before + after),
  },
  {
    characters: /[\u06f0-\u06f9]/u,
    allows: (before, after) => !/[\u0660-\u0669]/u.test(before + after),
  },
]

const CONTEXTUAL = new RegExp(RULES.map(({ characters }) => characters.source).join('|'), 'gu')

/** Where a text has the first character that may not stand there, or -1. */
export function misplacedIn(text: string): number {
  for (const { 0: character, index } of text.matchAll(CONTEXTUAL)) {
    const rule = RULES.find(({ characters }) => characters.test(character))
    const after = text.slice(index + character.length)
    if (rule && !rule.allows(text.slice(0, index), after)) return index
  }
  return -1
}
