// Evaluates the expressions below in Node and writes what they give, one file a group:
//
//   TZ=UTC node generate.mjs
//
// A pair of expression and user for which JavaScript throws is left out: mostly a member of something missing, which
// is missing here and an error there. ../differences.json lists where the dialect means to differ; what JavaScript gives
// is filled in.
import { readFileSync, writeFileSync } from 'node:fs'

const users = {
  full: {
    uid: 42, name: 'Ann Smith', mail: ' Ann.Smith@Example.COM ', nickname: 'ann', age: 31, score: 4.75, vip: true, blocked: false,
    phone: '138-1234-5678', zip: '00420', created: '2020-02-29T13:14:15.678Z', millis: 1582982055678,
    tags: ['b', ' a ', 'c', 'b'], nums: [3, 1, 10, 2.5], mixed: [1, '1', null, true, 'x'], nested: [[1, 2], [3, [4, 5]]],
    address: { city: 'Köln', geo: { lat: 50.94, lon: 6.96 } },
    identities: [{ provider: 'github', id: 7, primary: false }, { provider: 'google', id: 9, primary: true }],
    meta: { a: 1, b: 'two', c: null, d: [1] }, key: 'nickname', json: '{"x":[1,{"y":null}],"z":"é"}', csv: 'a,b,,c',
  },
  other: {
    uid: 7, name: 'bob', mail: 'bob@x.org', nickname: '', age: 17, score: -0.5, vip: false, blocked: true,
    phone: '+49 30 901820', zip: '1', created: '1969-12-31', millis: -1, tags: ['z'], nums: [-1, -2], mixed: [0, '', 'false'],
    nested: [[]], address: { city: '', geo: { lat: 0, lon: -0.25 } }, identities: [{ provider: 'x', id: 1, primary: true }],
    meta: { only: false }, key: 'uid', json: '[]', csv: '',
  },
  unicode: {
    uid: 1, name: '😀 Zoë 王小明', mail: 'ÜBER@straße.de', nickname: 'İstanbul', age: 1, score: 1e21, vip: true, blocked: true,
    phone: '１２３', zip: '٠١', created: '2024-12-31T23:59:59+09:00', millis: 253402300799999, tags: ['é', 'z', 'a', '😀', '\uffee', 'ΟΔΟΣ'],
    nums: [1e300, -1e-7, 0.1], mixed: ['é', 'e\u0301'], nested: [], address: { city: '京都', geo: { lat: 1, lon: 2 } }, identities: [],
    meta: { 'ключ': 'значение', '😀': 1 }, key: 'name', json: '"\\ud83d\\ude00"', csv: 'é;ü',
  },
  spaces: {
    uid: 0, name: '\u00a0\t x \u2028\ufeff', mail: '', nickname: ' ', age: 0, score: 0, vip: false, blocked: false, phone: '', zip: '',
    created: '', millis: 0, tags: [], nums: [], mixed: [], nested: [], address: { city: ' ', geo: { lat: 0, lon: 0 } }, identities: [],
    meta: {}, key: '', json: '0', csv: ',',
  },
  nulls: {
    uid: null, name: null, mail: null, nickname: null, age: null, score: null, vip: null, blocked: null, phone: null, zip: null,
    created: null, millis: null, tags: null, nums: null, mixed: null, nested: null, address: null, identities: null, meta: null,
    key: null, json: null, csv: null,
  },
  empty: {},
  strings: { uid: '42', name: 'null', age: '31', score: '4.50', vip: 'false', blocked: '0', millis: '12e3', nickname: 'undefined', mail: '0x1F', zip: '-0', key: 'name' },
}

const whole = ['full', 'other', 'unicode', 'spaces']
const every = [...whole, 'nulls', 'empty', 'strings']

// Nothing missing is made text in these: there the dialect means to differ.
const groups = {
  'truth-and-choice': [every, [
    'user.name', 'user.nickname || user.name', 'user.nickname ?? user.name', 'user.nickname && user.name', '!user.name', '!!user.vip',
    'user.vip ? user.uid : user.age', 'user.vip || user.blocked || null', 'user.vip && user.blocked', 'user.age ?? 18', 'user.age || 18',
    'user.address && user.address.city', 'user.address?.geo?.lat', 'user.address?.geo?.lat ?? 0', 'user?.["name"]', 'user.tags?.[0]', 'user.tags?.length',
    'user.mail === null', 'user.mail === undefined', 'user.mail == null', 'user.mail != undefined', 'typeof user.name', 'typeof user.age',
    'typeof user.meta', 'typeof user.tags', 'typeof user.nothing', 'typeof (user.nothing || null)', 'typeof undefined', 'typeof !user',
    'user.blocked === false', 'user.blocked !== false', 'user.blocked == false', 'user.age == 31', 'user.age === 31', 'user.age == "31"', 'user.age > 17', 'user.age <= 17',
    'user.age >= 0', 'user.age < 1', 'user.score > user.age', 'user.name < "b"', 'user.name > user.nickname', 'user.zip == 0', 'user.zip === ""',
    'user.uid == user.age', 'user.vip == true', 'user.vip == 1', 'null == 0', 'null >= 0', 'undefined == 0', 'NaN === NaN', 'NaN == NaN', '"" == 0', '"a" < "b"', '"a" < "B"', '"10" < "9"', '"10" < 9',
    '[] == ""', '[1] == 1', '[1,2] == "1,2"', 'user.a === 1 || 1', 'user.age > 17 && user.vip !== false ? "yes" : "no"',
    'user.age ? user.age > 18 ? "adult" : "minor" : "unknown"', 'false || 0 || "" || null', '0 ?? 1', 'false && (1).toFixed(200)', 'true || [].reduce((a, b) => a)',
    'null ?? (undefined ?? "x")', '(user.name || "x").length', 'user[user.key || "name"]', 'user.meta?.c', 'void 0', 'user.vip === user.blocked', 'user.mail === user.mail',
    'user.name?.concat(user.age.trim())', '"abc".includes(user.nothing)',
  ]],
  text: [whole, [
    'user.name.toLowerCase()', 'user.name.toUpperCase()', 'user.mail.trim().toLowerCase()', 'user.mail.trim()', 'user.name.trim().length', 'user.name.trimStart()', 'user.name.trimEnd()',
    'user.nickname.toLowerCase()', 'user.nickname.toUpperCase()', 'user.name.length', 'user.name[0]', 'user.name[1]', 'user.name[99]', 'user.name["length"]',
    'user.name.charAt(0)', 'user.name.charAt(1)', 'user.name.charAt(-1)', 'user.name.charCodeAt(0)', 'user.name.charCodeAt(1)', 'user.name.charCodeAt(99)', 'user.name.codePointAt(0)', 'user.name.codePointAt(1)', 'user.name.at(-1)', 'user.name.at(-99)', 'user.name.at()',
    'user.name.slice(2)', 'user.name.slice(1, 3)', 'user.name.slice(-3)', 'user.name.slice(-3, -1)', 'user.name.slice(3, 1)', 'user.name.slice(0, 1) + user.name.slice(1)', 'user.name.slice("1", null)', 'user.name.slice(NaN, Infinity)',
    'user.name.substring(1, 3)', 'user.name.substring(3, 1)', 'user.name.substring(-5)', 'user.name.substring(1)', 'user.name.substr(-3, 2)', 'user.name.substr(1)', 'user.name.substr(1, undefined)',
    'user.mail.split("@")', 'user.mail.split("@")[1]', 'user.csv.split(",")', 'user.csv.split(",", 2)', 'user.name.split("")', 'user.name.split("").reverse().join("")', 'user.name.split()', 'user.name.split(" ")', 'user.name.split(/\\s+/)', 'user.name.split(/([aeiou])/i)', 'user.csv.split(/,/)', '"".split("")', '"".split(",")', '"".split(/,/)', '"abc".split(/(?:)/)', '"a1b2".split(/\\d/)', '"a1b2".split(/\\d/, 1)', '"abc".split("", 2)', '"abc".split(",", 0)',
    'user.name.includes("n")', 'user.name.includes("")', 'user.name.includes("A", 1)', 'user.mail.startsWith("b")', 'user.mail.startsWith("o", 1)', 'user.mail.endsWith("org")', 'user.mail.endsWith("bob", 3)', 'user.name.indexOf("n")', 'user.name.indexOf(" ")', 'user.name.indexOf("")', 'user.name.indexOf("n", 2)', 'user.name.indexOf("", 99)', 'user.name.lastIndexOf("n")', 'user.name.lastIndexOf("n", 1)', 'user.name.lastIndexOf("王", 7)', '"abcabc".lastIndexOf("c", 4)', '"abcabc".lastIndexOf("bc", 4)', '"abcabc".lastIndexOf("a", -1)', '"abcabc".lastIndexOf("", 2)', '"abc".lastIndexOf("c", undefined)', '"abc".lastIndexOf("c", Infinity)', 'user.name.lastIndexOf("王")', 'user.name.indexOf("王")',
    'user.zip.padStart(6, "0")', 'user.zip.padStart(3)', 'user.zip.padEnd(7, "ab")', 'user.name.padStart(20, "😀")', 'user.name.padEnd(21, "😀")', 'user.zip.padStart(6, "")', 'user.zip.padStart("6", 0)', '"x".repeat(3)', '"ab".repeat(0)', '"ab".repeat(2.9)',
    'user.phone.replace("-", "")', 'user.phone.replaceAll("-", "")', 'user.phone.replace(/-/g, "")', 'user.phone.replace(/\\D/g, "")', 'user.phone.replace(/(\\d+)-(\\d+)/, "$2/$1")', 'user.phone.replace(/\\d/g, d => d * 2)', 'user.name.replace(/^./, c => c.toUpperCase())', 'user.name.replace(/(\\w+) (\\w+)/, "$2, $1")', 'user.name.replace(/n/gi, "[$&]")', 'user.name.replace("n", "$&$&$$$1")', 'user.name.replace(/(?<first>\\w+)\\s(?<last>\\w+)/, "$<last> $<first>")', 'user.name.replace(/(x)?n/, "<$1>")', 'user.name.replace(/n/, "$`|$\'")', '"abc".replace(/(a)(b)(c)/, "$3$2$1$4$10")', '"abc".replaceAll(/b/g, "$&$&")', '"aaa".replaceAll("a", (m, at) => at)', '"a.b.c".replaceAll(".", "-")', '"abc".replaceAll("", "-")', '"abc".replace("", "-")', '"a-b_c".replace(/[-_]/g, m => m === "-" ? "+" : "/")', '"abc".replace(/x*/g, "-")', '"x".replace(/x/, undefined || "y")', '"2020-01-02".replace(/(\\d+)-(\\d+)-(\\d+)/, (m, y, mo, d) => `${d}.${mo}.${y}`)',
    'user.mail.match(/@(.+)$/)', 'user.mail.match(/[a-z]+/gi)', 'user.name.match(/\\d/)', 'user.name.match(/n/g)', 'user.name.match("n")', '/^[\\w.]+@[\\w.]+$/.test(user.mail.trim())', '/smith/i.test(user.name)', '/^\\s*$/.test(user.name)', '/^\\S+$/.test(user.mail)', '/[^\\s]/.test(user.name)', '/\\bSmith\\b/.test(user.name)', '/(\\w)(\\w)?/.exec(user.name)', 'user.name.search(/S/)', 'user.name.search("王")', '[..."a1b22".matchAll(/[a-z](\\d+)/g)].map(m => m[1])', '/a.c/.test("a\\nc")', '/a.c/s.test("a\\nc")', '/^b/m.test("a\\nb")', '/\\u{1F600}/u.test(user.name)', '/\\p{L}+/u.exec(user.name)', '/[\\s\\S]{2}/.test(user.name)', '/^[^]$/.test("\\n")', '/\\x41\\u0042/.test("AB")', '/[\\w-]+/.exec("a-b c")', '/[.*+?^${}()|[\\]\\\\]/g.test("a.b")', '"a.b".replace(/[.*+?^${}()|[\\]\\\\]/g, "\\\\$&")', 'new RegExp("^a", "i").test("Abc")', '/a{2,3}?/.exec("aaaa")', '/(a|ab)(c|bcd)(d*)/.exec("abcd")',
    'user.name.concat("!", 1, true)', 'user.name.normalize("NFD").length', 'user.mixed.map(x => `${x ?? ""}`.normalize()).join()', '"e\\u0301".normalize() === "é"', '"ﬁ".normalize("NFKC")', '"a".localeCompare("b")', '"a".localeCompare("B")', '"b".localeCompare("a")', '"a".localeCompare("a")', '"résumé".localeCompare("resume")',
    '"ß".toUpperCase()', '"ΑΣ".toLowerCase()', '"İ".toLowerCase()', '"ŉ".toUpperCase()', '"Ǆ".toLowerCase()', '"\\u{1F600}".length', '"a\\tb\\n\\x41\\u00e9\\0".length', "'it\\'s'.length", '`a\\`b${1}${"c"}`', '`line\nbreak`.length', '"\\ud83d" + "\\ude00"', '["\\ud83d", "\\ude00"].join("")', '"😀".charAt(0)', '"😀".slice(0, 1)', '"😀".split("")', '[..."a😀b"].length', '"😀".charCodeAt(1)', '"abc".toString()', '"abc".valueOf()', '"a" + 1 + 2', '1 + 2 + "a"', '"a" + true', '"a" + [1, 2]', '"a" + {}', '"" + 1.0', '"" + 1e21', '"" + 1e-7', '"" + 0.1', '"" + 123456789012345680000', '"3" * "4"', '"3" - 1', '+"3"', '-"3"', '+""', '+" 12 "', '+"1e3"', '+"0x1f"', '+"1_000"', '+"abc"', '`${user.name}|${user.uid}|${user.vip}`', 'user.name + " <" + user.mail.trim() + ">"', 'user.uid + "-" + user.zip', 'user.name + user.uid + user.score', 'String.fromCharCode(65, 0x42)', 'String.fromCodePoint(128512)', 'String.fromCharCode(55357, 56832)', '"B" > "a"', '"\\uffee" < "😀"', '"é".length + "é".charCodeAt(0)',
    '"😀"[0] < "😀"', '"😀a"[0] + "b" > "😀"', '"😀".charAt(0).replace(/./, "x")', '"a😀".slice(0, 2).match(/.$/)[0].length', '"abc".includes(undefined)', '"abc".startsWith(undefined)', '"abc".endsWith(null)', '"abc".indexOf(null)', '"abc".lastIndexOf(undefined)', '"abc".replace(undefined, "x")', '"abc".replaceAll(null, "x")', '"abc".split(null)',
  ]],
  numbers: [whole, [
    '1 + 1', '0.1 + 0.2', '7 / 2', '8 / 2', '7 % 3', '-7 % 3', '7 % -3', '5.5 % 2', '2 ** 10', '2 ** 0.5', '2 ** -1', '(-8) ** (1/3)', '1 / 0', '-1 / 0', '0 / 0', '1 / 3', '10 / 4 * 2', '1e3', '0x1f', '0b101', '0o17', '1_000_000', '.5 + 5.', '5 % 0', '-5', '- -5', '+true', '-null', '1 - "a"', '~5', '~~-5.7', '6 & 3', '6 | 3', '6 ^ 3', '1 << 31', '-1 >>> 0', '-9 >> 1', '1 << 33', '4294967297 | 0',
    'user.age + 1', 'user.age - user.uid', 'user.score * 2', 'user.score / 0.25', 'user.uid % 5', 'user.age ** 2', '-user.score', '+user.zip', 'user.zip * 1', 'user.zip - 0', 'user.age + user.vip', 'user.age + null', 'user.uid / user.age', 'user.millis / 1000', '(user.age + 1) * (user.uid - 1)', 'user.score + user.score', '1 + user.tags', 'user.nums + 1',
    'Number(user.zip)', 'Number("")', 'Number(" 12 ")', 'Number("12px")', 'Number("1e3")', 'Number("0x10")', 'Number("0b11")', 'Number("-0x10")', 'Number("Infinity")', 'Number("-Infinity")', 'Number("infinity")', 'Number("+5")', 'Number("--5")', 'Number(".")', 'Number("1.")', 'Number(".5")', 'Number("1e")', 'Number(true)', 'Number(null)', 'Number(undefined)', 'Number([])', 'Number([5])', 'Number([1,2])', 'Number({})', 'Number("1,000")', 'Number("٣")',
    'parseInt("42px")', 'parseInt("  -17.9")', 'parseInt("0x1F")', 'parseInt("1F", 16)', 'parseInt("101", 2)', 'parseInt("z", 36)', 'parseInt("")', 'parseInt("abc")', 'parseInt("12", 1)', 'parseInt(null)', 'parseInt(15.99)', 'parseInt("9007199254740991")', 'parseInt(user.phone)', 'parseInt(user.zip, 10)', 'parseInt("-0x1F")', 'parseInt("0b1")',
    'parseFloat("3.14abc")', 'parseFloat("-.5e1")', 'parseFloat("1e1000")', 'parseFloat(".")', 'parseFloat("e5")', 'parseFloat("1e+")', 'parseFloat(" 7 ")', 'parseFloat("1.2.3")', 'parseFloat("-Infinityx")', 'parseFloat(user.phone)',
    'String(user.age)', 'String(user.score)', 'String(1e21)', 'String(-0)', 'String(1e-7)', 'String(NaN)', 'String(true)', 'String([1,[2,3]])', 'String({})', 'Boolean(user.age)', 'Boolean("")', 'Boolean("false")', 'Boolean([])', 'Boolean(NaN)', 'Boolean(0)', 'Boolean()', 'Number()', 'String()',
    '(31).toString(2)', '(255).toString(16)', '(-255).toString(36)', '(1.5).toString()', 'user.score.toString()', '(1.005).toFixed(2)', '(1.45).toFixed(1)', '(2.5).toFixed(0)', '(-2.5).toFixed(0)', '(0.5).toFixed(0)', '(1234.5678).toFixed(2)', '(1e21).toFixed(2)', '(0).toFixed(2)', '(-1.5).toFixed()', '(0.000001).toFixed(7)', 'user.score.toFixed(1)', 'user.age.toFixed(2)', '(123.456).toPrecision(4)', '(0.000123).toPrecision(2)', '(123456).toPrecision(2)', '(1.25).toPrecision(2)', '(0).toPrecision(3)', '(5).toPrecision()',
    'Math.asinh(user.score)', 'Math.acosh(2)', 'Math.acosh(0)', 'Math.atanh(0.5)', 'Math.atanh(2)', 'Math.fround(user.score)', 'Math.fround(0.1)', 'Math.fround(1e300)', 'Math.clz32(user.age)', 'Math.clz32(0)', 'Math.clz32(-1)', 'Math.imul(user.age, -3)', 'Math.imul(0xffffffff, 5)', 'Math.imul("3", 2.9)', 'Math.round(2.5)', 'Math.round(-2.5)', 'Math.round(0.49999999999999994)', 'Math.round(user.score)', 'Math.floor(-0.5)', 'Math.ceil(-0.5)', 'Math.trunc(-4.7)', 'Math.abs(-3.2)', 'Math.abs("-1")', 'Math.abs(null)', 'Math.sign(-3)', 'Math.sign("x")', 'Math.max()', 'Math.min()', 'Math.max(1, "3", 2)', 'Math.max(1, NaN)', 'Math.max(...user.nums)', 'Math.min(...user.nums)', 'Math.min(1, undefined)', 'Math.pow(2, 0.5)', 'Math.pow(NaN, 0)', '1 ** Infinity', 'Math.sqrt(2)', 'Math.sqrt(-1)', 'Math.cbrt(27)', 'Math.hypot(3, 4)', 'Math.log2(8)', 'Math.log10(1000)', 'Math.PI.toFixed(5)', 'Math.round("1.5")', 'Math.floor(user.millis / 86400000)', 'Math.ceil(1.0000001)', 'Math.max(0, -0)',
    'isNaN("a")', 'isNaN("")', 'isNaN(undefined)', 'isNaN(user.zip)', 'isFinite("12")', 'isFinite(1/0)', 'Number.isInteger(5.0)', 'Number.isInteger("5")', 'Number.isInteger(user.score)', 'Number.isSafeInteger(9007199254740992)', 'Number.isNaN("a")', 'Number.isFinite("1")', 'Number.parseFloat("1.5")', 'Number.MAX_SAFE_INTEGER', 'Number.EPSILON > 0', '9007199254740991 + 0', '1e300 * 1e10', '5e-324', '123456789 * 1000', '0.1 * 3', '1.1 + 2.2', '4.35 * 100', '1.15.toFixed(1)',
  ]],
  lists: [whole, [
    'user.tags', 'user.tags.length', 'user.tags[0]', 'user.tags[9]', 'user.tags[-1]', 'user.tags.at(-1)', 'user.tags["1"]', 'user.tags.join()', 'user.tags.join("; ")', 'user.tags.join("")', 'user.mixed.join("|")', 'user.nested.join(";")', '[null, undefined, 1].join("-")',
    'user.tags.map(t => t.trim())', 'user.tags.map((t, i) => i + ":" + t)', 'user.tags.map(t => ({ t }))', 'user.tags.map(t => [t, t.length])', 'user.nums.map(n => n * 2)', 'user.tags.map((t, i, all) => all.length - i)', 'user.nums.map(String)', 'user.mixed.map(Boolean)', 'user.csv.split(",").map(Number)', '["1", "2", "3"].map(parseInt)', 'user.tags.map(() => 1)', 'user.tags.map(t => { const u = t.trim(); return u + u; })', 'user.tags.map((t, i = 5) => i)', 'user.nested.map(([a, b]) => a)', 'user.identities.map(({ provider, id }) => provider + id)', 'user.identities.map(({ provider: p, x = "none" }) => [p, x])', 'user.nested.map((...rest) => rest.length)', 'user.nested.map(([a, ...others]) => others)', 'user.identities.map(({ id, ...others }) => others)',
    'user.tags.filter(t => t !== "b")', 'user.mixed.filter(Boolean)', 'user.nums.filter(n => n > 1)', 'user.tags.filter((t, i) => i % 2 === 0)', 'user.tags.filter((t, i, a) => a.indexOf(t) === i)', 'user.identities.filter(i => i.primary)', 'user.identities.find(i => i.primary)', 'user.identities.find(i => i.provider === "google")?.id', 'user.identities.find(i => i.id > 100)', 'user.identities.findIndex(i => i.primary)', 'user.nums.findIndex(n => n > 100)', 'user.nums.findLast(n => n > 1)', 'user.nums.findLastIndex(n => n > 1)', 'user.tags.some(t => t === "b")', 'user.tags.every(t => t.length > 0)', 'user.nums.some(n => n < 0)',
    'user.tags.includes("b")', 'user.nums.includes(10)', '[NaN].includes(NaN)', '[NaN].indexOf(NaN)', 'user.mixed.includes("1")', 'user.mixed.includes(null)', 'user.tags.includes("b", 1)', 'user.tags.indexOf("b")', 'user.tags.indexOf("b", 1)', 'user.tags.lastIndexOf("b")', 'user.tags.lastIndexOf("b", 2)', 'user.tags.lastIndexOf("b", -2)', '[1, 2, 1].lastIndexOf(1, -9)', '[1, 2, 1].lastIndexOf(1, 9)', '[1, 2, 1].lastIndexOf(1, undefined)', 'user.mixed.indexOf(1)', 'user.tags.indexOf("b", -1)',
    'user.tags.slice(1)', 'user.tags.slice(-2)', 'user.tags.slice(1, 2)', 'user.tags.slice(2, 1)', 'user.tags.concat("x")', 'user.tags.concat(["x"], [["y"]], 1)', '[].concat(user.tags, user.nums)', '[...user.tags, "x", ...user.nums]', '[...user.name]', 'user.tags.slice().reverse()', '[...user.tags].reverse()', '[...user.tags].sort()', '[...user.nums].sort()', '[...user.nums].sort((a, b) => a - b)', '[...user.nums].sort((a, b) => b - a)', '[...user.tags].sort((a, b) => a.length - b.length)', '[3, 1, undefined, 2].sort()', '["b", null, "a"].sort()', '[true, false, 10, 9, "1"].sort()', '[...user.identities].sort((a, b) => b.id - a.id).map(i => i.provider)', '[2, 1].toSorted()', '[1, 2].toReversed()',
    'user.nums.reduce((a, n) => a + n, 0)', 'user.nums.reduce((a, n, i) => a + n * i, 0)', 'user.tags.reduce((o, t) => ({ ...o, [t]: t.length }), {})', '[1, 2, 3].reduce((a, n) => a * n)', '["a", "b"].reduceRight((a, s) => a + s)', '[7, 8, 9].reduceRight((a, x, i) => [...a, x, i], [])', '[7, 8, 9].reduce((a, x, i, all) => a + x * all.length)', '[7, 8].reduce((...r) => r.length)', '[1, 2, 3].reduce(Math.max)', '[5].reduceRight((a, x) => a)', 'user.identities.reduce((a, i) => [...a, i.id], [])', 'user.nested.flat()', 'user.nested.flat(Infinity)', 'user.nested.flatMap(x => x)', 'user.tags.flatMap(t => [t, t])', 'user.nested.flat(0)',
    '[]', '[1, , 3].length', '[1, 2, 3,].length', '[[1], [2]][1][0]', 'Array.isArray(user.tags)', 'Array.isArray(user.name)', 'Array.from(user.name)', 'Array.from([1, 2], n => n * 2)', 'Array.of(1, 2)', '[...new Set(user.tags)]', 'new Set(user.mixed).has("1")', '[...new Set([1, 1, "1", NaN, NaN])]', 'user.tags.toString()', 'String(user.nums)', 'user.nums.map(n => user.nums.map(m => n * m)).flat().length', 'user.nums.filter(n => user.tags.some(t => t.length > n))', 'user.tags.map(t => user.nums.map(n => t + n).join()).join(";")', '[...["a", "b"].entries()]', '[...["a", "b"].keys()]', 'Math.max(...user.tags.map(t => t.length), 0)', 'user.tags.map(t => typeof t)', 'user.tags.length > 1 ? user.tags[1] : user.tags[0]', 'user.tags.length && user.tags[0].trim()', '[1, 2, 3].indexOf("2")', '[1, [2, [3]]].toString()', '["a"] + ["b"]', '[] + []', '[1] * 2', '!![]', '["", 1].every(x => x && x.trim())',
  ]],
  objects: [whole, [
    '({})', '({ a: 1, "b c": 2 })', '({ name: user.name, n: user.age + 1 })', '({ ...user.meta, z: 1 })', '({ z: 1, ...user.meta, z2: 2 })', '({ a: 1, a: 2 })', '({ [user.key + "!"]: 1 })', '({ a: undefined, b: null })', '({ user }).user.uid', '({ a: { b: { c: user.uid } } }).a.b.c', '({ "a-b": [1, { c: 2 }] })',
    'user.address', 'user.address.city', 'user["address"]["city"]', 'user.address["geo"].lat', 'user.address.geo.lat + user.address.geo.lon', 'user[user.key]', 'user.meta.nothing', 'user.meta[0]', 'user.identities[0]', 'user.identities[user.identities.length - 1]',
    'Object.keys(user.meta)', 'Object.values(user.meta)', 'Object.entries(user.meta)', 'Object.entries(user.meta).map(([k, v]) => `${k}=${typeof v}`).join("&")', 'Object.fromEntries(Object.entries(user.meta).filter(([k, v]) => v !== null))', 'Object.fromEntries(user.tags.map((t, i) => [t, i]))', 'Object.assign({}, user.meta, { x: 1 })', 'Object.keys(user.tags)', 'Object.keys(user.meta).length', 'Object.entries(user.address.geo).sort((a, b) => a[1] - b[1])', 'user.meta.hasOwnProperty("a")', 'Object.hasOwn(user.meta, "zzz")', 'Object.keys("ab")', 'Object.hasOwn(user.tags, 0)', 'Object.hasOwn(user.tags, "length")', 'Object.hasOwn("ab", "2")', '({ ..."ab", c: 1 })', '({ ...null, ...5, ...["x"] })', 'Object.assign({}, "a😀", null)', '({ ["😀"[0] + "x"]: 1 })',
    'JSON.stringify(user.meta)', 'JSON.stringify(user.tags)', 'JSON.stringify(user.name)', 'JSON.stringify({ a: undefined, b: [undefined, NaN, 1 / 0] })', 'JSON.stringify(user.address, null, 2)', 'JSON.stringify([1, { a: [] , b: {} }], null, "--")', 'JSON.stringify(null)', 'JSON.stringify("\\u2028\\b\\"\\\\")', 'JSON.stringify({ d: new Date(0) })', 'JSON.stringify(undefined)', 'JSON.stringify("\\ud83d")', 'JSON.stringify([], null, 2)', 'JSON.stringify(-0)', 'JSON.parse(user.json)', 'JSON.parse(user.json).x', 'JSON.parse("[1, 2.5, -3]")', 'JSON.parse("null")', 'JSON.parse(JSON.stringify(user.identities))', 'user.identities.map(i => i.provider + ":" + i.id)', 'user.identities.map(i => i["provider"])', 'user.identities.length', '`${user.identities}`', 'user.meta + ""', 'user.meta === user.meta', 'user.tags === user.tags', '({}) == ({})', 'user.meta == "[object Object]"',
  ]],
  'dates-and-uris': [whole, [
    'new Date(user.millis).toISOString()', 'new Date(user.millis).getTime()', 'new Date(user.millis).getFullYear()', 'new Date(user.millis).getMonth() + 1', 'new Date(user.millis).getUTCDate()', 'new Date(user.millis).getDay()', 'new Date(user.millis).getHours()', 'new Date(user.millis).getUTCMinutes()', 'new Date(user.millis).getSeconds()', 'new Date(user.millis).getMilliseconds()', 'new Date(user.millis).toJSON()', 'new Date(user.millis) - 1', '+new Date(user.millis)', 'new Date(user.millis).valueOf() / 1000', 'new Date(user.created).toISOString()', 'new Date(user.created).getTime()', 'Date.parse(user.created)', 'isNaN(new Date(user.created))', 'isNaN(Date.parse("nonsense"))',
    'new Date("2020-01-02").toISOString()', 'new Date("2020-01-02T03:04").toISOString()', 'new Date("2020-01-02T03:04:05").toISOString()', 'new Date("2020-01-02T03:04:05.6789Z").toISOString()', 'new Date("2020-01-02T03:04:05+02:00").toISOString()', 'new Date("2020-01-02 03:04:05").toISOString()', 'new Date("2020-06").toISOString()', 'new Date("2020-1-2").toISOString()', 'new Date("2020-1-02 3:04").toISOString()', 'new Date("2020-10-2 03:04:05").toISOString()', 'new Date("2020-01-02T24:00").toISOString()', 'new Date("2020-12-31T24:00:00.000Z").toISOString()', 'new Date("2020-01-02 24:00:00").toISOString()', 'new Date("2020-01-02T24:00:01").getTime()', 'new Date("2020-01-02T24:01").getTime()', 'new Date("2020-01-02T03:04:05+24:00").getTime()', 'new Date("2020-01-02T03:04:05-23:59").getTime()', 'new Date("2020-13-1").getTime()', 'new Date("2020").toISOString()', 'new Date("Thu, 02 Jan 2020 03:04:05 GMT").toISOString()', 'new Date("Jan 2, 2020").toISOString()', 'new Date("2 January 2020").toISOString()', 'new Date(2020, 1, 30).toISOString()', 'new Date(2020, 0).toISOString()', 'new Date(99, 11, 31, 23, 59, 59, 999).toISOString()', 'new Date(0).toISOString()', 'new Date(8.64e15).toISOString()', 'new Date(-62198755200000).toISOString()', 'new Date(null).getTime()', 'new Date(true).getTime()', 'new Date(undefined).getTime()', 'new Date("x").getTime()', 'new Date(8.64e15 + 1).getTime()', 'Date.UTC(2020, 1, 29)', 'Date.UTC(2020)', 'new Date("2020-01-02") > new Date("2019-12-31")', 'new Date("2020-03-01") - new Date("2020-02-28")', 'new Date("2020-01-02").getTime() === Date.UTC(2020, 0, 2)', 'typeof new Date(0)', 'new Date(new Date(5)).getTime()', 'new Date("2020-01-02").toISOString().slice(0, 10)', 'new Date(1577934245 * 1000).toISOString()', 'new Date("2020-12-31T23:59:60Z").getTime()', 'Date.now() > 1600000000000', 'new Date("2020-01-02T03:04Z").getTime()', 'new Date(2020, 0, 1, 0, 0, 0, 1.9).getTime()', 'new Date("").getTime()', 'new Date(user.millis).getTimezoneOffset()', 'new Date(1970, 0, 1, 0, 0, 1577934245).toISOString()', 'Date.UTC(1970, 0, 1, 0, 0, 0, user.millis)', 'Date.UTC(1970, 0, 1e15)',
    'encodeURIComponent(user.name)', 'encodeURIComponent("a b&c=d/é?😀!*\'()~")', 'encodeURI("https://x.y/ä b?c=d&e#f[g]")', 'decodeURIComponent("a%20b%C3%A9%F0%9F%98%80+")', 'decodeURIComponent(encodeURIComponent(user.name)) === user.name', 'decodeURI("a%20b%2Fc%3f%41")', 'encodeURIComponent(user.mail.trim().toLowerCase())', 'encodeURIComponent("")', 'encodeURIComponent(user.uid)', '"https://x.y/?q=" + encodeURIComponent(user.nickname)',
  ]],
  mappings: [whole, [
    'user.address.city || user.name', '(user.name || "").trim().split(" ")[0]', 'user.mail.trim().toLowerCase().split("@")[0]', 'user.name.trim().split(/\\s+/).map(w => w.charAt(0).toUpperCase() + w.slice(1).toLowerCase()).join(" ")', 'user.name.trim().split(/\\s+/).map(w => w.charAt(0)).join("").toUpperCase()', 'user.phone.startsWith("+") ? user.phone : "+86" + user.phone.replace(/\\D/g, "")', 'user.age >= 18 ? "adult" : "minor"', 'user.tags.map(t => t.trim()).filter(t => t).sort().join(",")', 'user.identities.length > 0 ? user.identities[0].provider : "none"', '({ name: user.name.trim(), tags: user.tags.length, primary: user.identities.find(i => i.primary)?.provider ?? null })', 'user.blocked ? "blocked" : user.vip ? "vip" : "normal"', 'user.mail.includes("@") && user.mail.trim() || null', '`${user.address.city} (${user.address.geo.lat.toFixed(2)}, ${user.address.geo.lon.toFixed(2)})`', 'user.zip.length === 5 && /^\\d+$/.test(user.zip)', 'Number(user.zip) || 0', 'user.created && user.created.slice(0, 10)', 'user.nums.length ? user.nums.reduce((a, b) => a + b) / user.nums.length : 0', 'Object.entries(user.meta).filter(([, v]) => v).map(([k]) => k)', 'user.name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")', 'user.uid.toString().padStart(8, "0")', '(user.uid * 1000 + user.age).toString(36)', 'user.csv.split(",").map(s => s.trim()).filter(Boolean)', 'user.vip && !user.blocked', '!user.vip || user.blocked', 'user.name.length > 5 ? user.name.slice(0, 5) + "…" : user.name', '[user.name, user.nickname].filter(s => s && s.trim()).join(" / ")', 'JSON.stringify({ id: user.uid, tags: user.tags })', '[1].map(x => x)[0]', 'const city = user.address.city; city ? city.length : 0', 'let a = user.age, b = a + 1; a * b', 'const { city, geo: { lat } } = user.address; [city, lat]', '/* comment */ user.uid // trailing',
  ]],
}

function kind(v) {
  if (v === null) return 'null'
  if (Array.isArray(v)) return 'array'
  return typeof v
}

// What leaves the language is well-formed text.
function clean(v) {
  if (typeof v === 'string') return v.toWellFormed()
  if (Array.isArray(v)) return v.map(clean)
  if (v !== null && typeof v === 'object' && v.constructor === Object) {
    return Object.fromEntries(Object.entries(v).map(([k, e]) => [k.toWellFormed(), clean(e)]))
  }
  return v
}

let total = 0
const distinct = new Set()
for (const [name, [names, expressions]] of Object.entries(groups)) {
  const cases = []
  for (const expression of expressions) {
    const results = {}
    for (const who of names) {
      const user = JSON.parse(JSON.stringify(users[who]))
      try {
        const body = /^(const|let) /.test(expression) ? expression.replace(/;(?=[^;]*$)/, '; return ') : `return (${expression}\n)`
        const v = new Function('user', body)(user)
        const special = typeof v === 'number' && !Number.isFinite(v)
        results[who] = [kind(v), v === undefined ? '' : special ? String(v) : JSON.stringify(clean(v))]
        total++
      } catch (e) {
        if (e instanceof SyntaxError) throw new Error(`${expression}: ${e.message}`)
      }
    }
    if (Object.keys(results).length === 0) throw new Error(`nothing of ${expression}`)
    if (new Set(Object.values(results).map(String)).size === 1 && !/\buser\b/.test(expression)) {
      for (const who of Object.keys(results).slice(1)) delete results[who]
    }
    distinct.add(expression)
    cases.push({ expression, results })
  }
  const lines = cases.map(c => JSON.stringify(c)).join(',\n')
  writeFileSync(`${name}.json`, `[\n${lines}\n]\n`)
}
writeFileSync('users.json', JSON.stringify(users, null, 1) + '\n')
const differences = JSON.parse(readFileSync('../differences.json', 'utf8'))
for (const d of differences) {
  try {
    const v = new Function('user', `return (${d.expression}\n)`)(JSON.parse(d.user))
    d.javascript = v === undefined ? 'undefined' : v instanceof Date ? String(v) : v instanceof Set ? `Set(${[...v]})` : JSON.stringify(v)
  } catch (e) {
    d.javascript = `${e.name}`
  }
}
writeFileSync('../differences.json', `[\n${differences.map(d => JSON.stringify(d)).join(',\n')}\n]\n`)
console.log(`${distinct.size} expressions, ${total} evaluations, Node ${process.version}`)
