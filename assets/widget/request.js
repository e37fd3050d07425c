// The talk with the equipment, or with the business's Web server, which takes the same messages: asking for a call, following it,
// ending it. Owns repeats and the order of what is told; refuses to know what is shown.
const PATIENCE_MS = 20e3;
const LOOK_MS = 5e3;
const RANKS = ['asked', 'scheduled', 'queued', 'calling_customer', 'calling_representative', 'bridged', 'ended'];
const rank = (state) => RANKS.indexOf(state);

// One request: `{ status, body, retryAfter }`. Fails where there is no answer that this page may read.
async function send(method, url, token, message) {
  const headers = token ? { Authorization: `Bearer ${token}` } : { 'Content-Type': 'application/json' };
  const signal = AbortSignal.timeout && AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(url, { method, headers, signal, body: message && JSON.stringify(message), cache: 'no-store' });
  // Some proxies answer with a page.
  const body = await answer.json().catch(() => null) || {};
  return { status: answer.status, body, retryAfter: +answer.headers.get('Retry-After') };
}

const kindOf = (answer) => String(answer.body.type || '').split(':').pop();

// The call request (Fig. 7, Fig. 9). Where work is wanted the refusal brings the challenge.
async function askForCall(base, message) {
  for (let tries = 0; ; tries++) {
    const answer = await send('POST', base, null, message);
    const { challenge, bits } = answer.body;
    if (answer.status !== 403 || kindOf(answer) !== 'work' || !challenge || tries === 3) return answer;
    message = { ...message, work: { challenge, nonce: await doWork(challenge, bits) } };
  }
}

// Follows a call until its end: `changed(call)` after each change, also from another page on. Returns what stops it.
function follow(call, changed) {
  const stop = new AbortController();
  const path = `${call.base}/${encodeURIComponent(call.id)}`;
  const over = () => call.state === 'ended' || stop.signal.aborted;

  function learn({ state, outcome, wait }, number) {
    if (number) call.last = number;
    // What comes late never leads back.
    if (over() || rank(state) < rank(call.state)) return;
    if (state === 'bridged' && call.state !== state) call.since = Date.now();
    Object.assign(call, { state, outcome, wait });
    changed(call);
  }

  async function look() {
    try {
      const { status, body } = await send('GET', path, call.token);
      if (status === 200) learn(body);
      // Nobody knows it any more.
      if (status === 401 || status === 404) learn({ state: 'ended', outcome: 'failed' });
    } catch (_) {
      // The next look.
    }
  }

  // Server-sent events, read by hand: an EventSource sends neither the token as a header nor, from a new page, the last event's number.
  async function listen(answer) {
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    for (let text = ''; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (text + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
      text = blocks.pop();
      for (const block of blocks) {
        const field = (name) => (block.split(/\r?\n/).find((line) => line.startsWith(name)) || '').slice(name.length).trim();
        const data = field('data:');
        if (data) learn(JSON.parse(data).data, field('id:'));
      }
    }
  }

  async function go() {
    for (let tries = 0; !over(); tries++) {
      // A call of tomorrow holds no stream.
      if (call.state === 'scheduled') {
        await new Promise((done) => setTimeout(done, LOOK_MS));
        continue;
      }
      try {
        const headers = { Authorization: `Bearer ${call.token}` };
        if (call.last) headers['Last-Event-ID'] = call.last;
        const answer = await fetch(`${path}/events`, { headers, signal: stop.signal, cache: 'no-store' });
        if (answer.status === 200) {
          tries = 0;
          await listen(answer);
        }
      } catch (_) {
        // Broken off: again.
      }
      if (over()) return;
      await look();
      await new Promise((done) => setTimeout(done, Math.min(1e3 * 2 ** tries, 30e3)));
    }
  }

  // A stream may be held up on its way.
  let turn = 0;
  const looks = setInterval(() => {
    if (over()) clearInterval(looks);
    else if (!/bridged|scheduled/.test(call.state) || ++turn % 3 === 0) look();
  }, LOOK_MS);
  go();
  return () => { clearInterval(looks); stop.abort(); };
}

// Cancels, or hangs up; the end itself is an event. True where it comes.
async function end(call) {
  const { status } = await send('DELETE', `${call.base}/${encodeURIComponent(call.id)}`, call.token);
  return [200, 204, 401, 404, 409].includes(status);
}
