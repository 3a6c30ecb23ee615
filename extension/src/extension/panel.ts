import { beginPanel } from "./panel/begin";

void beginPanel(document.body);
