"""An operator who takes FHIR files in at the command line, and what a test looks up afterwards."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, create_engine
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.intake.identity import Naming
from ops.intake.report import Report
from ops.intake.run import Intake, take_in
from ops.intake.sources import find_sources
from ops.intake.store import Scope
from shared import settings
from shared.model import CorrelationId
from shared.persistence.database import driver_url
from shared.persistence.tables import metadata
from shared.security.patient_keys import patient_key
from tests.fhir_files import (
    AS_OF,
    MR_TYPE,
    patient,
)
from tests.integration.product import Clinic

SOURCE = "demo_ehr"


class Desk:
    """An operator of one clinic at the command line."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic

    def intake(self, *files: Path, status: int = 0, options: tuple[str, ...] = ()) -> str:
        """What the command says, once it ended with ``status``."""
        result = self.run(*files, options=options)
        assert result.exit_code == status, result.output
        return result.output

    def run(self, *files: Path, options: tuple[str, ...] = ()) -> Result:
        # Later ones count, so that a test may say another.
        common = ("--tenant", str(self.clinic.tenant_id), "--as-of", AS_OF.isoformat())
        # An operator works as the owner, the functions don't.
        owner = {"DATABASE_URL": self.clinic.product.urls.owner}
        return CliRunner().invoke(app, ["intake", "fhir", *common, *options, *map(str, files)], env=owner)

    def key(self, external_id: str) -> str:
        return patient_key(settings.settings().master_secret, self.clinic.tenant_id, SOURCE, external_id)

    def patient(self, external_id: str) -> Any:
        """The row of the context."""
        (row,) = self.clinic.sql(
            "SELECT * FROM patient_context WHERE tenant_id = :tenant AND patient_key = :key",
            key=self.key(external_id),
        )
        return row

    def signals(self, external_id: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """What this intake's source says, by code."""
        found = self.clinic.sql(
            """SELECT * FROM patient_signal WHERE tenant_id = :tenant AND patient_context_id = :context
               AND source_system = :source""",
            context=self.patient(external_id).patient_context_id,
            source=SOURCE,
        )
        return {row.code: (row.status, row.detail_json) for row in found}

    def everything(self) -> dict[str, list[str]]:
        """Every row of every table of the tenant, as text."""
        return {
            name: [
                row[0]
                for row in self.clinic.sql(
                    f"SELECT t::text FROM {name} t WHERE t.tenant_id = :tenant ORDER BY 1"  # noqa: S608 -- our own names
                )
            ]
            for name, table in metadata.tables.items()
            if "tenant_id" in table.columns
        }

    def like(self, number: int) -> dict[str, Any]:
        """The Patient of whom the clinic's snapshot could have been made."""
        known = self.clinic.patients[number]
        given, _, family = known.display_name.partition(" ")
        return patient(
            number,
            identifier=[{"type": MR_TYPE, "value": known.external_id}],
            name=[{"use": "usual", "given": [given], "family": family}],
            birthDate=known.dob.isoformat(),
        )


def at_once(clinic: Clinic, *runs: list[Path]) -> list[Report]:
    """Takes each list of files in, all at the same time."""
    engine = create_engine(driver_url(clinic.product.urls.owner))
    reports = [Report(find_sources(files)) for files in runs]
    failures: list[BaseException] = []

    def run(files: list[Path], report: Report) -> None:
        try:
            take_in(intake_of(clinic, engine), find_sources(files), report, lambda _: None)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the test tells it
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(runs, reports, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert not failures
    return reports


def intake_of(clinic: Clinic, engine: Engine) -> Intake:
    return Intake(
        engine=engine,
        scope=Scope(
            tenant_id=clinic.tenant_id,
            source_system=SOURCE,
            session_idle_s=1800,
            correlation_id=CorrelationId(uuid4()),
            now=datetime.now(UTC),
        ),
        naming=Naming(
            master=settings.settings().master_secret,
            tenant_id=clinic.tenant_id,
            source_system=SOURCE,
            asked=None,
        ),
        as_of=AS_OF,
    )
