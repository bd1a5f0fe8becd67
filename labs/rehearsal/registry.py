"""All steps, in the order in which they run."""

from __future__ import annotations

from labs.rehearsal.step import Step
from labs.rehearsal.steps.building import Boot, Build, Environment, Files, ReleasePhase, Services
from labs.rehearsal.steps.crowding import Crowded
from labs.rehearsal.steps.deploying import RollBack, TwoApps, WorkerCode
from labs.rehearsal.steps.limits import Limits
from labs.rehearsal.steps.memory import Memory
from labs.rehearsal.steps.paging import PagesRestart
from labs.rehearsal.steps.restarting import (
    ConfigVars,
    Daily,
    DatabaseMaintenance,
    RedisMaintenance,
    Scale,
    WebRestart,
)
from labs.rehearsal.steps.talking import Idle, Talk

STEPS: tuple[Step, ...] = (
    Files(),
    Environment(),
    Services(),
    Build(),
    ReleasePhase(),
    Boot(),
    Talk(),
    ConfigVars(),
    Scale(),
    WebRestart(),
    Daily(),
    PagesRestart(),
    Crowded(),
    RedisMaintenance(),
    DatabaseMaintenance(),
    Idle(),
    TwoApps(),
    WorkerCode(),
    RollBack(),
    Memory(),
    Limits(),
)
