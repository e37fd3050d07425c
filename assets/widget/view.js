// The card: the question, what happens, the end; and the pill that it shrinks to. Owns elements and focus; refuses to decide: `wishes` does.
const SHAPES = {
  close: 'M6 6l12 12M18 6L6 18',
  hide: 'M6 9l6 6 6-6',
  phone: 'M5 4h4l2 5-2.5 1.5a11 11 0 0 0 5 5L15 13l5 2v4a1 1 0 0 1-1 1A15 15 0 0 1 4 5a1 1 0 0 1 1-1z',
  over: 'M5 12.5l4.5 4.5L19 7.5',
};

// An element. No markup is ever parsed, so that even Trusted Types are content.
function h(name, properties, ...children) {
  const element = /svg|path/.test(name) ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (typeof value === 'function') element.addEventListener(key, value);
    else if (value != null && value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

const press = (id, kind, click, ...children) => h('button', { type: 'button', id, class: kind, click }, ...children);
const drawing = (name) => h('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, h('path', { d: SHAPES[name] }));
const bare = (number) => h('bdi', { dir: 'ltr' }, spaced(number));

// "We call …", the number in a direction of its own.
function weCall(t, number) {
  const [before, after] = t('willCall', { number: '\n' }).split('\n');
  return [before, bare(number), after];
}

function countryName(country, language) {
  try { return new Intl.DisplayNames([language], { type: 'region' }).of(country); } catch (_) { return country; }
}

// `wishes` are what the customer may want.
function makeView(nonce, wishes) {
  const host = h('div', { 'data-callbridge-card': '' });
  const root = host.attachShadow({ mode: 'open' });
  const told = h('div', { class: 'sr', role: 'status' });
  const place = h('div');
  const all = h('div', {}, place, told);
  root.append(all);
  dress(root, nonce);
  const $ = (id) => root.getElementById(id);
  let last = '';
  let drawn;
  let clock;

  // Only what changes is told to a screen reader.
  function say(text) {
    if (text !== last) told.textContent = text;
    last = text;
  }

  function focus() {
    const element = ['number', 'pill', 'call', 'stop', 'again', 'leave'].map($).find(Boolean);
    if (element) element.focus();
  }

  // Replaces what is shown. Who was in it with the keyboard stays in it, at the same place where that is still there.
  function put(element, settings) {
    if (!host.isConnected) document.body.append(host);
    const inside = root.activeElement;
    clearInterval(clock);
    drawn = null;
    // It comes in once, not with each change.
    if (!place.firstChild) element.classList.add('new');
    all.setAttribute('role', 'region');
    all.setAttribute('aria-label', settings.t('title'));
    all.className = `all ${settings.dark ? 'dark' : ''}`;
    all.lang = settings.language;
    all.dir = settings.direction;
    place.replaceChildren(element);
    if (!inside) return;
    const same = $(inside.id);
    if (same) same.focus();
    else focus();
  }

  // `leave` is what its corner and Escape do: close or hide.
  function card({ t, stored }, leave, ...children) {
    const button = press('leave', 'icon', wishes[leave], drawing(leave));
    button.setAttribute('aria-label', t(leave));
    const keydown = (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      wishes[leave]();
    };
    return h('div', { class: 'card', role: 'dialog', 'aria-labelledby': 'title', keydown },
      h('div', { class: 'head' }, h('h2', { id: 'title' }, t('title')), button), ...children,
      stored && h('p', { class: 'foot' }, press('forget', 'link', wishes.forget, t('forget'))));
  }

  // `draft` is what the customer has said so far, `faults` what is wrong with which field.
  function question(settings, draft, faults) {
    const { t, country, language, known } = settings;
    const input = (event) => {
      const { id, type, checked, value } = event.target;
      wishes.change(id, type === 'checkbox' ? checked : value);
    };
    const field = (id, kind, properties, hint, ...children) => [
      h('label', { for: id }, t(id)),
      h(kind, { id, input, 'aria-describedby': `${id}-hint ${id}-fault`, 'aria-invalid': faults[id] ? 'true' : null, ...properties }, ...children),
      h('p', { class: 'fault', id: `${id}-fault` }, faults[id] || ''), h('p', { class: 'hint', id: `${id}-hint` }, hint)];
    const choice = (id, later) => h('label', { class: draft.later === later ? 'on' : null },
      h('input', { type: 'radio', name: 'when', id, checked: draft.later === later, change: () => wishes.change('later', later) }), t(id));
    const submit = (event) => {
      event.preventDefault();
      wishes.submit();
    };
    const hint = COUNTRIES[country] ? t('country', { country: countryName(country, language) }) : t('plus');
    const askNumber = () => h('div', { class: 'field' }, ...field('number', 'input', { type: 'tel', autocomplete: 'tel', dir: 'ltr', maxlength: 256, required: true, value: draft.number, change: wishes.check, 'data-hint': hint }, hint));
    put(card(settings, 'close', h('form', { novalidate: true, submit },
      !known && (draft.known ? h('p', { class: 'field known' }, h('span', {}, ...weCall(t, draft.known)), press('other', 'link', wishes.other, t('other'))) : askNumber()),
      h('fieldset', { class: 'field' }, h('legend', {}, t('when')), h('div', { class: 'choice' }, choice('now', false), choice('later', true)),
        draft.later && h('div', { class: 'later' }, ...field('time', 'input', { type: 'datetime-local', min: localTime(new Date()), required: true, value: draft.time }, ''))),
      h('div', { class: 'field' }, ...field('note', 'textarea', { rows: 2, maxlength: 1000 }, '', draft.note)),
      !known && !draft.known && h('label', { class: 'tick' }, h('input', { type: 'checkbox', id: 'remember', input, checked: draft.remember }), t('remember')),
      h('p', { class: 'fault', role: 'alert' }, faults.all || ''),
      h('button', { class: 'main', id: 'call', 'aria-disabled': draft.busy ? 'true' : null }, t(draft.busy ? 'sending' : 'call')),
      h('p', { class: 'small' }, t('pages')))), settings);
    const wrong = ['number', 'time', 'note'].find((id) => faults[id]);
    if (wrong && $(wrong)) $(wrong).focus();
  }

  // While the customer types: what is known of the number, without taking the field away.
  function typed({ t }, { number, fault }) {
    const hint = $('number-hint');
    if (!hint) return;
    $('number-fault').textContent = fault || '';
    if (fault) $('number').setAttribute('aria-invalid', 'true');
    else $('number').removeAttribute('aria-invalid');
    hint.className = number ? 'hint good' : 'hint';
    hint.replaceChildren(...(number ? weCall(t, number) : [$('number').dataset.hint]));
  }

  // The running time of a talk, for the eyes only.
  function talkTime(since) {
    const time = h('p', { class: 'sub', 'aria-hidden': 'true' });
    const tick = () => {
      const seconds = Math.max(0, Math.round((Date.now() - since) / 1e3));
      time.textContent = `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
    };
    tick();
    return [time, tick];
  }

  // A call that lives or has ended; `text` says how.
  function happening(settings, call, text) {
    const { t } = settings;
    const ended = /ended|asked/.test(call.state);
    const well = call.state === 'asked' || call.outcome === 'completed';
    const changes = [call.state, call.outcome, text, call.hidden, call.fault, settings.stored].join();
    if (changes === drawn) return;
    const look = call.state === 'bridged' ? 'talk' : ended ? 'over' : call.state === 'scheduled' ? '' : 'rings';
    if (call.hidden && !ended) {
      const pill = press('pill', 'pill', wishes.show, h('i', { class: look }), text);
      pill.setAttribute('aria-label', `${t('title')}: ${text}`);
      put(pill, settings);
      drawn = changes;
      return say(text);
    }
    const [time, tick] = look === 'talk' ? talkTime(call.since) : [h('p', { class: 'sub' }, call.number && !ended && bare(call.number))];
    const button = !ended ? press('stop', 'stop', wishes.stop, t(tick ? 'hangUp' : 'cancel')) :
      well ? press('again', 'stop', wishes.close, t('close')) : press('again', 'main', wishes.again, t('again'));
    put(card(settings, ended ? 'close' : 'hide', h('div', { class: 'live' }, h('div', { class: `mark ${look}` }, drawing(ended && well ? 'over' : 'phone')),
      h('p', { class: 'say' }, text), time, h('p', { class: 'fault', role: 'alert' }, call.fault || ''), !ended && h('p', { class: 'small' }, t('browse')), button)), settings);
    if (tick) clock = setInterval(tick, 1e3);
    drawn = changes;
    say(text);
  }

  function away() {
    clearInterval(clock);
    last = told.textContent = '';
    drawn = null;
    place.replaceChildren();
  }

  return { question, typed, happening, say, away, focus, shown: () => place.firstChild };
}
