// From a click to a call: reads what the page says of itself and its buttons, keeps the draft and the call, and lets the view show them.
const script = document.currentScript || document.querySelector('script[src*="/widget.js"]');
// Arabic, Hebrew, Persian, Urdu.
const RIGHT_TO_LEFT = /^(ar|he|fa|ur)\b/;
const SOON_MS = 30 * 60e3;
// What is told alike.
const SAME = { customer_machine: 'customer_no_answer', expired: 'failed', interrupted: 'failed' };

let settings;
let draft;
let call;
let opener;
let unfollow = () => {};

// What a button says, else what the script's own tag says.
function settingsOf(button) {
  const says = (name) => [button, script].map((tag) => tag && tag.dataset[name]).find((value) => value !== undefined);
  const more = texts();
  const language = languageOf(says('language'), more);
  const t = speaker(language, more, (name) => says(`text${name.replace(/(^|_)(.)/g, (_, __, letter) => letter.toUpperCase())}`));
  const root = (address) => new URL(address, location.href).href.replace(/\/+$/, '');
  const server = says('server');
  const theme = says('theme');
  return {
    says, language, t,
    direction: RIGHT_TO_LEFT.test(language) ? 'rtl' : 'ltr',
    dark: theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches,
    country: countryOf(says('country'), navigator.languages || []),
    // A Web server that knows who is logged on needs no number.
    known: server !== undefined && says('customer') === 'known',
    base: server !== undefined ? `${root(server || '/')}/call-requests` : `${root(says('equipment') || new URL(script.src).origin)}/v1/call-requests`,
    get stored() { return Boolean(storedNumber()); },
  };
}

// The page's own texts: <script type="application/json" data-callbridge-texts>.
function texts() {
  const block = document.querySelector('script[data-callbridge-texts]');
  try { return block ? JSON.parse(block.textContent) : {}; } catch (_) { return {}; }
}

function ask(faults) {
  view.question(settings, draft, faults || {});
  if (!faults) judge([]);
}

// What the customer has said goes on being said; the number is asked for only where none is stored.
function start(number) {
  draft = { note: '', later: false, ...draft, number, known: storedNumber(), busy: false };
  ask();
  view.focus();
}

function mark(open) {
  if (opener) opener.setAttribute('aria-expanded', open);
}

function open(button) {
  mark(false);
  opener = button;
  mark(true);
  if (call && call.state !== 'ended') return wishes.show();
  call = null;
  settings = settingsOf(button);
  start('');
}

const wishes = {
  close() {
    call = null;
    view.away();
    mark(false);
    if (opener && opener.isConnected) opener.focus();
  },
  hide() {
    call.hidden = true;
    changed(call);
  },
  show() {
    call.hidden = false;
    changed(call);
    view.focus();
  },
  again() {
    const { number } = call;
    call = null;
    start(number || '');
  },
  forget() {
    keep('localStorage', NUMBER, null);
    if (call) show();
    else if (view.shown()) start('');
    if (settings) view.say(settings.t('forgotten'));
  },
  other() {
    draft.known = null;
    ask();
    view.focus();
  },
  change(name, value) {
    draft[name] = value;
    if (name === 'later') {
      draft.time = draft.time || localTime(new Date(Math.ceil((Date.now() + SOON_MS) / SOON_MS) * SOON_MS));
      ask();
    }
    if (name === 'number') judge(['numberLetters', 'numberLong']);
  },
  // Who has left the field is told what is missing.
  check() {
    if (draft.number.trim()) judge(['numberLetters', 'numberLong', 'numberShort', 'plus']);
  },
  async submit() {
    if (draft.busy) return;
    const { t, known } = settings;
    const { number, fault } = known ? {} : draft.known ? { number: draft.known } : readNumber(draft.number, settings.country);
    const time = draft.later ? readTime(draft.time, new Date()) : {};
    if (fault || time.fault) return ask({ number: fault && t(fault), time: time.fault && t(time.fault) });
    draft.busy = true;
    ask();
    view.say(t('sending'));
    const faults = await request(number, time.time);
    draft.busy = false;
    if (!faults) return;
    if (faults.number) Object.assign(draft, { number, known: null });
    if (view.shown()) ask(faults);
  },
  async stop() {
    const one = call;
    try {
      one.fault = await end(one) ? '' : settings.t('failed');
    } catch (_) {
      one.fault = settings.t('offline');
    }
    changed(one);
  },
};

// While it is typed only what no further digit can mend is a fault.
function judge(faults) {
  const { number, fault } = readNumber(draft.number, settings.country);
  view.typed(settings, { number, fault: faults.includes(fault) && settings.t(fault) });
}

// Sends the call request; gives what is wrong, or nothing.
async function request(number, time) {
  const { says, t, base } = settings;
  const message = {
    business_id: says('business'),
    customer: number,
    representative_information: says('centre') || says('representative'),
    desired_contact_time: time,
    note: (draft.note || '').trim() || undefined,
    web_page: webPage(says('keepQuery')),
    page_token: says('pageToken'),
  };
  const answer = await askForCall(base, message).catch(() => null);
  if (!answer) {
    console.warn(`callbridge: no answer from ${base}: is ${location.origin} an allowed origin, and is connect-src right?`);
    return { all: t('offline') };
  }
  if (answer.status >= 400) return faultsOf(answer, t);
  if (draft.remember && number) keep('localStorage', NUMBER, number);
  const { id, token, state, outcome, wait, token_expires_at: until } = answer.body;
  call = { id, token, base, number, time, state: token ? state : 'asked', outcome, wait, until: Date.parse(until) || Date.now() + CALL_MS };
  begin();
  return null;
}

// A refusal, at the field that it names.
function faultsOf(answer, t) {
  const { status, body, retryAfter } = answer;
  const first = (Array.isArray(body.errors) && body.errors[0]) || {};
  const pointer = String(first.pointer || '');
  const [field, text] = { '/customer': ['number', 'numberBad'], '/desired_contact_time': ['time', 'timeBad'] }[pointer] || [];
  if (field && (field === 'time' ? draft.later : !settings.known)) return { [field]: t(text) };
  if (status === 409) return { all: t('already') };
  if (status === 429) return { all: t('tooMany', { n: Math.max(1, Math.ceil(retryAfter / 60)) }) };
  if (status >= 500) return { all: t('failed') };
  console.warn(`callbridge: ${status} ${body.detail || ''} ${pointer} ${first.detail || ''}`);
  return { all: t(kindOf(answer) === 'page-token' ? 'reload' : 'notOpen') };
}

function begin() {
  changed(call);
  if (call.token) unfollow = follow(call, changed);
}

function changed(one) {
  if (one !== call) return;
  const over = one.state === 'ended';
  if (over) unfollow();
  keep('sessionStorage', CALL, over || !one.token ? null : one);
  show();
}

function show() {
  const { t, language } = settings;
  const over = call.state === 'ended';
  const name = over ? SAME[call.outcome] || call.outcome : call.state;
  const time = call.time && new Date(call.time).toLocaleString(language, { weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit' });
  view.happening(settings, call, name === 'scheduled' ? t(name, { time: time || '' }) : over ? t(name) : waiting(t, language, name, call.wait));
}

// The call of this tab, begun on another page of the site.
function resume() {
  if (call) return;
  call = storedCall();
  if (!call) return;
  settings = settingsOf(document.querySelector('[data-callbridge]'));
  begin();
}

const view = makeView(script && script.nonce, wishes);

// One listener for all buttons, those that come later too.
document.addEventListener('click', (event) => {
  const button = event.composedPath().find((node) => node.dataset && node.dataset.callbridge !== undefined);
  if (!button) return;
  event.preventDefault();
  open(button);
});

function begun() {
  const note = () => seePage(settingsOf(document.querySelector('[data-callbridge]')).says('keepQuery'));
  note();
  resume();
  // Pages of one document, where the browser tells of them.
  if (window.navigation) navigation.addEventListener('navigatesuccess', note);
}
if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begun);
else begun();
// A page that comes back from the browser's memory has slept through its events.
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  unfollow();
  call = storedCall();
  if (call) begin();
  else view.away();
});
addEventListener('pagehide', () => unfollow());

window.callbridge = { open: (button) => open(button), close: () => (call && call.state !== 'ended' ? wishes.hide() : wishes.close()), forget: wishes.forget };
