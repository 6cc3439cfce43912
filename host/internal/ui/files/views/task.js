import { h } from "../dom.js"; export const task = (x) => h("main", {key:x,id:"main"}, x);
