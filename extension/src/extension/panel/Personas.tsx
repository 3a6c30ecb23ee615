import { useEffect, useState } from "preact/hooks";
import { ApiProblem } from "../../api/problem";
import { fetchPersonas, type Persona } from "../../identity/persona";

interface Props {
  url: string;
  choose(persona: Persona): Promise<void>;
}

/** In development: whoever is chosen is signed in. */
export function Personas({ url, choose }: Props) {
  const [personas, setPersonas] = useState<Persona[] | null>(null);
  const [problem, setProblem] = useState("");
  const [round, setRound] = useState(0);

  useEffect(() => {
    let isOver = false;
    setProblem("");
    fetchPersonas(url).then(
      (told) => isOver || setPersonas(told),
      (error: unknown) =>
        isOver || setProblem(error instanceof ApiProblem ? error.message : "They can't be read."),
    );
    return () => {
      isOver = true;
    };
  }, [url, round]);

  const clinics = byClinic(personas ?? []);
  return (
    <section aria-labelledby="personas">
      <h2 id="personas">Synthetic users</h2>
      <p class="quiet">For development. These people and clinics don't exist.</p>
      {clinics.map(([clinic, users]) => (
        <section key={clinic} aria-label={clinic} class="clinic">
          <h3>{clinic}</h3>
          <ul>
            {users.map((user) => (
              <li key={user.userId}>
                <button type="button" class="persona" onClick={() => void choose(user)}>
                  <span>{user.displayName}</span>
                  <span class="quiet">{user.role.replaceAll("_", " ")}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
      {personas?.length === 0 && <p class="quiet">The local stack lists nobody.</p>}
      {problem && (
        <p class="problem" role="alert">
          {problem} Is the local stack running?{" "}
          <button type="button" class="plain" onClick={() => setRound(round + 1)}>
            Try again
          </button>
        </p>
      )}
    </section>
  );
}

function byClinic(personas: readonly Persona[]): [string, Persona[]][] {
  const clinics = new Map<string, Persona[]>();
  for (const each of personas) clinics.set(each.clinic, [...(clinics.get(each.clinic) ?? []), each]);
  return [...clinics];
}
