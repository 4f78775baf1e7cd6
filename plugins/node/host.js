// Runs a script with a pair of password functions and answers requests about them: lines of JSON, in on descriptor 3, out on
// descriptor 4. What the script prints goes to standard error.
'use strict'
const crypto = require('crypto')
const fs = require('fs')
const Module = require('module')
const net = require('net')
const path = require('path')
const readline = require('readline')

console.log = console.info = console.debug = console.error

// A message may hold what the functions were given: only its kind is told.
const kind = (error) => error instanceof Error ? error.name : 'an exception'

process.on('uncaughtException', (error) => {
  const places = String(error && error.stack).split('\n').filter((line) => line.startsWith('    at '))
  console.error(['the script threw ' + kind(error), ...places].join('\n'))
  process.exit(1)
})

// The names that the functions have been known by. They need not be exported.
const makers = ['encryptPassword', 'encrypt']
const checkers = ['comparePassword', 'validatePassword', 'vlidatePassword', 'validate']

const file = path.resolve(process.argv[1])
const out = fs.createWriteStream(null, { fd: 4 })
const answer = (message, then) => out.write(JSON.stringify(message) + '\n', then)

const load = () => {
  const script = new Module(file, null)
  script.filename = file
  script.paths = Module._nodeModulePaths(path.dirname(file))
  const seen = makers.concat(checkers).map((name) => `${name}: typeof ${name} === 'function' ? ${name} : undefined`)
  script._compile(`${fs.readFileSync(file, 'utf8')}\n;module.exports = { exported: module.exports, declared: { ${seen.join(', ')} } }`, file)
  const { exported, declared } = script.exports
  return (names) => {
    for (const name of names) {
      for (const from of [declared, exported]) {
        if (from && typeof from[name] === 'function') return plain(from[name], names)
      }
    }
  }
}

// plain makes of a handler of a request, a response and a context a function of a password and perhaps a hash.
const plain = (fn, names) => {
  if (fn.length < 3) return fn
  return (password, encryptedPassword) => new Promise((resolve, reject) => {
    let status = 200
    const response = {
      setStatusCode: (code) => { status = code },
      setHeader: () => {},
      send: (body) => {
        const said = typeof body === 'string' ? JSON.parse(body) : body
        if (status !== 200) reject(new Error('the handler answered with status ' + status))
        else resolve(names === makers ? said.password : said.isValid)
      },
    }
    Promise.resolve(fn({ queries: { password, encryptedPassword }, query: { password, encryptedPassword } }, response, {})).catch(reject)
  })
}

let encrypt, validate
try {
  const find = load()
  encrypt = find(makers)
  validate = find(checkers)
  if (!encrypt && !validate) throw new Error(`it has neither a function ${makers.join(' or ')} nor one called ${checkers.join(', ')}`)
} catch (error) {
  answer({ error: String(error && error.message || error), place: error && error.stack ? error.stack.split('\n')[0] : '' }, () => process.exit(1))
}

const verify = async (password, encrypted) => {
  if (validate) {
    const fits = await validate(password, encrypted)
    if (typeof fits !== 'boolean') throw new Error('it answered neither true nor false')
    return fits
  }
  const made = Buffer.from(await hash(password))
  const kept = Buffer.from(encrypted)
  return made.length === kept.length && crypto.timingSafeEqual(made, kept)
}

const hash = async (password) => {
  const encrypted = await encrypt(password)
  if (typeof encrypted !== 'string' || encrypted === '') throw new Error('it gave no string')
  return encrypted
}

if (encrypt || validate) answer({ encrypts: Boolean(encrypt), validates: Boolean(validate) })
// A read by fs would keep a process from ending whose script has ended it.
readline.createInterface({ input: new net.Socket({ fd: 3, readable: true, writable: false }) }).on('line', async (line) => {
  const { id, password, encrypted } = JSON.parse(line)
  try {
    answer(encrypted === undefined ? { id, encrypted: await hash(password) } : { id, fits: await verify(password, encrypted) })
  } catch (error) {
    answer({ id, error: kind(error) })
  }
}).on('close', () => process.exit(0))
