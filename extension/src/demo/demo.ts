import { h, render } from "preact";
import { adopt } from "../look/sheet";
import tokens from "../look/tokens.css";
import { Application } from "./Application";
import clinic from "./clinic/clinic.css";
import record from "./clinic/record.css";
import { Demo } from "./Demo";
import strip from "./way/strip.css";

adopt(document, tokens, clinic, record, strip);
const isAlone = new URLSearchParams(location.search).has("application");
// The page draws its own Mini: an installed extension leaves it alone (extension/content.ts).
if (!isAlone) document.documentElement.dataset.mobius = "demo";
render(h(isAlone ? Application : Demo, null), document.body);
