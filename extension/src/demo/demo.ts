import { h, render } from "preact";
import { adopt } from "../look/sheet";
import tokens from "../look/tokens.css";
import clinic from "./clinic/clinic.css";
import record from "./clinic/record.css";
import { Demo } from "./Demo";
import strip from "./way/strip.css";

adopt(document, tokens, clinic, record, strip);
render(h(Demo, null), document.body);
