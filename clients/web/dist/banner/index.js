/* @consent-service/web 0.1.0, Apache-2.0 */
function s(t,e={},...n){let o=document.createElement(t);for(let[i,a]of Object.entries(e))a!==!1&&a!=null&&o.setAttribute(i,a===!0?"":a);return o.append(...n.filter(i=>!!i)),o}var E="http://www.w3.org/2000/svg";function b(t){let e=document.createElementNS(E,"svg"),n=document.createElementNS(E,"path");for(let[o,i]of Object.entries({viewBox:"0 0 24 24","aria-hidden":"true",focusable:"false"}))e.setAttribute(o,i);return n.setAttribute("d",t),e.append(n),e}var z=new Set(["given","renewed"]),W=new Set([...z,"refused","withdrawn","objected","requested"]);function h(t){return t.choices.includes("given")?"switch":t.confirmation==="double_opt_in"&&t.choices.length?"confirmed":t.choices.includes("refused")?"objectable":"information"}function v(t,e){let n=e[t.purpose]?.status??"unknown";return h(t)==="objectable"?n!=="objected":z.has(n)}function C(t,e){let n=h(t);return n==="switch"||n!=="information"&&v(t,e)}function N(t){return y(t,"given")}function L(t){return y(t,"refused")}function M(t,e){let n=t.purposes.filter(o=>!W.has(e[o.purpose]?.status??"unknown"));return y({...t,purposes:n},"deferred")}function A(t,e,n){let o={};for(let i of t.purposes){let a=i.purpose,r=h(i),l=v(i,e);n.has(a)?r==="switch"&&(o[a]="given"):(r==="switch"||l)&&r!=="information"&&(o[a]=l&&r!=="objectable"?"withdrawn":"refused")}return o}function y(t,e){let n=t.purposes.filter(o=>o.choices.includes(e));return Object.fromEntries(n.map(o=>[o.purpose,e]))}var j={nb:{reopen:"Dine valg",saved:"Valgene dine er lagret."},nn:{reopen:"Vala dine",saved:"Vala dine er lagra."},en:{reopen:"Your choices",saved:"Your choices are saved."}};function k(t){let e=t.toLowerCase().split("-")[0]??"",n=e==="no"?"nb":Object.hasOwn(j,e)?e:"en";return{...j[n],language:n}}function x(t){return[t,...t.startsWith("nn")?["nb"]:[],"en"]}function $(t,e){let n=e.map((o,i)=>i?o.toLocaleLowerCase(t):o);return new Intl.ListFormat(x(t),{type:"conjunction"}).format(n)}var q={Y:"year",M:"month",W:"week",D:"day"},F={H:"hour",M:"minute",S:"second"};function w(t,e){let[n="",o=""]=e.replace(/^P/,"").split("T"),i=[...T(n,q),...T(o,F)].map(([a,r])=>new Intl.NumberFormat(x(t),{style:"unit",unit:r,unitDisplay:"long"}).format(a));return i.length?i.join(" "):e}function T(t,e){return[...t.matchAll(/(\d+)([A-Z])/g)].map(([,n,o])=>[Number(n),e[o??""]??"day"])}function H(t,e){try{return new Intl.DisplayNames(x(t),{type:"region"}).of(e)??e}catch{return e}}var K="M6 6l12 12M18 6L6 18";function O(t,e){let n=t.purposes.map(o=>s("li",{lang:R(o,t)},o.notice.name));return s("section",{class:"banner",part:"banner","aria-labelledby":"banner-title","aria-describedby":"banner-lead"},s("p",{class:"by"},t.controller),s("h2",{id:"banner-title"},t.texts.title),s("p",{class:"lead",id:"banner-lead"},t.texts.introduction),s("ul",{class:"names",role:"list"},...n),...P(t,"banner",e))}function B(t,e,n){let o=t.purposes.map(r=>V(r,t,e)),i=s("dialog",{"aria-labelledby":"settings-title",part:"settings"},s("div",{class:"head"},s("p",{class:"by"},t.controller),s("h2",{id:"settings-title",tabindex:"-1",autofocus:!0},t.texts.title)),s("div",{class:"body"},s("p",{class:"lead"},t.texts.introduction),...o,G(t)),s("div",{class:"foot"},...P(t,"settings",n))),a=()=>[...i.querySelectorAll("input")].filter(r=>r.checked);return{dialog:i,read:()=>new Set(a().map(r=>r.value))}}function P(t,e,n){let o=t.layers.find(r=>r.layer===e),i=s("div",{class:"buttons"}),a=[i];for(let r of o?.buttons??[]){let l=t.texts[r]??r,d=r==="close",c=r==="accept_all"||r==="refuse_all",p=d?"close":[(e==="banner"?c:r==="save")&&"full",!c&&"wide"].filter(Boolean).join(" "),u=s("button",{type:"button",class:p,"data-button":r,part:`button ${r.replace("_","-")}`},d?b(K):l);d&&u.setAttribute("aria-label",l),u.addEventListener("click",({detail:I})=>I<2&&n(r)),d?a.push(u):i.append(u)}return a}function V(t,e,n){let{texts:o}=e,i=`purpose-${t.purpose}`,a=h(t),r={switch:"",confirmed:o.by_confirmation,objectable:o.objection,information:""},l=s("h3",{id:i},t.notice.name),d=s("input",{type:"checkbox",role:"switch",value:t.purpose,"aria-labelledby":i,"aria-describedby":`${i}-text`});d.checked=v(t,n);let c=a==="information"&&t.allowed_by_default&&o.always_on,m=C(t,n)?s("label",{class:"top"},l,d):s("div",{class:"top"},l,c&&s("span",{class:"tag"},c));return s("div",{class:"purpose",lang:R(t,e),role:"group","aria-labelledby":i},m,s("p",{id:`${i}-text`},t.notice.description),r[a]&&s("p",{class:"note"},r[a]),Y(t,e))}function Y(t,{language:e,texts:n}){let o=t.recipients.map(c=>typeof c.country=="string"?`${c.name} (${H(e,c.country)})`:c.name),i=t.cookies.map(({name:c,provider:m,lifetime:p})=>{let u=[m,p&&w(e,p)].filter(Boolean).join(", ");return u?`${c} (${u})`:c}),a=t.retention.flatMap(({duration:c})=>typeof c=="string"?[w(e,c)]:[]),l=Object.entries({recipients:o,cookies:i,retention:a}).filter(([,c])=>c.length);if(!l.length)return null;let d=l.map(([c])=>n[c]??c);return s("details",{},s("summary",{},$(e,d.slice(0,2))),s("dl",{},...l.flatMap(([,c],m)=>[s("dt",{},d[m]),...c.map(p=>s("dd",{},p))])))}function G({texts:t,links:{contacts:e,complaint:n}}){let o=e.filter(i=>i.type==="email").slice(0,1);return s("div",{class:"links"},...o.map(i=>s("p",{},`${t.contact}: `,s("a",{href:`mailto:${i.value}`},i.value))),n&&s("p",{},`${t.complaint}: ${n}`))}function R(t,e){return t.language===e.language?null:t.language}var U=["surface","raised","text","muted","line","edge","accent","accent-hover","on-accent","focus"],X=["#fff","#f3f5f7","#14202b","#465563","#d5dbe1","#667583","#0d4a80","#083459","#fff","#0d4a80"],_=["#171d23","#212931","#eef2f5","#b4c0ca","#36414b","#8a98a5","#a9d0f5","#cfe5fb","#0a1e30","#cfe5fb"];function S(t){return U.map((e,n)=>`--${e}:var(--consent-${e},${t[n]});`).join("")}var D=`
:host{all:initial;display:contents}
:host{${S(X)}color-scheme:light;
--radius:var(--consent-radius,12px);--small:calc(var(--radius)*.6);
--font:var(--consent-font,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif);
--layer:var(--consent-z-index,2147483000)}
@media (prefers-color-scheme:dark){:host(:not([theme=light])){${S(_)}color-scheme:dark}}
:host([theme=dark]){${S(_)}color-scheme:dark}
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
`;var f="consent-banner",Z="M4 7h8m6 0h2M4 17h2m6 0h8M18 7a3 3 0 1 1-6 0a3 3 0 1 1 6 0M12 17a3 3 0 1 1-6 0a3 3 0 1 1 6 0",g=class extends HTMLElement{#e;#i=this.attachShadow({mode:"open"});#t;#n;#o=s("button",{type:"button",class:"reopen",part:"reopen","aria-haspopup":"dialog",hidden:!0});#a=s("p",{class:"said",role:"status"});#c=new CSSStyleSheet;#s=new AbortController;get consent(){return this.#e}set consent(e){this.#e=e,this.isConnected&&this.#d()}connectedCallback(){let e=new CSSStyleSheet;e.replaceSync(D),this.#i.adoptedStyleSheets=[e],this.#i.replaceChildren(this.#o,this.#a),this.#d()}disconnectedCallback(){this.#s.abort(),this.#m(),queueMicrotask(()=>this.#h())}#h(){if(this.isConnected||!this.#e)return;let e=document.querySelector(f);e?e.consent??=this.#e:document.body?.prepend(this)}async open(e){let n=await this.#f();if(!n||!this.#e||this.#n)return;let{dialog:o,read:i}=B(n,this.#e.standing(),r=>this.#r("settings",r,n,i()));this.#n=o,o.addEventListener("cancel",r=>{r.preventDefault(),this.#r("settings","close",n)}),this.#t&&(this.#t.hidden=!0),this.#i.append(o),o.showModal();let a=e&&o.querySelector(`#purpose-${CSS.escape(e)}`)?.closest(".purpose");a&&(a.scrollIntoView({block:"center"}),a.querySelector("input")?.focus())}#d(){let e=this.#e;if(!e)return;this.#s.abort(),this.#s=new AbortController;let{signal:n}=this.#s,o=k(document.documentElement.lang||navigator.language);this.#o.replaceChildren(b(Z),o.reopen),this.#o.lang=o.language,this.#o.addEventListener("click",({detail:i})=>i<2&&void this.open(),{signal:n}),document.addEventListener("click",i=>this.#g(i),{signal:n}),window.addEventListener("online",()=>{this.#l()},{signal:n});for(let i of["change","ask"])n.addEventListener("abort",e.on(i,()=>{this.#l()}));n.addEventListener("abort",e.on("settings",i=>{this.open(i)})),e.ready.then(()=>this.#l())}#g(e){e.target instanceof Element&&e.target.closest("[data-consent-settings]")&&(e.preventDefault(),this.open())}async#l(){let e=this.#e?.mustAsk()??!1;if(e||this.#u(),this.#o.hidden=e||this.getAttribute("reopen")==="none",!e||this.#t||this.#n)return;let n=await this.#f();!n||this.#t||this.#n||!this.isConnected||!this.#e?.mustAsk()||this.#b(n)}#b(e){let n=O(e,o=>this.#r("banner",o,e));n.addEventListener("keydown",o=>{o.key==="Escape"&&this.#r("banner","close",e)}),this.#t=n,this.#i.prepend(n),this.#p(`${e.texts.title}. ${e.texts.introduction}`),this.#v(n)}#r(e,n,o,i=new Set){if(n==="settings"){this.open();return}let a=this.#e?.standing()??{},r=this.#e?.mustAsk()??!1,d={accept_all:()=>N(o),refuse_all:()=>L(o),save:()=>A(o,a,i),close:()=>r?M(o,a):{}}[n]?.()??{};if(this.#m(),this.#o.hidden=this.getAttribute("reopen")==="none",document.activeElement===document.body&&this.#o.focus({preventScroll:!0}),!Object.keys(d).length)return;let c=o.layers.find(m=>m.layer===e)?.screen_hash??o.screen_hash;this.#e?.choose({layer:e,button:n,choices:d,screenHash:c,language:o.language}),n!=="close"&&this.#p(k(o.language).saved)}#m(){this.#u(),this.#n?.close(),this.#n?.remove(),this.#n=void 0}#u(){this.#t?.remove(),this.#t=void 0,document.adoptedStyleSheets=document.adoptedStyleSheets.filter(e=>e!==this.#c)}#v(e){let n=document.documentElement,o=e.offsetHeight+32,i=n.scrollHeight>n.clientHeight?`html::after{content:"";display:block;height:${o}px}`:"";this.#c.replaceSync(`html{scroll-padding-bottom:${o}px}${i}`),document.adoptedStyleSheets=[...document.adoptedStyleSheets,this.#c]}#p(e){this.#a.textContent="",requestAnimationFrame(()=>this.#a.textContent=e)}async#f(){try{let e=await this.#e?.notice();return e&&(this.lang=e.language),e}catch{return}}};function J(){customElements.get(f)||customElements.define(f,g)}function fe(t){J();let e=document.querySelector(f),n=e??document.createElement(f);return n.consent=t,e||document.body.prepend(n),n}export{g as ConsentBanner,J as defineBanner,fe as showBanner};
