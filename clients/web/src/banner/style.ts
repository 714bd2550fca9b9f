/** The banner's look. A site sets the properties `--consent-…`; the rest follows from them. */

const COLOURS = ['surface', 'raised', 'text', 'muted', 'line', 'edge', 'accent', 'accent-hover', 'on-accent', 'focus'];
const LIGHT = ['#fff', '#f3f5f7', '#14202b', '#465563', '#d5dbe1', '#667583', '#0d4a80', '#083459', '#fff', '#0d4a80'];
const DARK = ['#171d23', '#212931', '#eef2f5', '#b4c0ca', '#36414b', '#8a98a5', '#a9d0f5', '#cfe5fb', '#0a1e30', '#cfe5fb'];

/** Each colour as the site sets it, else ours. */
function colours(values: readonly string[]): string {
  return COLOURS.map((name, place) => `--${name}:var(--consent-${name},${values[place]});`).join('');
}

export const STYLE = `
:host{all:initial;display:contents}
:host{${colours(LIGHT)}color-scheme:light;
--radius:var(--consent-radius,12px);--small:calc(var(--radius)*.6);
--font:var(--consent-font,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif);
--layer:var(--consent-z-index,2147483000)}
@media (prefers-color-scheme:dark){:host(:not([theme=light])){${colours(DARK)}color-scheme:dark}}
:host([theme=dark]){${colours(DARK)}color-scheme:dark}
*,::before,::after{box-sizing:border-box}
[hidden]{display:none!important}
.banner,dialog,.reopen{font:400 var(--consent-font-size,medium)/1.5 var(--font);color:var(--text);background:var(--surface);
border:1px solid var(--line);text-align:start;overflow-wrap:break-word}
.banner{position:fixed;z-index:var(--layer);inset:auto 1em 1em;max-inline-size:44em;margin-inline:auto;
max-block-size:calc(100vh - 2em);max-block-size:calc(100dvh - 2em);overflow:auto;overscroll-behavior:contain;
padding:1.5em;border-radius:var(--radius);box-shadow:0 2px 6px #0a14201f,0 12px 40px #0a142038}
h2,h3,p,ul,dl,dd{margin:0;padding:0}
h2{font-size:1.375em;line-height:1.25;font-weight:650;letter-spacing:-.01em;padding-inline-end:2em;outline:none}
h3{font-size:1em;line-height:1.5;font-weight:600}
.by{font-size:.875em;color:var(--muted);padding-inline-end:2.75em;margin-block-end:.125em}
.lead{margin-block-start:.625em;max-inline-size:38em}.body .lead{margin-block-start:1.25em}
.names{list-style:none;display:flex;flex-wrap:wrap;column-gap:.5em;margin-block-start:.625em;font-weight:600}
.names li:not(:last-child)::after{content:"·";margin-inline-start:.5em;color:var(--muted)}
.buttons{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.75em;margin-block-start:1.25em}
button{font:600 1em/1.5 var(--font);color:inherit;cursor:pointer;margin:0}
.buttons button{min-block-size:3em;padding:.5em 1em;border-radius:var(--small);border:2px solid var(--accent);
background:transparent;color:var(--accent)}
.buttons .full{background:var(--accent);color:var(--on-accent)}
.buttons button:hover{background:var(--raised);border-color:var(--accent-hover);color:var(--accent-hover)}
.buttons .full:hover{background:var(--accent-hover);color:var(--on-accent)}
.close{position:absolute;inset-block-start:.75em;inset-inline-end:.75em;inline-size:2.75em;block-size:2.75em;
display:grid;place-items:center;padding:0;border:0;border-radius:var(--small);background:transparent;color:var(--muted)}
.close:hover{background:var(--raised);color:var(--text)}
svg{inline-size:1.25em;block-size:1.25em;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
dialog{padding:0;inline-size:min(42em,100vw - 2em);max-inline-size:none;max-block-size:calc(100vh - 2em);
max-block-size:calc(100dvh - 2em);border-radius:var(--radius);box-shadow:0 16px 60px #0a142059;overflow:hidden}
dialog[open]{display:flex;flex-direction:column}
dialog::backdrop{background:#0a1420a6}
.head{position:relative;padding:1.25em 1.5em 1em;border-block-end:1px solid var(--line)}
.body{overflow:auto;overscroll-behavior:contain;padding:0 1.5em;flex:1 1 auto;min-block-size:0}
.foot{padding:1em 1.5em 1.5em;border-block-start:1px solid var(--line)}
.foot .buttons{margin:0}
.purpose{padding-block:1.25em;border-block-end:1px solid var(--line)}
.top{display:flex;align-items:center;gap:1em;justify-content:space-between;min-block-size:2.75em}
label.top{cursor:pointer}
.purpose p{max-inline-size:36em}
.note{font-size:.875em;color:var(--muted);margin-block-start:.5em}
.tag{flex:none;font-size:.875em;line-height:1.25em;color:var(--muted)}
input{appearance:none;font-size:inherit;flex:none;position:relative;inline-size:3.25em;block-size:2em;margin:0;border-radius:99px;cursor:pointer;
border:2px solid var(--edge);background:var(--surface)}
input::before{content:"";position:absolute;inset-block-start:.25em;inset-inline-start:.25em;inline-size:1.25em;block-size:1.25em;
border-radius:50%;background:var(--edge)}
input:checked{background:var(--accent);border-color:var(--accent)}
input:checked::before{transform:translateX(1.25em);background:var(--on-accent)}
input:checked:dir(rtl)::before{transform:translateX(-1.25em)}
input:checked::after{content:"";position:absolute;inset-block-start:.4375em;inset-inline-start:1.9375em;inline-size:.375em;
block-size:.6875em;border:solid var(--accent);border-width:0 2px 2px 0;transform:rotate(45deg)}
details{margin-block-start:.5em;font-size:.875em}
summary{cursor:pointer;inline-size:fit-content;padding-block:.25em;color:var(--accent);border-radius:4px;text-decoration:underline;
text-underline-offset:.2em;text-decoration-thickness:1px}
summary:hover{text-decoration-thickness:2px}
dl{display:grid;grid-template-columns:minmax(7em,auto) 1fr;gap:.25em 1em;margin-block-start:.5em}
dt{color:var(--muted);grid-column:1}dd{grid-column:2}
.links{padding-block:1em 1.5em;font-size:.875em;color:var(--muted)}
a{color:var(--accent);text-underline-offset:.2em}
.reopen{position:fixed;z-index:var(--layer);inset:auto auto 1em 1em;display:flex;gap:.5em;align-items:center;
min-block-size:3.15em;padding:.375em 1.125em .375em .875em;border-color:var(--edge);border-radius:99px;font-weight:600;font-size:.875em}
.reopen:hover{background:var(--raised)}
.said{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:40em){
.banner{inset-inline:.5em;inset-block-end:.5em;padding:1.25em 1em 1em;max-block-size:calc(100dvh - 1em)}
dialog{inline-size:calc(100vw - 1em);max-block-size:calc(100dvh - 1em)}
.head{padding:1.25em 1em .875em}.body{padding-inline:1em}.foot{padding:.75em 1em 1em}
dl{grid-template-columns:1fr;gap:0}dd{grid-column:1}dd+dt{margin-block-start:.5em}
.buttons{grid-template-columns:repeat(2,minmax(0,1fr));gap:.625em}.wide{grid-column:1/-1}}
@media (max-height:30em){dialog[open]{display:block;overflow:auto}.body{overflow:visible}}
@media (prefers-reduced-motion:no-preference){
.banner,dialog[open]{animation:come .18s ease-out}
input,input::before{transition:background-color .12s,transform .12s}
@keyframes come{from{opacity:0;transform:translateY(.5em)}}}
@media (forced-colors:active){input{appearance:auto;inline-size:1.5em;block-size:1.5em}input::before,input:checked::after{content:none}}
@media print{.banner,.reopen{display:none}}
`;
