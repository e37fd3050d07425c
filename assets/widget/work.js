// Work before a call may be asked for: SHA-256 (FIPS 180-4) of short texts, counted through in slices of a few milliseconds, so that the
// page stays quick. Not crypto.subtle, whose answer to each try costs more than the try; no worker, which a strict policy forbids.
const SLICE_MS = 8;
const ROUND = [];
const START = [];
for (let n = 2; ROUND.length < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
  const fraction = (root) => (root - Math.floor(root)) * 2 ** 32 | 0;
  if (prime && START.length < 8) START.push(fraction(Math.sqrt(n)));
  if (prime) ROUND.push(fraction(Math.cbrt(n)));
}

// The eight words of the hash of an ASCII text.
function hash(text) {
  const blocks = (text.length + 8 >> 6) + 1;
  const words = new Int32Array(blocks * 16);
  for (let i = 0; i < text.length; i++) words[i >> 2] |= text.charCodeAt(i) << 24 - i % 4 * 8;
  words[text.length >> 2] |= 0x80 << 24 - text.length % 4 * 8;
  words[blocks * 16 - 1] = text.length * 8;
  const state = START.slice();
  const w = new Int32Array(64);
  for (let block = 0; block < blocks; block++) {
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = words[block * 16 + i];
      else {
        const x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10);
      }
      const p = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + ROUND[i] + w[i] | 0;
      const q = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
      h = g; g = f; f = e; e = d + p | 0; d = c; c = b; b = a; a = p + q | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] = state[i] + word | 0; });
  }
  return state;
}

function zeroBits(words) {
  const at = words.findIndex(Boolean);
  return at < 0 ? 256 : at * 32 + Math.clz32(words[at]);
}

// Lets the page do what it has to, without the pause that timers have.
const breathe = () => new Promise((done) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { port1.close(); done(); };
  port2.postMessage(0);
});

// The nonce for which the hash of `CHALLENGE.NONCE` begins with so many zero bits.
async function doWork(challenge, bits) {
  for (let nonce = 0; ;) {
    const end = performance.now() + SLICE_MS;
    do {
      for (let i = 0; i < 64; i++, nonce++) if (zeroBits(hash(`${challenge}.${nonce}`)) >= bits) return String(nonce);
    } while (performance.now() < end);
    await breathe();
  }
}
