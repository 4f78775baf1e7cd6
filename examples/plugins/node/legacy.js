// The pair of functions that hashed the passwords of the old user pool, as it was written there.
const crypto = require('crypto')

function digest (salt, password) {
  return crypto.createHash('sha256').update(salt + crypto.createHash('md5').update(password).digest('hex')).digest('hex')
}

async function encrypt (password) {
  const salt = crypto.randomBytes(8).toString('hex')
  return salt + ':' + digest(salt, password)
}

async function validate (password, encrypted) {
  const [salt, hash] = encrypted.split(':')
  return digest(salt, password) === hash
}
