import { h } from "../dom.js"; export const queue = (x) => h("main", {key:x,id:"main"}, x); export const queues = () => h("main", {id:"main"}, "q");
