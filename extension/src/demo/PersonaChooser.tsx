// Who sits in front of this window.
import type { Clinics, Persona } from "./clinics";
import type { SideName } from "./side";

interface PersonaChooserProps {
  side: SideName;
  persona: Persona;
  clinics: Clinics;
  onChoose(userId: string): void;
}

export function PersonaChooser({ side, persona, clinics, onChoose }: PersonaChooserProps) {
  const id = `persona-${side}`;
  return (
    <div class="persona">
      <span class="face" aria-hidden="true">
        {initials(persona.display_name)}
      </span>
      <label class="spoken" for={id}>
        Signed in
      </label>
      <select id={id} value={persona.user_id} onChange={(event) => onChoose(event.currentTarget.value)}>
        {clinics.clinics.map((clinic) => (
          <optgroup key={clinic.tenant_id} label={clinic.name}>
            {clinic.users.map((user) => (
              <option key={user.user_id} value={user.user_id}>
                {`${user.display_name} · ${roleName(user.role)}`}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </div>
  );
}

/** `financial_counselor` as a person writes it. */
export function roleName(role: string): string {
  const words = role.replaceAll(/[_.-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  return [words[0], words.at(-1)].map((word) => [...(word ?? "")][0] ?? "").join("");
}
