package endpoint

// pageStyle is the style of every page: readable on a telephone, light or dark
// as the reader has it, plain.
const pageStyle = `:root{color-scheme:light dark;--link:#0b57d0;--bad:#b3261e;--good:#146c2e;--line:#767676;--soft:#f1f3f4;--page:#fff;--ink:#1b1b1b}
@media(prefers-color-scheme:dark){:root{--link:#8ab4f8;--bad:#f2b8b5;--good:#7fd99a;--line:#8e918f;--soft:#26282b;--page:#131314;--ink:#e8e8e8}}
html{background:var(--page);color:var(--ink)}
*{box-sizing:border-box}
body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;line-height:1.3;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
header{border-bottom:1px solid var(--line);margin-bottom:1.5rem}header p{margin:.25rem 0}
nav ul{display:flex;flex-wrap:wrap;gap:0 1.25rem;list-style:none;margin:0;padding:0}
nav a{display:inline-block;padding:.5rem 0}nav [aria-current]{font-weight:700;color:inherit;text-decoration:none;border-bottom:3px solid var(--link)}
pre{overflow-x:auto;white-space:pre-wrap;padding:.75rem;border:1px solid var(--line);border-radius:.4rem;background:var(--soft)}
code{font-size:.9em}
dl{margin:.5rem 0}dt{font-weight:600;margin-top:.75rem}dd{margin:0}.name{display:block}
.card{border:1px solid var(--line);border-radius:.5rem;padding:.75rem 1rem;margin:1rem 0}.card h2{margin:0}.card h2+p{margin:.15rem 0 .5rem}
.card .part{border-top:1px solid var(--line);margin-top:.75rem;padding-top:.5rem}
.card dl{display:grid;grid-template-columns:6rem 1fr;gap:.25rem .75rem}.card dt{margin:0}
.plain{list-style:none;margin:0;padding:0}.h-app a{color:inherit;font-weight:700;text-decoration:none}
.notice{border-left:.4rem solid var(--good);padding:.25rem .75rem;background:var(--soft)}
.bad{border-left:.4rem solid var(--bad);padding-left:.75rem}.bad strong,.bad h2,.bad .state{color:var(--bad)}
.log{list-style:none;padding:0}.log li{border-top:1px solid var(--line);padding:.5rem 0}.log li.bad{padding-left:.75rem}.log p{margin:0}
fieldset{border:1px solid var(--line);border-radius:.4rem;margin:1.5rem 0;padding:.5rem 1rem}
.box{display:flex;gap:.75rem;align-items:baseline;padding:.4rem 0}
input[type=checkbox]{width:1.25rem;height:1.25rem;flex:none;margin:0;align-self:center}
.field{margin:1rem 0}.field label{display:block;font-weight:600}
.field input,.field select{font:inherit;width:100%;min-height:2.75rem;padding:.25rem .5rem;border:1px solid var(--line);border-radius:.4rem;background:var(--page);color:inherit}
summary{cursor:pointer;padding:.5rem 0;font-weight:600}
.buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin:.75rem 0 .25rem;align-items:center}.buttons form{margin:0}
button,.button{font:inherit;display:inline-block;min-height:2.75rem;padding:.5rem 1.25rem;border:1px solid var(--line);border-radius:.4rem;background:var(--soft);color:inherit;text-decoration:none;cursor:pointer}
button.danger{border-color:var(--bad);color:var(--bad)}
@media(min-width:34rem){.card dl{grid-template-columns:9rem 1fr}}`
