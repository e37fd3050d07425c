// How it looks. Owns the one style sheet; every colour, the font, the corners and the place are the business's to set by variables.
const STYLE = `
:host { all: initial !important; display: contents !important; }
* { box-sizing: border-box; margin: 0; }
.all {
  --a: #1557b0; --b: #fff; --c: #fff; --d: #1c2430; --e: #55606e; --f: #7d8896; --g: #b3261e; --h: #1a7440; --i: #eef3fa;
  --accent: var(--callbridge-accent, var(--a));
  --on-accent: var(--callbridge-on-accent, var(--b));
  --paper: var(--callbridge-background, var(--c));
  --ink: var(--callbridge-text, var(--d));
  --soft: var(--callbridge-muted, var(--e));
  --line: var(--callbridge-border, var(--f));
  --bad: var(--callbridge-danger, var(--g));
  --good: var(--callbridge-success, var(--h));
  --tint: var(--callbridge-tint, var(--i));
  --round: var(--callbridge-radius, 16px); --rounder: calc(var(--round) * .6);
  font: 400 16px/1.45 var(--callbridge-font, system-ui, sans-serif); color: var(--ink); color-scheme: light;
}
.dark { --a: #8fbcff; --b: #0b1b30; --c: #1b2028; --d: #eef1f5; --e: #a9b3c0; --f: #77828f; --g: #ffb4ab; --h: #7fd6a2; --i: #262d38; color-scheme: dark; }
.card, .pill {
  position: fixed; z-index: var(--callbridge-layer, 2147483000); inset-block-end: var(--callbridge-bottom, 20px); inset-inline-end: var(--callbridge-side, 20px);
  background: var(--paper); color: var(--ink); box-shadow: 0 1px 2px #0003, 0 12px 40px #00000040;
}
.new { animation: come .18s ease-out; }
.card { width: 368px; max-width: calc(100vw - 24px); max-height: calc(100vh - 40px); max-height: calc(100dvh - 40px); overflow: auto; overscroll-behavior: contain; border: 1px solid #8883; border-radius: var(--round); padding: 20px 22px 18px; }
.head { display: flex; align-items: center; justify-content: space-between; gap: 12px; margin-block-end: 14px; }
h2 { font-size: 20px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
.field { margin-block-end: 14px; border: 0; padding: 0; min-width: 0; }
label, legend { display: block; font-size: 14px; font-weight: 600; padding: 0; margin-block-end: 6px; }
input, textarea, button { font: inherit; color: inherit; }
input[type=tel], input[type=datetime-local], textarea { display: block; width: 100%; min-height: 44px; padding: 9px 12px; background: var(--paper); border: 1px solid var(--line); border-radius: var(--rounder); }
textarea { resize: vertical; min-height: 64px; }
input[type=tel] { font-size: 18px; font-variant-numeric: tabular-nums; }
[aria-invalid=true] { border-color: var(--bad) !important; box-shadow: inset 0 0 0 1px var(--bad); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.hint, .fault, .small { font-size: 13.5px; margin-block-start: 6px; color: var(--soft); }
.hint:empty, .fault:empty, .sub:empty { display: none; }
.fault { color: var(--bad); }
.fault[role] { margin-block-end: 12px; }
.good { color: var(--good); }
.small { margin-block-start: 12px; text-align: center; }
.choice { display: flex; gap: 8px; }
.choice label, .tick { display: flex; align-items: center; gap: 9px; font-weight: 400; font-size: 15px; min-height: 44px; margin: 0; cursor: pointer; }
.choice label { flex: 1; padding: 0 12px; border: 1px solid var(--line); border-radius: var(--rounder); }
.choice label.on { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); background: var(--tint); }
input[type=radio], input[type=checkbox] { flex: none; width: 20px; height: 20px; margin: 0; accent-color: var(--accent); }
.later { margin-block-start: 10px; }
.tick { margin-block-end: 10px; }
button { cursor: pointer; border: 0; background: none; border-radius: var(--rounder); min-height: 44px; padding: 0 16px; }
button[aria-disabled=true] { cursor: default; }
.main, .stop { display: block; width: 100%; min-height: 48px; font-weight: 650; }
.main { background: var(--accent); color: var(--on-accent); }
.main:hover { filter: brightness(1.07); }
.stop { border: 1px solid var(--line); }
.link { min-height: 32px; padding: 0; font-size: 14px; color: var(--soft); text-decoration: underline; text-underline-offset: 3px; }
.stop:hover, .icon:hover { background: var(--tint); }
.icon { flex: none; display: grid; place-items: center; width: 36px; min-height: 36px; padding: 0; margin-inline-end: -8px; }
svg { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.known { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0 8px; padding: 8px 8px 8px 14px; background: var(--tint); border-radius: var(--rounder); }
bdi { font-weight: 650; font-variant-numeric: tabular-nums; }
.foot { display: flex; justify-content: center; margin-block-start: 8px; }
.live { text-align: center; padding-block-start: 6px; }
.mark { position: relative; display: grid; place-items: center; width: 72px; height: 72px; margin: 4px auto 16px; border-radius: 50%; background: var(--tint); color: var(--accent); }
.mark svg { width: 30px; height: 30px; }
.mark.talk { background: var(--good); color: var(--paper); }
.mark.over { color: var(--soft); }
.mark.rings::after { content: ""; position: absolute; inset: 0; border-radius: 50%; border: 2px solid var(--accent); animation: ring 1.8s ease-out infinite; }
.say { font-size: 19px; font-weight: 600; line-height: 1.3; text-wrap: balance; }
.live .sub { color: var(--soft); margin-block: 6px 0; font-size: 15px; font-variant-numeric: tabular-nums; }
.live .stop, .live .main { margin-block-start: 18px; }
.pill { display: flex; align-items: center; gap: 10px; max-width: calc(100vw - 24px); min-height: 52px; padding: 0 20px 0 16px; border: 1px solid #8883; border-radius: 26px; font-weight: 600; text-align: start; }
.pill i { flex: none; width: 10px; height: 10px; border-radius: 50%; background: var(--accent); }
.pill i.talk { background: var(--good); }
.pill i.rings { animation: blink 1.6s ease-in-out infinite; }
.sr { position: fixed; top: 0; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@keyframes come { from { opacity: 0; transform: translateY(10px); } }
@keyframes ring { to { transform: scale(1.5); opacity: 0; } }
@keyframes blink { 50% { opacity: .35; } }
@media (max-width: 480px) {
  .card { inset-inline: 0; inset-block-end: 0; width: 100%; max-width: none; border-width: 1px 0 0; border-end-start-radius: 0; border-end-end-radius: 0; padding-block-end: calc(18px + env(safe-area-inset-bottom)); }
  .pill { inset-block-end: 12px; inset-inline-end: 12px; }
}
@media (prefers-reduced-motion: reduce) { *, *::after { animation: none !important; } }
@media print { .all { display: none; } }
`;

// A sheet that is made, not written into the page, needs no leave of a strict policy. The other way is for browsers without such sheets.
function dress(root, nonce) {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
  } catch (_) {
    const style = document.createElement('style');
    style.nonce = nonce || '';
    style.textContent = STYLE;
    root.prepend(style);
  }
}
