// What stays on the customer's device: the number (with consent, until forgotten), the pages seen in this tab, the call of this tab.
// Owns its bounds; refuses what was not stored by this script in this form.
const NUMBER = 'callbridge.number';
const PAGES = 'callbridge.pages';
const CALL = 'callbridge.call';
const MOST_PAGES = 10;
const MOST_URL = 2048;
const MOST_TITLE = 300;
const CALL_MS = 48 * 3600e3;

// Storage may be full, or closed to this page.
function keep(area, key, value) {
  try {
    if (value == null) window[area].removeItem(key);
    else window[area].setItem(key, JSON.stringify(value));
  } catch (_) {
    // It is asked for again.
  }
}

function kept(area, key) {
  try { return JSON.parse(window[area].getItem(key)); } catch (_) { return null; }
}

function storedNumber() {
  const number = kept('localStorage', NUMBER);
  return typeof number === 'string' && /^(\+\d{7,15}|sips?:[^\s@]+@[^\s@]+)$/i.test(number) ? number : null;
}

// The call of this tab, unless nobody can know it any more.
function storedCall() {
  const call = kept('sessionStorage', CALL);
  return call && call.id && call.token && call.until > Date.now() ? call : null;
}

// This page: without what addresses carry of people (query, fragment), but for the parameters that the business names.
function thisPage(allowed) {
  const url = new URL(location.href);
  const named = (allowed || '').split(/[\s,]+/).filter(Boolean);
  const wanted = [...url.searchParams].filter(([name]) => named.includes(name));
  const query = wanted.length ? `?${new URLSearchParams(wanted)}` : '';
  const whole = url.origin + url.pathname + query;
  const title = document.title.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return { url: whole.length > MOST_URL ? `${url.origin}/` : whole, title: [...title].slice(0, MOST_TITLE).join('') || undefined };
}

function seenPages() {
  const pages = kept('sessionStorage', PAGES);
  return Array.isArray(pages) ? pages.filter((page) => page && typeof page.url === 'string') : [];
}

// Notes that the customer is here. The latest is last.
function seePage(allowed) {
  const page = thisPage(allowed);
  const before = seenPages().filter((seen, at, all) => !(at === all.length - 1 && seen.url === page.url));
  keep('sessionStorage', PAGES, [...before, page].slice(-MOST_PAGES - 1));
}

// What the request says of pages (906).
function webPage(allowed) {
  seePage(allowed);
  const viewed = seenPages();
  return { ...viewed.pop(), viewed: viewed.length ? viewed : undefined };
}
