// Fills in what the old export extension of Auth0 gave for the expressions of auth0.json:
//
//   TZ=UTC node auth0.mjs
//
// It compiled 'return ' + the text + " || ''" for each cell, and gave up the whole export where one threw.
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('auth0.json', import.meta.url)
const cases = JSON.parse(readFileSync(file, 'utf8'))
for (const c of cases) {
  try {
    const v = new Function('user', 'return ' + c.expression + " || ''")(JSON.parse(c.user))
    c.there = v === '' ? 'empty' : v === undefined ? 'left out' : JSON.stringify(v)
  } catch (e) {
    c.there = 'aborted: ' + e.name
  }
}
writeFileSync(file, '[\n' + cases.map(c => JSON.stringify(c)).join(',\n') + '\n]\n')
