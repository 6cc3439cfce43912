import { h } from "../dom.js"; export const run = (x) => h("main", {key:x,id:"main"}, x);
