// The one way to the HTTP API. Always POST: what is asked for stays out of every request log.
import ky, { HTTPError, type Options, TimeoutError } from "ky";
import { SomebodyElse } from "../identity/identity";
import type { Api, CallOptions } from "../ports";
import { type Addresses, address } from "./addresses";
import { isOurs, noAnswer, notUnderstood, problemIn } from "./failures";
import { ApiProblem, type ProblemDocument } from "./problem";
import { canRepeat, canRepeatUnanswered, RETRIED } from "./retries";
import { readServerTiming } from "./server_timing";
import type { AnswerOf, Endpoint, RequestOf } from "./types";

export type { Addresses } from "./addresses";

/** How a call was answered; times are milliseconds since 1970, with fractions. */
export interface Told {
  endpoint: Endpoint;
  startedAt: number;
  endedAt: number;
  status: number;
  /** The stages of the server's own time, in milliseconds. */
  serverTiming: Record<string, number>;
  body: unknown;
}

export interface HttpApiOptions {
  addresses: Addresses;
  /** `renew`: the one handed out before was refused. Rejects with SomebodyElse rather than give another user's. */
  token: (renew?: boolean) => Promise<string>;
  /** Aborted when the user signs out for whom this calls: what is under way then is given up. */
  signal?: AbortSignal;
  /** Told once of every call that was answered: of its last try. */
  onAnswer?: (told: Told) => void;
  fetch?: typeof fetch;
}

const TRY_MS = 5_000;
const PATIENCE_MS = 15_000;
const RETRIES = 4;
const BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 3_000;

/** Calls the API over HTTP; see the port for what it promises. */
export function httpApi(options: HttpApiOptions): Api {
  return {
    async call<E extends Endpoint>(
      endpoint: E,
      body: RequestOf<E>,
      { idempotencyKey }: CallOptions = {},
    ): Promise<AnswerOf<E>> {
      const headers: Record<string, string> = { "X-Correlation-Id": crypto.randomUUID() };
      if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
      const attempt = new Attempt(options, endpoint, body, headers);
      // An AnswerOf<E> by the API's contract: the types are made of the same registry that answers.
      return (await attempt.carryOut()) as AnswerOf<E>;
    },
  };
}

const REFUSED = Symbol("the token was refused");
const now = () => performance.timeOrigin + performance.now();

/** One call with all its tries: one deadline, one correlation id, one idempotency key. */
class Attempt {
  private readonly deadline = new AbortController();
  private readonly signal: AbortSignal;
  private readonly endsAt = now() + PATIENCE_MS;
  private startedAt = now();
  private wentOut = false;

  constructor(
    private readonly options: HttpApiOptions,
    private readonly endpoint: Endpoint,
    private readonly body: unknown,
    private readonly headers: Record<string, string>,
  ) {
    const { signal } = options;
    this.signal = signal ? AbortSignal.any([signal, this.deadline.signal]) : this.deadline.signal;
  }

  /** The answer. A token that is refused is renewed once. */
  async carryOut(): Promise<unknown> {
    const timer = setTimeout(() => this.deadline.abort(), PATIENCE_MS);
    try {
      const answer = await this.run(false);
      return answer === REFUSED ? await this.run(true) : answer;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The answer; REFUSED when a token was refused that may still be renewed. */
  private async run(renew: boolean): Promise<unknown> {
    try {
      const url = address(this.options.addresses, this.endpoint);
      const token = await this.options.token(renew);
      this.signal.throwIfAborted();
      const response = await ky.post(url, this.request(token));
      return await this.read(response);
    } catch (error) {
      if (error instanceof SomebodyElse || this.options.signal?.aborted) {
        throw new ApiProblem(givenUp(this.wentOut));
      }
      if (!(error instanceof HTTPError)) throw asProblem(error);
      if (error.response.status === 401 && !renew) return REFUSED;
      const body = await bodyOf(error.response);
      this.tell(error.response, body);
      throw new ApiProblem(problemIn(error.response.status, body));
    }
  }

  private request(token: string): Options {
    return {
      json: this.body,
      headers: { ...this.headers, Authorization: `Bearer ${token}` },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: this.signal,
      timeout: TRY_MS,
      fetch: (input, init) => {
        this.startedAt = now();
        this.wentOut = true;
        return (this.options.fetch ?? fetch)(input, init);
      },
      retry: {
        limit: RETRIES,
        methods: ["post"],
        statusCodes: RETRIED,
        afterStatusCodes: RETRIED,
        backoffLimit: LONGEST_BACKOFF_MS,
        delay: (count) => BACKOFF_MS * 2 ** (count - 1),
        jitter: (delay) => delay * (0.5 + Math.random() / 2),
        shouldRetry: ({ error }) => this.mayRetry(error),
      },
    };
  }

  /** undefined: yes, after as long as the answer says or else the backoff. */
  private async mayRetry(error: Error): Promise<boolean | undefined> {
    if (this.signal.aborted) return false;
    const isKeyed = "Idempotency-Key" in this.headers;
    if (!(error instanceof HTTPError)) {
      const isUnanswered = error instanceof TimeoutError || error instanceof TypeError;
      return isUnanswered && canRepeatUnanswered(this.endpoint, isKeyed);
    }
    const { response } = error;
    const waitS = Number(response.headers.get("Retry-After") ?? 0);
    if (now() + waitS * 1000 > this.endsAt) return false;
    const problem = await bodyOf(response.clone());
    return canRepeat(this.endpoint, isKeyed, response, problem) ? undefined : false;
  }

  private async read(response: Response): Promise<unknown> {
    const body = await bodyOf(response);
    if (!isOurs(body)) throw new ApiProblem(notUnderstood());
    this.tell(response, body);
    return body;
  }

  private tell(response: Response, body: unknown): void {
    this.options.onAnswer?.({
      endpoint: this.endpoint,
      startedAt: this.startedAt,
      endedAt: now(),
      status: response.status,
      serverTiming: readServerTiming(response.headers.get("Server-Timing")),
      body,
    });
  }
}

/** undefined when it is no JSON. A body that breaks off counts as no answer. */
async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A call whose user signed out before it ended; `wentOut`: it may have been carried out. */
export const givenUp = (wentOut: boolean): ProblemDocument => ({
  status: 0,
  title: "Signed out",
  detail: wentOut
    ? "Whoever began this signed out before it was answered. Whether it was done is not known."
    : "Whoever began this signed out before it was sent. Nothing was changed.",
  errors: [],
});

function asProblem(error: unknown): ApiProblem {
  return error instanceof ApiProblem ? error : new ApiProblem(noAnswer());
}
