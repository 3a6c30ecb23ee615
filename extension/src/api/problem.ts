// What went wrong with a call, as a sentence that a worker can read (RFC 9457).
export interface FieldProblem {
  field: string;
  message: string;
}

/** How an ApiProblem travels in a message. */
export interface ProblemDocument {
  /** 0: no answer came. */
  status: number;
  title: string;
  detail: string;
  errors: FieldProblem[];
}

/** A call that was not answered with what it asked for. */
export class ApiProblem extends Error {
  constructor(readonly problem: ProblemDocument) {
    super(problem.detail);
    this.name = "ApiProblem";
  }

  get status(): number {
    return this.problem.status;
  }

  /** Whether the same call may do better later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 409 || this.status === 429 || this.status === 503;
  }

  /** The sentence about one field of the request, if there is one. */
  about(field: string): string | undefined {
    return this.problem.errors.find((each) => each.field === field)?.message;
  }
}
