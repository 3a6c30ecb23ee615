import { useEffect, useState } from "preact/hooks";
import type { Config } from "../../api/types";
import { askForPermission, onPermissions, sitesWithoutPermission } from "./permissions";

/** Says where Mini can't show yet, and asks for it. Nothing when nothing is missing. */
export function Sites({ config }: { config: Config }) {
  const [missing, setMissing] = useState<string[]>([]);
  const [isRefused, setRefused] = useState(false);

  useEffect(() => {
    let isOver = false;
    const look = () =>
      sitesWithoutPermission(config).then(
        (sites) => isOver || setMissing(sites),
        () => {},
      );
    void look();
    const ignore = onPermissions(look);
    return () => {
      isOver = true;
      ignore();
    };
  }, [config]);

  if (missing.length === 0) return null;
  const allow = async () => setRefused(!(await askForPermission(missing).catch(() => false)));
  return (
    <section class="sites" aria-label="Sites">
      <p>
        Mini doesn't show on <strong>{listed(missing)}</strong> yet: Chrome has to be allowed to.
      </p>
      <button type="button" class="main" onClick={allow}>
        Allow Mobius on {missing.length === 1 ? "this site" : "these sites"}
      </button>
      <p class="problem" role="status">
        {isRefused ? "Chrome was not allowed to. You can change your mind at any time." : ""}
      </p>
    </section>
  );
}

/** `*.example.org` is told as `example.org`: it is meant with all below it. */
const listed = (sites: readonly string[]): string =>
  new Intl.ListFormat("en", { type: "conjunction" }).format(sites.map((site) => site.replace(/^\*\./, "")));
