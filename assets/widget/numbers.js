// Telephone numbers as people of a country write them, and E.164. Owns a coarse judgement (prefixes and lengths); the equipment has the last word.
// Country, calling code, prefix of national calls (- none), length of the national number, prefix of calls abroad (else 00).
const COUNTRIES = {};
('AE 971 0 8-9,AR 54 0 10-11,AT 43 0 4-13,AU 61 0 9 0011,BE 32 0 8-9,BG 359 0 7-9,BR 55 0 10-11,CA 1 1 10 011,CH 41 0 9,CL 56 - 9,CN 86 0 10-11,' +
  'CY 357 - 8,CZ 420 - 9,DE 49 0 5-13,DK 45 - 8,EE 372 - 7-8,EG 20 0 8-10,ES 34 - 9,FI 358 0 5-12,FR 33 0 9,GB 44 0 9-10,GR 30 - 10,HK 852 - 8 001,HR 385 0 8-9,' +
  'HU 36 06 8-9,ID 62 0 8-12 001,IE 353 0 7-9,IL 972 0 8-9,IN 91 0 10,IS 354 - 7-9,IT 39 - 6-11,JP 81 0 9-10 010,KR 82 0 8-10 001,LI 423 - 7-9,' +
  'LT 370 0 8,LU 352 - 4-11,LV 371 - 8,MA 212 0 9,MT 356 - 8,MX 52 - 10,MY 60 0 8-10,NG 234 0 8-10 009,NL 31 0 9,NO 47 - 8,NZ 64 0 8-10,PH 63 0 8-10,PK 92 0 9-10,' +
  'PL 48 - 9,PT 351 - 9,RO 40 0 9,RS 381 0 8-9,RU 7 8 10 810,SA 966 0 8-9,SE 46 0 7-10,SG 65 - 8 000,SI 386 0 8,SK 421 0 9,TH 66 0 8-9 001,TR 90 0 10,' +
  'TW 886 0 8-9 002,UA 380 0 9,US 1 1 10 011,VN 84 0 9-10,ZA 27 0 9').split(',').forEach((row) => {
  const [name, code, trunk, lengths, abroad = '00'] = row.split(' ');
  const [least, most = least] = lengths.split('-');
  COUNTRIES[name] = { code, trunk: trunk === '-' ? '' : trunk, least: +least, most: +most, abroad };
});

// The country whose way of writing is meant: the attribute, or the region of the browser's language.
function countryOf(wanted, languages) {
  const regions = languages.map((tag) => (/-([a-z]{2})\b/i.exec(tag) || [])[1]);
  const country = [wanted, ...regions].find(Boolean);
  return country ? country.toUpperCase() : '';
}

// `{ number }` or `{ fault }`, which names a text.
function readNumber(typed, country) {
  const text = typed.trim();
  if (!text) return { fault: 'numberEmpty' };
  // A VoIP address may stand wherever a number may.
  if (/^sips?:[^\s@]+@[^\s@]+$/i.test(text)) return { number: text };
  const rule = COUNTRIES[country];
  let digits = text.replace(/[\u0660-\u0669\u06f0-\u06f9\uff10-\uff19]/g, (c) => c.charCodeAt(0) & 15).replace(/\uff0b/g, '+');
  // "+44 (0)20": what is not dialled from abroad.
  if (/^(\+|00)/.test(digits)) digits = digits.replace(/\(\s*0\s*\)/, '');
  digits = digits.replace(/[\s().\-/\u00b7\u2010-\u2015\u2212\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
  if (!/^\+?\d+$/.test(digits)) return { fault: 'numberLetters' };
  const abroad = rule ? rule.abroad : '00';
  if (digits.startsWith(abroad)) digits = `+${digits.slice(abroad.length)}`;
  if (digits[0] === '+') return judged(digits.slice(1));
  if (!rule) return { fault: 'plus' };
  return judged(rule.code + stripped(digits, rule));
}

// Without the prefix of national calls. One that numbers may begin with as well is one only where they would be too long.
function stripped(national, { trunk, most }) {
  const is = trunk && national.startsWith(trunk) && (trunk[0] === '0' || national.length > most);
  return is ? national.slice(trunk.length) : national;
}

function judged(whole) {
  const rule = Object.values(COUNTRIES).find(({ code }) => whole.startsWith(code));
  if (whole[0] === '0') return { fault: 'plus' };
  if (!rule) return whole.length < 8 ? { fault: 'numberShort' } : whole.length > 15 ? { fault: 'numberLong' } : { number: `+${whole}` };
  const national = stripped(whole.slice(rule.code.length), rule);
  if (national.length < rule.least) return { fault: 'numberShort' };
  return national.length > rule.most || (rule.code + national).length > 15 ? { fault: 'numberLong' } : { number: `+${rule.code}${national}` };
}

// For people's eyes.
function spaced(number) {
  const rule = number[0] === '+' && Object.values(COUNTRIES).find(({ code }) => number.startsWith(code, 1));
  if (!rule) return number;
  return `+${rule.code} ${number.slice(1 + rule.code.length).replace(/(\d{3})(?=\d{2})/g, '$1 ')}`;
}

const two = (n) => String(n).padStart(2, '0');

// As a field of day and time has it: the customer's own clock.
function localTime(at) {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

// RFC 3339 with the offset of that day, which need not be today's.
function withOffset(at) {
  const ahead = -at.getTimezoneOffset();
  const size = Math.abs(ahead);
  return `${localTime(at)}:00${ahead < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

// `{ time }` or `{ fault }`.
function readTime(value, now) {
  const at = new Date(value);
  if (!value || isNaN(at)) return { fault: 'timeEmpty' };
  return at <= now ? { fault: 'timeBad' } : { time: withOffset(at) };
}
