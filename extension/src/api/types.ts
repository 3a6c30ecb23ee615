// The API's types, by endpoint: made from the OpenAPI document, which is made from the registry.
import type { components, paths } from "./openapi";

export type Schemas = components["schemas"];
export type ProceedIndicator = Schemas["ProceedIndicator"];
export type ExecutionMode = Schemas["ExecutionMode"];
export type AssertedProceed = Schemas["AssertedProceed"];
export type AssertedTasking = Schemas["AssertedTasking"];
export type OutcomeKind = Schemas["OutcomeKind"];
export type Config = Schemas["ConfigResponse"];
export type Status = Schemas["StatusResponse"];
export type SidecarState = Schemas["StateResponse"];
export type HistoryEvent = Schemas["HistoryEvent"];
export type Assignment = Schemas["Assignment"];
export type Reason = Schemas["Reason"];
export type PageAdapter = Schemas["PageAdapter"];

type Prefix = "/api/v1/";

/** `mini/status` and its likes. */
export type Endpoint = keyof paths extends `${Prefix}${infer Name}` ? Name : never;

type Post<E extends Endpoint> = paths[`${Prefix}${E}`] extends { post: infer P } ? P : never;

/** What may be null may as well be left out: every such field of a request has a default. */
type Sparse<Body> = { [K in keyof Body as null extends Body[K] ? never : K]: Body[K] } & {
  [K in keyof Body as null extends Body[K] ? K : never]?: Body[K];
};

/** What an endpoint takes. */
export type RequestOf<E extends Endpoint> =
  Post<E> extends { requestBody: { content: { "application/json": infer Body } } }
    ? Sparse<Body>
    : Post<E> extends { requestBody?: { content: { "application/json": infer Body } } }
      ? Sparse<Body>
      : never;

/** What an endpoint answers when all is well. */
export type AnswerOf<E extends Endpoint> =
  Post<E> extends { responses: { 200: { content: { "application/json": infer Body } } } } ? Body : never;
